import { HISTORY_MAX, PAGES_AHEAD_MAX } from '../engine.ts'

/**
 * How every script begins. Each change of a job is one script, so nobody sees a half of it.
 *
 * `KEYS[1]` is the key of the epoch and gives all others their prefix, which is a hash tag: all of them
 * lie in one slot of a cluster. `ARGV`: the epoch (another one in Redis means that it was emptied), the
 * id of the job, the caller's time in milliseconds, then what the script says.
 *
 * Keys of a job, after `<prefix>:job:<id>`:
 * (none) a hash of what changes; `:def` the order; `:items`, `:meta`, `:saved` of open pages by number;
 * `:open` their numbers; `:ahead` their count by owner; `:failures`, `:fcount` by number of page;
 * `:undone` numbers of pages that left something, `:owners` whose they are; `:holders` tokens of leases with their ends;
 * `:paid` by unit when what was used of a rate is paid off, ms of Redis's clock.
 *
 * `want` of the hash: `l` while a step of the list is wanted or done, `e` the end, empty for neither.
 */
export const PRELUDE = `
local P = string.sub(KEYS[1], 1, -6)
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return redis.error_reply('EPOCH another one is there') end
local id, now = ARGV[2], ARGV[3]
local J = P .. 'job:' .. id
local time = redis.call('TIME')
local server = time[1] * 1000 + math.floor(time[2] / 1000)
local out = {}
local GRACE = 5000

local function field(name) return redis.call('HGET', J, name) end
local function stopped() redis.call('PUBLISH', P .. 'stops', id) end
local function going(state) return state == 'queued' or state == 'running' end

local function changed()
  redis.call('ZADD', P .. 'touched', server, id)
  redis.call('PUBLISH', P .. 'changes', id)
end

local function send(queue, name, delay)
  local entry = queue .. '|' .. field('prio') .. '|' .. name
  redis.call('ZADD', P .. 'outbox', server + delay + GRACE, entry)
  out[#out + 1] = entry
  out[#out + 1] = tostring(delay)
end

local function control(kind, delay)
  redis.call('HSET', J, 'want', kind)
  send('control', id .. '.' .. kind .. '.' .. redis.call('HINCRBY', J, 'seq', 1), delay)
end

local function sendPage(number, meta, delay)
  send('pages-' .. meta.o, id .. '.' .. meta.a .. '.' .. number .. '.' .. meta.d, delay)
end

-- The step that the job needs now; nothing where one is wanted already, or pages must be done first.
local function nextStep()
  if not going(field('state')) or field('want') ~= '' then return nil end
  if field('complete') == '1' and field('taking') == '0' then
    if redis.call('ZCARD', J .. ':open') == 0 then return 'e' end
    return nil
  end
  for _, ahead in ipairs(redis.call('HVALS', J .. ':ahead')) do
    if tonumber(ahead) >= ${PAGES_AHEAD_MAX} then return nil end
  end
  return 'l'
end

local function advance()
  local kind = nextStep()
  if kind then control(kind, 0) end
end

local function forget(other)
  local O = P .. 'job:' .. other
  redis.call('UNLINK', O, O .. ':def', O .. ':items', O .. ':meta', O .. ':saved', O .. ':open',
    O .. ':ahead', O .. ':failures', O .. ':fcount', O .. ':undone', O .. ':holders', O .. ':owners',
    O .. ':paid')
  redis.call('ZREM', P .. 'jobs', other)
  redis.call('ZREM', P .. 'ended', other)
  redis.call('ZREM', P .. 'touched', other)
  redis.call('PUBLISH', P .. 'changes', other)
end

local function finish(state, why, result)
  redis.call('HSET', J, 'state', state, 'ended', now, 'want', '')
  if why ~= '' then redis.call('HSET', J, 'error', why) end
  if result ~= '' then redis.call('HSET', J, 'result', result) end
  redis.call('HINCRBY', J, 'failed', field('untaken') or 0)
  redis.call('HSET', J, 'untaken', 0)
  redis.call('ZADD', P .. 'ended', redis.call('INCR', P .. 'seq'), id)
  changed()
  stopped()
  local over = redis.call('ZCARD', P .. 'ended') - ${HISTORY_MAX}
  if over > 0 then
    for _, other in ipairs(redis.call('ZRANGE', P .. 'ended', 0, math.min(over, 10) - 1)) do
      forget(other)
    end
  end
end

-- More than one lease is left only where the clock of this server was set back: it is one from now on.
local function capHolders(leaseMs)
  for _, token in ipairs(redis.call('ZRANGEBYSCORE', J .. ':holders', '(' .. (server + leaseMs), '+inf')) do
    redis.call('ZADD', J .. ':holders', server + leaseMs, token)
  end
end

local function busyFor(token, leaseMs)
  if not token or token == '' then return 0 end
  capHolders(leaseMs)
  local untilMs = redis.call('ZSCORE', J .. ':holders', token)
  if not untilMs then return 0 end
  return math.max(0, tonumber(untilMs) - server)
end

local function hold(token, leaseMs)
  redis.call('ZREMRANGEBYSCORE', J .. ':holders', '-inf', server - 60000)
  redis.call('ZADD', J .. ':holders', server + leaseMs, token)
  redis.call('PEXPIRE', J .. ':holders', leaseMs + 60000)
end
`
