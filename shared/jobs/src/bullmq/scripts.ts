import { createHash } from 'node:crypto'
import { RETRY_PAUSE_MAX_MS } from '../outcome.ts'
import { PRELUDE } from './prelude.ts'

/** An entry of the outbox waits for no longer than this, milliseconds: the longest pause and a grace. */
const OUTBOX_AHEAD_MAX_MS = 2 * RETRY_PAUSE_MAX_MS

/** Jobs of one Redis that have not ended. */
export const JOBS_GOING_MAX = 10_000

/** order, priority, failuresMax. Answers what to enqueue; false where the id is taken. */
const SUBMIT = `
if redis.call('EXISTS', J) == 1 then return false end
if redis.call('ZCARD', P .. 'jobs') - redis.call('ZCARD', P .. 'ended') >= ${JOBS_GOING_MAX} then
  return 'full'
end
redis.call('SET', J .. ':def', ARGV[4])
redis.call('HSET', J, 'state', 'queued', 'prio', ARGV[5], 'failuresMax', ARGV[6], 'created', now,
  'attempt', 1, 'items', 0, 'ibytes', 0, 'pages', 0, 'complete', 0, 'done', 0, 'skipped', 0,
  'failed', 0, 'bytes', 0, 'seq', 0, 'tries', 0, 'taking', 0, 'untaken', 0, 'want', '')
redis.call('ZADD', P .. 'jobs', redis.call('INCR', P .. 'seq'), id)
control('l', 0)
changed()
return out
`

/** kind (l or e), seq, token, lease in ms. */
const BEGIN = `
local state = field('state')
if not state then return {'gone'} end
if not going(state) or field('want') ~= ARGV[4] or field('seq') ~= ARGV[5] then return {'stale'} end
local busy = busyFor(field('ctoken'), tonumber(ARGV[7]))
if busy > 0 then return {'busy', tostring(busy)} end
hold(ARGV[6], tonumber(ARGV[7]))
redis.call('HSET', J, 'ctoken', ARGV[6], 'state', 'running')
redis.call('HSETNX', J, 'started', now)
if state ~= 'running' then changed() end
return {'ok', redis.call('HGETALL', J)}
`

/**
 * seq, token, another token, lease in ms, has a cursor (1 or 0), cursor, kind of step (list, take), page
 * up to which was taken or empty at the end, then for each page: number or empty, owner, items, their
 * count, their bytes.
 *
 * Where no other step waits, the next one of the list is the same delivery's, under the other token:
 * `next` with what changes of the job. A repetition of what was heard finds that it was.
 */
const LISTED = `
local state = field('state')
if not state then return {'gone'} end
if going(state) and field('ctoken') == ARGV[6] and field('seq') == ARGV[4] and field('want') == 'l' then
  hold(ARGV[6], tonumber(ARGV[7]))
  return {'next', out, redis.call('HGETALL', J)}
end
if field('ctoken') ~= ARGV[5] or field('seq') ~= ARGV[4] or field('want') ~= 'l' then return {'stale'} end
if not going(state) and state ~= 'paused' then return {'stale'} end
local taking = ARGV[10] == 'take'
for at = 12, #ARGV, 5 do
  local number, owner, items, count, bytes = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
  if taking then
    local failed = tonumber(redis.call('HGET', J .. ':fcount', number) or '0')
    -- Not -failed: of nothing that is -0, which is no integer for Redis 7.
    redis.call('HINCRBY', J, 'untaken', 0 - failed)
    for _, part in ipairs({':fcount', ':failures', ':saved', ':items', ':owners'}) do
      redis.call('HDEL', J .. part, number)
    end
    redis.call('ZREM', J .. ':undone', number)
  else
    number = tostring(redis.call('HINCRBY', J, 'pages', 1) - 1)
    redis.call('HINCRBY', J, 'items', count)
    redis.call('HINCRBY', J, 'ibytes', bytes)
  end
  if count ~= '0' then
    local meta = {a = field('attempt'), o = owner, d = 1, t = '', r = 0, c = {'0', '0', '0', '0'}}
    redis.call('HSET', J .. ':items', number, items)
    redis.call('HSET', J .. ':meta', number, cjson.encode(meta))
    redis.call('ZADD', J .. ':open', number, number)
    redis.call('HINCRBY', J .. ':ahead', owner, 1)
    if going(state) then sendPage(number, meta, 0) end
  end
end
if taking then
  if ARGV[11] == '' then redis.call('HSET', J, 'taking', 0)
  else redis.call('HSET', J, 'takenTo', ARGV[11]) end
elseif ARGV[8] == '1' then redis.call('HSET', J, 'cursor', ARGV[9])
else redis.call('HSET', J, 'complete', 1) redis.call('HDEL', J, 'cursor') end
redis.call('ZREM', J .. ':holders', ARGV[5])
redis.call('HSET', J, 'want', '', 'tries', 0)
changed()
local kind = nextStep()
if kind == 'l' and redis.call('ZCARD', P .. 'queue:control:prioritized') == 0 then
  hold(ARGV[6], tonumber(ARGV[7]))
  redis.call('HSET', J, 'want', 'l', 'ctoken', ARGV[6])
  return {'next', out, redis.call('HGETALL', J)}
end
if kind then control(kind, 0) end
return {'ok', out}
`

/** token, pause in ms, tries: the step is wanted again, where the token still has it. */
const AGAIN = `
redis.call('ZREM', J .. ':holders', ARGV[4])
if field('ctoken') ~= ARGV[4] then return {'stale'} end
redis.call('HSET', J, 'ctoken', '', 'tries', ARGV[6])
local want = field('want')
if going(field('state')) and want ~= '' then control(want, tonumber(ARGV[5])) end
return {'ok', out}
`

/** token, state, error, result: by who has the last step, or lost its list. */
const END = `
if field('ctoken') ~= ARGV[4] then return {'stale'} end
redis.call('ZREM', J .. ':holders', ARGV[4])
if not going(field('state')) then return {'stale'} end
finish(ARGV[5], ARGV[6], ARGV[7])
return {'ok', out}
`

/** number, delivery, token, lease in ms. */
const TAKE = `
local state = field('state')
local text = redis.call('HGET', J .. ':meta', ARGV[4])
if not state or not text then return {'gone'} end
local meta = cjson.decode(text)
if not going(state) or tostring(meta.d) ~= ARGV[5] then return {'stale'} end
local busy = busyFor(meta.t, tonumber(ARGV[7]))
if busy > 0 then return {'busy', tostring(busy)} end
hold(ARGV[6], tonumber(ARGV[7]))
meta.t = ARGV[6]
redis.call('HSET', J .. ':meta', ARGV[4], cjson.encode(meta))
return {'ok', redis.call('HGETALL', J), redis.call('HGET', J .. ':items', ARGV[4]),
  redis.call('HGET', J .. ':saved', ARGV[4]) or '', redis.call('HGET', J .. ':failures', ARGV[4]) or '',
  meta.a, meta.o, tostring(meta.r)}
`

/** token, lease in ms. Answers the state, or \`lost\`. */
const RENEW = `
local state = field('state')
if not state then return 'gone' end
local untilMs = redis.call('ZSCORE', J .. ':holders', ARGV[4])
if not untilMs or tonumber(untilMs) < server then return 'lost' end
if going(state) then hold(ARGV[4], tonumber(ARGV[5])) end
return state
`

/** token: its lease is over. */
const LET_GO = `
redis.call('ZREM', J .. ':holders', ARGV[4])
return 'ok'
`

/** lease in ms. How many leases of the job are not over. */
const HELD = `
capHolders(tonumber(ARGV[4]))
return redis.call('ZCOUNT', J .. ':holders', server, '+inf')
`

/**
 * number, token, final (1 or 0), done, skipped, failed, bytes, what is saved, failures, what the job says
 * that had too many failures, and why the page ends the job or empty. Only the difference to what was
 * recorded before is counted.
 */
const SETTLE = `
local number, final = ARGV[4], ARGV[6] == '1'
local text = redis.call('HGET', J .. ':meta', number)
if not text then return {'gone'} end
local meta = cjson.decode(text)
if meta.t ~= ARGV[5] then return {'stale'} end
for at, name in ipairs({'done', 'skipped', 'failed', 'bytes'}) do
  local count = ARGV[6 + at]
  redis.call('HINCRBY', J, name, tonumber(count) - tonumber(meta.c[at]))
  meta.c[at] = count
end
if ARGV[9] ~= '0' then
  redis.call('HSET', J .. ':failures', number, ARGV[12])
  redis.call('HSET', J .. ':fcount', number, ARGV[9])
  redis.call('ZADD', J .. ':undone', number, number)
  redis.call('HSET', J .. ':owners', number, meta.o)
end
if final then
  for _, part in ipairs({':items', ':meta', ':saved'}) do redis.call('HDEL', J .. part, number) end
  redis.call('ZREM', J .. ':open', number)
  redis.call('HINCRBY', J .. ':ahead', meta.o, -1)
  redis.call('ZREM', J .. ':holders', ARGV[5])
else
  redis.call('HSET', J .. ':saved', number, ARGV[11])
  redis.call('HSET', J .. ':meta', number, cjson.encode(meta))
end
local state = field('state')
local open = going(state) or state == 'paused'
if open and ARGV[14] ~= '' then
  finish('failed', ARGV[14], '')
elseif open and tonumber(field('failed')) > tonumber(field('failuresMax')) then
  finish('failed', ARGV[13], '')
else
  advance()
  changed()
end
return {'ok', out}
`

/** number, token, pause in ms, tries: the page is delivered again, where the token still has it. */
const RETURN = `
redis.call('ZREM', J .. ':holders', ARGV[5])
local text = redis.call('HGET', J .. ':meta', ARGV[4])
if not text then return {'gone'} end
local meta = cjson.decode(text)
if meta.t ~= ARGV[5] then return {'stale'} end
meta.t = ''
meta.r = tonumber(ARGV[7])
meta.d = meta.d + 1
redis.call('HSET', J .. ':meta', ARGV[4], cjson.encode(meta))
if going(field('state')) then sendPage(ARGV[4], meta, tonumber(ARGV[6])) end
return {'ok', out}
`

/** Answers the state before, as the four that follow do. */
const PAUSE = `
local state = field('state')
if going(state) then
  redis.call('HSET', J, 'state', 'paused')
  changed()
  stopped()
end
return {state, out}
`

const RESUME = `
local state = field('state')
if state ~= 'paused' then return {state, out} end
redis.call('HSET', J, 'state', field('started') and 'running' or 'queued')
for _, number in ipairs(redis.call('ZRANGE', J .. ':open', 0, -1)) do
  local meta = cjson.decode(redis.call('HGET', J .. ':meta', number))
  meta.d = meta.d + 1
  redis.call('HSET', J .. ':meta', number, cjson.encode(meta))
  sendPage(number, meta, 0)
end
local want = field('want')
if want ~= '' then control(want, 0) else advance() end
changed()
return {state, out}
`

/** reason */
const ABORT = `
local state = field('state')
if going(state) or state == 'paused' then finish('aborted', ARGV[4], '') end
return {state, out}
`

/** reason, order or empty: of a job whose record or pages are not what was written. */
const SPOILT = `
local kind = redis.call('TYPE', J)['ok']
if kind == 'none' then return {false, out} end
if kind ~= 'hash' then
  redis.call('DEL', J)
  redis.call('HSET', J, 'created', now, 'attempt', 1, 'complete', 0)
end
local function isCount(text) return text and #text <= 15 and string.match(text, '^%d+$') end
for _, name in ipairs({'items', 'ibytes', 'pages', 'done', 'skipped', 'failed', 'bytes', 'untaken'}) do
  if not isCount(field(name)) then redis.call('HSET', J, name, 0) end
end
for _, name in ipairs({'created', 'attempt'}) do
  if not isCount(field(name)) then redis.call('HSET', J, name, 1) end
end
for _, name in ipairs({'started', 'ended'}) do
  if not isCount(field(name)) then redis.call('HDEL', J, name) end
end
redis.call('HDEL', J, 'result')
if ARGV[5] ~= '' then redis.call('SET', J .. ':def', ARGV[5]) end
if field('state') ~= 'failed' then finish('failed', ARGV[4], '') end
return {'failed', out}
`

const RETRY = `
local state = field('state')
if state ~= 'failed' and state ~= 'aborted' then return {state, out} end
redis.call('HDEL', J, 'ended', 'error', 'result')
redis.call('ZREM', P .. 'ended', id)
redis.call('HINCRBY', J, 'attempt', 1)
for _, number in ipairs(redis.call('ZRANGE', J .. ':open', 0, -1)) do
  local meta = cjson.decode(redis.call('HGET', J .. ':meta', number))
  redis.call('ZADD', J .. ':undone', number, number)
  redis.call('HSET', J .. ':owners', number, meta.o)
  -- Bytes of items that are begun anew come again. What cannot be read is told of when it is taken.
  local known, saved = pcall(cjson.decode, redis.call('HGET', J .. ':saved', number) or '{}')
  if known and type(saved) == 'table' and type(saved.underWayBytes) == 'number' then
    redis.call('HINCRBY', J, 'bytes', string.format('%.0f', 0 - saved.underWayBytes))
  end
end
redis.call('UNLINK', J .. ':open', J .. ':ahead', J .. ':meta')
redis.call('HSET', J, 'state', 'queued', 'want', '', 'ctoken', '', 'tries', 0, 'takenTo', -1,
  'takeTo', tonumber(field('pages')) - 1, 'taking', redis.call('ZCARD', J .. ':undone') > 0 and 1 or 0,
  'untaken', field('failed'), 'failed', 0)
advance()
changed()
return {state, out}
`

const REMOVE = `
local state = field('state')
if state == 'finished' or state == 'failed' or state == 'aborted' or state == 'lost' then forget(id) end
return {state, out}
`

/** order, and the fields of the hash: of a job that Redis forgot. The one who knows most wins. */
const LOSE = `
local state = field('state')
if state and state ~= 'lost' then return {state, out} end
local fields = {}
local known = 0
for at = 5, #ARGV, 2 do
  fields[#fields + 1] = ARGV[at]
  fields[#fields + 1] = ARGV[at + 1]
  if ARGV[at] == 'done' or ARGV[at] == 'skipped' or ARGV[at] == 'failed' then
    known = known + tonumber(ARGV[at + 1])
  end
end
if state then
  if field('done') + field('skipped') + field('failed') >= known then return {state, out} end
  redis.call('HSET', J, unpack(fields))
  changed()
  return {state, out}
end
redis.call('SET', J .. ':def', ARGV[4])
redis.call('HSET', J, unpack(fields))
redis.call('ZADD', P .. 'jobs', redis.call('INCR', P .. 'seq'), id)
finish('lost', field('error'), '')
return {'lost', out}
`

/** What changes of a job, as a flat list of fields and values. */
const READ = `
return redis.call('HGETALL', J)
`

/** first and last rank, newest first: for each job its id and what changes. */
const SCAN = `
for _, other in ipairs(redis.call('ZREVRANGE', P .. 'jobs', ARGV[4], ARGV[5])) do
  local fields = redis.pcall('HGETALL', P .. 'job:' .. other)
  if not fields['err'] then out[#out + 1] = {other, fields} end
end
return out
`

/** number of the first page: up to ten pages that left failures, each with its number. */
const FAILURES = `
if not field('state') then return false end
for _, number in ipairs(redis.call('ZRANGEBYSCORE', J .. ':undone', ARGV[4], '+inf', 'LIMIT', 0, 10)) do
  out[#out + 1] = {number, redis.call('HGET', J .. ':failures', number) or '[]'}
end
return out
`

/** The next page that the attempt before left something of: number, owner, items, saved, failures. */
const LEFT = `
local after = '(' .. (field('takenTo') or '-1')
local number = redis.call('ZRANGEBYSCORE', J .. ':undone', after, field('takeTo') or '-1', 'LIMIT', 0, 1)[1]
if not number then return {} end
return {number, redis.call('HGET', J .. ':owners', number) or '',
  redis.call('HGET', J .. ':items', number) or '', redis.call('HGET', J .. ':saved', number) or '',
  redis.call('HGET', J .. ':failures', number) or ''}
`

/** id of the schedule is the id; when it was due, when it comes next, the row. */
const FIRED = `
local due = redis.call('ZSCORE', P .. 'due', id)
if due ~= ARGV[4] then return 'stale' end
redis.call('ZADD', P .. 'due', ARGV[5], id)
redis.call('HSET', P .. 'schedules', id, ARGV[6])
return 'ok'
`

/** when it comes next, the row, and 1 where only a free id is taken */
const SCHEDULE = `
if ARGV[6] == '1' and redis.call('HEXISTS', P .. 'schedules', id) == 1 then return 'stale' end
redis.call('ZADD', P .. 'due', ARGV[4], id)
redis.call('HSET', P .. 'schedules', id, ARGV[5])
return 'ok'
`

/**
 * Entries of the outbox whose sender seems to have died; each waits again before the next sees it. Those
 * that wait for longer than any pause are of a time before the clock of the server was set back.
 */
const ORPHANS = `
local entries = redis.call('ZRANGEBYSCORE', P .. 'outbox', '-inf', server, 'LIMIT', 0, 100)
local latest = '(' .. (server + ${OUTBOX_AHEAD_MAX_MS})
for _, entry in ipairs(redis.call('ZRANGEBYSCORE', P .. 'outbox', latest, '+inf', 'LIMIT', 0, 100)) do
  entries[#entries + 1] = entry
end
for _, entry in ipairs(entries) do redis.call('ZADD', P .. 'outbox', server + GRACE, entry) end
return entries
`

/**
 * unit of a rate, amount, units in a second, burst in ms, and how far ahead is promised in ms. Answers
 * `ok` and after how many ms it may be used, or `busy` and after how many to ask again.
 */
const SPEND = `
if not field('state') then return {'ok', '0'} end
local exact = time[1] * 1000 + time[2] / 1000
local paid = tonumber(redis.call('HGET', J .. ':paid', ARGV[4]) or '0')
local at = tonumber(redis.call('HGET', J .. ':paid', ARGV[4] .. '.at') or '0')
-- The clock of this server was set back since then: so is what is owed.
if at > exact then paid = paid - (at - exact) end
local from = math.max(paid, exact - tonumber(ARGV[7]))
local wait, ahead = math.max(0, from - exact), tonumber(ARGV[8])
if wait > ahead then return {'busy', string.format('%.3f', wait - ahead)} end
paid = from + tonumber(ARGV[5]) * 1000 / tonumber(ARGV[6])
redis.call('HSET', J .. ':paid', ARGV[4], string.format('%.3f', paid),
  ARGV[4] .. '.at', string.format('%.3f', exact))
-- As a whole number of thirty days at most: Redis refuses more than it can count.
local kept = math.min(math.max(0, paid - exact), 2592000000) + 60000
if redis.call('PTTL', J .. ':paid') < kept then
  redis.call('PEXPIRE', J .. ':paid', string.format('%.0f', kept))
end
return {'ok', string.format('%.3f', wait)}
`

const BODIES = {
  submit: SUBMIT,
  begin: BEGIN,
  listed: LISTED,
  again: AGAIN,
  end: END,
  take: TAKE,
  renew: RENEW,
  letGo: LET_GO,
  held: HELD,
  settle: SETTLE,
  return: RETURN,
  pause: PAUSE,
  resume: RESUME,
  abort: ABORT,
  spoilt: SPOILT,
  retry: RETRY,
  remove: REMOVE,
  lose: LOSE,
  read: READ,
  scan: SCAN,
  failures: FAILURES,
  left: LEFT,
  fired: FIRED,
  schedule: SCHEDULE,
  orphans: ORPHANS,
  spend: SPEND,
} as const

export type ScriptName = keyof typeof BODIES

/** A script with the name under which Redis keeps it. */
export interface Script {
  readonly text: string
  readonly sha: string
}

/** The script of that name. */
export function script(name: ScriptName): Script {
  return SCRIPTS[name]
}

const named = (body: string): Script => {
  const text = PRELUDE + body
  return { text, sha: createHash('sha1').update(text).digest('hex') }
}

const SCRIPTS: Readonly<Record<ScriptName, Script>> = Object.fromEntries(
  Object.entries(BODIES).map(([name, body]) => [name, named(body)]),
) as Record<ScriptName, Script> // Object.fromEntries forgets the names.
