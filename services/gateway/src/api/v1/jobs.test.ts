import { once } from 'node:events'
import { request } from 'node:http'
import { connect } from 'node:net'
import { systemClock } from '@forebay/base/clock'
import { Failure } from '@forebay/base/failure'
import { checkSchema } from '@forebay/jobs/check-schema'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { JOBS_OPEN_PER_USER_MAX } from '../../jobs/job-service.ts'
import { ARGS_SHOWN_MAX } from '../../jobs/job-view.ts'
import { LARGE_ORDERS_AT_ONCE, SMALL_ORDER_BYTES } from '../../jobs/order-turns.ts'
import { type JobRig, openJobRig } from '../../jobs/testing/job-rig.ts'
import {
  FAILURE_LIST,
  JOB_LIST,
  JOB_VIEW,
  KIND_LIST,
  SCHEDULE_LIST,
  SCHEDULE_VIEW,
} from './job-schemas.ts'
import { JOB_ROUTES } from './jobs.ts'
import { openTestDoor, type TestDoor } from './testing/test-door.ts'

let rig: JobRig
let door: TestDoor

/** Users are named by a header; `reader` reads `b`, `owner` may do all to `b`, `root` everything. */
const allows = (need: string, bucket: string | undefined, user: string): boolean => {
  if (user === 'root') return true
  if (bucket !== undefined && bucket !== 'b') return false
  return user === 'owner' ? need !== 'admin' : need === 'read' || need === 'list'
}

beforeEach(async () => {
  rig = await openJobRig()
  door = await openTestDoor({
    jobs: rig.service,
    userOf: (request) => String(request.headers['x-user'] ?? 'root'),
    allows: (need, bucket, request) =>
      allows(need, bucket, String(request.headers['x-user'] ?? 'root')),
  })
  for (const name of ['b', 'other']) {
    await door.buckets.create(
      { provider: 'aws', namespace: { uuid: '', name: '' }, name },
      { backend: { provider: 'aws', bucket: name } },
    )
  }
})
afterEach(async () => {
  await rig.close()
  await door.close()
})

const ask = (
  method: string,
  path: string,
  options: { readonly body?: unknown; readonly user?: string } = {},
): Promise<Response> =>
  fetch(`${door.url}/v1/${path}`, {
    method,
    headers: { 'x-user': options.user ?? 'root' },
    ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
  })

const order = (keys: readonly string[], user = 'root'): Promise<Response> =>
  ask('POST', 'jobs', { body: { kind: 'prefetch', bucket: 'aws://b', args: { keys } }, user })

const errorOf = async (answer: Response): Promise<unknown> => answer.json()

test('a job that is ordered is told of at once, and as it ended', async () => {
  const answer = await order(['a', 'same', 'bad'])
  expect(answer.status).toBe(201)
  const job = checkSchema(JOB_VIEW, await answer.json())
  expect(job).toMatchObject({ kind: 'prefetch', bucket: 'aws://b', user: 'root', attempt: 1 })
  await rig.ended(job.id)
  const ended = checkSchema(JOB_VIEW, await (await ask('GET', `jobs/${job.id}`)).json())
  expect(ended).toMatchObject({
    state: 'failed',
    counters: { done: 1, skipped: 1, failed: 1, bytes: 10 },
    listing: { items: 3, complete: true },
    rate: null,
    remainingSeconds: null,
  })
})

test('the bucket is named as a URL, in parts, or by its name alone', async () => {
  for (const bucket of ['aws://b', 's3://b/', 'b', { name: 'b', provider: 'aws' }]) {
    const answer = await ask('POST', 'jobs', { body: { kind: 'prefetch', bucket } })
    expect(await answer.json()).toMatchObject({ bucket: 'aws://b' })
  }
})

test.each([
  [{ kind: 'prefech', bucket: 'b' }, /^there is no kind of job "prefech"; there are prefetch, /],
  [{ kind: 'prefetch' }, /^bucket must be given: prefetch works on one$/],
  [
    { kind: 'prefetch', bucket: 'b', args: { latst: 1 } },
    /^args has no property "latst"; it takes /,
  ],
  [{ kind: 'prefetch', bucket: 'b', args: { latest: 1 } }, /^args.latest must be boolean$/],
  [
    { kind: 'prefetch', bucket: 'b', limits: { concurrency: 0 } },
    /^limits.concurrency must be >= 1/,
  ],
  [{ kind: 'prefetch', bucket: 'b', priority: 'now' }, /^priority must be one of "low", "normal"/],
  [{ kind: 'prefetch', bucket: 'b', description: 'x'.repeat(257) }, /^description must not have/],
  [{ kind: 'prefetch', bucket: 'b', extra: 1 }, /^the body has no property "extra"; it takes kind/],
  [{ kind: 'prefetch', bucket: 'ftp://b' }, /^provider "ftp" is not one of/],
  [[], /^the body must be object$/],
] as const)('an order is refused by name (%#)', async (body, message) => {
  const answer = await ask('POST', 'jobs', { body })
  expect(answer.status).toBe(400)
  expect(await errorOf(answer)).toMatchObject({ message: expect.stringMatching(message) })
})

test('an order of no body or no JSON is refused', async () => {
  expect((await ask('POST', 'jobs')).status).toBe(400)
  const answer = await fetch(`${door.url}/v1/jobs`, { method: 'POST', body: '{"kind":' })
  expect(await errorOf(answer)).toMatchObject({ code: 'json-malformed' })
})

test('an order with a key is one job, however often it comes, and for each user another', async () => {
  const send = (key: string, keys: readonly string[], user = 'owner'): Promise<Response> =>
    fetch(`${door.url}/v1/jobs`, {
      method: 'POST',
      headers: { 'x-user': user, 'idempotency-key': key },
      body: JSON.stringify({ kind: 'prefetch', bucket: 'b', args: { keys } }),
    })
  const idOf = async (answer: Response): Promise<string> => {
    expect(answer.status).toBe(201)
    return checkSchema(JOB_VIEW, await answer.json()).id
  }
  const both = await Promise.all([send('k1', ['a']), send('k1', ['a'])])
  const ids = await Promise.all(both.map(idOf))
  expect(ids[0]).toBe(ids[1])
  await rig.ended(ids[0] ?? '')
  expect(await idOf(await send('k1', ['a']))).toBe(ids[0])
  expect(await idOf(await send('k1', ['a'], 'root'))).not.toBe(ids[0])
  expect(await idOf(await send('k2', ['a']))).not.toBe(ids[0])
  expect((await rig.engine.list({})).length).toBe(3)
  expect((await send('k1', ['other'])).status).toBe(409)
  expect((await send('k'.repeat(255), ['a'])).status).toBe(201)
  expect((await send('k'.repeat(256), ['a'])).status).toBe(400)
  expect((await send('k 1', ['a'])).status).toBe(400)
})

test('who has as many jobs as may be still finds the one of a key', async () => {
  rig.hold()
  const answers: Response[] = []
  for (let at = 0; at < JOBS_OPEN_PER_USER_MAX; at++) answers.push(await order(['a'], 'owner'))
  const body = JSON.stringify({ kind: 'prefetch', bucket: 'b', args: { keys: ['a'] } })
  const send = (): Promise<Response> => {
    const headers = { 'x-user': 'owner', 'idempotency-key': 'k' }
    return fetch(`${door.url}/v1/jobs`, { method: 'POST', headers, body })
  }
  expect((await send()).status).toBe(429)
  const last = checkSchema(JOB_VIEW, await answers.at(-1)?.json())
  await rig.engine.abort(last.id, 'enough')
  expect((await send()).status).toBe(201)
  expect((await send()).status).toBe(201)
})

test('large orders are read a few at a time; small ones go past them, and who waits is served', async () => {
  const keys = Array.from({ length: 2000 }, (_, at) => `${'k'.repeat(80)}${at}`)
  const body = JSON.stringify({ kind: 'prefetch', bucket: 'aws://b', args: { keys } })
  expect(body.length).toBeGreaterThan(SMALL_ORDER_BYTES)
  const head = `POST /v1/jobs HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n`
  const slow = await Promise.all(
    Array.from({ length: LARGE_ORDERS_AT_ONCE }, async () => {
      const socket = connect(door.port, '127.0.0.1')
      await once(socket, 'connect')
      socket.on('error', () => undefined).write(head + body.slice(0, 10))
      return socket
    }),
  )
  await expect.poll(() => rig.service.turns.takenCount).toBe(LARGE_ORDERS_AT_ONCE)
  const waits = ask('POST', 'jobs', { body: JSON.parse(body) })
  expect((await order(['a'])).status).toBe(201)
  await expect.poll(() => rig.service.turns.waitingCount).toBe(1)
  for (const socket of slow) socket.destroy()
  const answer = await waits
  expect(answer.status).toBe(201)
  // Only the job itself tells all of its keys.
  const { id, args, argsShortened } = checkSchema(JOB_VIEW, await answer.json())
  expect([args['keys'], argsShortened]).toEqual([keys.slice(0, ARGS_SHOWN_MAX), true])
  const whole = checkSchema(JOB_VIEW, await (await ask('GET', `jobs/${id}`)).json())
  expect(whole.args['keys']).toEqual(keys)
  await expect.poll(() => rig.service.turns.takenCount).toBe(0)
})

test('jobs are listed newest first, by kind, state and bucket', async () => {
  rig.hold()
  const ids: string[] = []
  for (const keys of [['a'], ['b']]) {
    ids.unshift(checkSchema(JOB_VIEW, await (await order(keys)).json()).id)
  }
  const list = async (query: string): Promise<readonly string[]> => {
    const answer = await ask('GET', `jobs${query}`)
    return checkSchema(JOB_LIST, await answer.json()).jobs.map(({ id }) => id)
  }
  expect(await list('')).toEqual(ids)
  expect(await list('?max=1')).toEqual(ids.slice(0, 1))
  expect(await list('?kind=prefetch&state=queued,running&bucket=s3://b')).toEqual(ids)
  expect(await list('?state=finished')).toEqual([])
  expect(await list('?bucket=aws://other')).toEqual([])
  expect(await list('?kind=evict')).toEqual([])
})

test.each(['?max=0', '?max=1001', '?max=x', '?state=done', '?sate=running', '?bucket=ftp://b'])(
  'a list is not asked for with %s',
  async (query) => {
    expect((await ask('GET', `jobs${query}`)).status).toBe(400)
  },
)

test('in a list the keys of an order are cut; the job alone has all of them', async () => {
  const keys = Array.from({ length: ARGS_SHOWN_MAX + 1 }, (_, at) => `k${at}`)
  const { id } = checkSchema(JOB_VIEW, await (await order(keys)).json())
  const [listed] = checkSchema(JOB_LIST, await (await ask('GET', 'jobs')).json()).jobs
  expect(listed).toMatchObject({ argsShortened: true, args: { keys: keys.slice(0, -1) } })
  expect(await (await ask('GET', `jobs/${id}`)).json()).toMatchObject({ args: { keys } })
})

test('in a list a long text is cut, and what is short stands as it was ordered', async () => {
  const long = 'x'.repeat(2000)
  await order([long])
  await order(['short'])
  const [second, first] = checkSchema(JOB_LIST, await (await ask('GET', 'jobs')).json()).jobs
  expect(first).toMatchObject({ argsShortened: true, args: { keys: [`${'x'.repeat(1024)}…`] } })
  expect(second).toMatchObject({ args: { keys: ['short'] } })
  expect(second).not.toHaveProperty('argsShortened')
})

test('failures come in pages, with code and reason', async () => {
  const { id } = checkSchema(JOB_VIEW, await (await order(['bad1', 'ok', 'bad2'])).json())
  await rig.ended(id)
  const page = async (query: string) =>
    checkSchema(FAILURE_LIST, await (await ask('GET', `jobs/${id}/failures${query}`)).json())
  const first = await page('?max=1')
  expect(first.failures).toEqual([{ key: 'bad1', code: 'object-not-found', message: 'it is gone' }])
  const second = await page(`?max=1&after=${first.next}`)
  expect(second.failures.map(({ key }) => key)).toEqual(['bad2'])
  expect((await page(`?max=1000`)).next).toBeNull()
})

test('a job is paused, resumed, aborted, retried and forgotten', async () => {
  rig.hold()
  const { id } = checkSchema(JOB_VIEW, await (await order(['a', 'b'])).json())
  const change = async (what: string): Promise<unknown> =>
    (await ask('POST', `jobs/${id}/${what}`)).json()
  expect(await change('pause')).toMatchObject({ id, state: 'paused' })
  expect((await ask('DELETE', `jobs/${id}`)).status).toBe(409)
  expect(await change('resume')).toMatchObject({ id })
  expect(await change('abort')).toMatchObject({ state: 'aborted', error: 'aborted by root' })
  expect((await ask('POST', `jobs/${id}/pause`)).status).toBe(409)
  rig.release()
  expect(await change('retry')).toMatchObject({ attempt: 2 })
  expect(await rig.ended(id)).toMatchObject({ state: 'finished', counters: { done: 2 } })
  expect((await ask('DELETE', `jobs/${id}`)).status).toBe(200)
  expect((await ask('GET', `jobs/${id}`)).status).toBe(404)
})

test('kinds come with the schemas of their arguments', async () => {
  const kinds = checkSchema(KIND_LIST, await (await ask('GET', 'jobs/kinds')).json())
  expect(kinds.find(({ name }) => name === 'prefetch')).toMatchObject({
    wireName: 'prefetch-listrange',
    bucket: 'required',
    need: 'read',
    args: { type: 'object', additionalProperties: false },
  })
})

test('users see the jobs of buckets that they read; only the orderer and admins change them', async () => {
  rig.hold()
  const mine = checkSchema(JOB_VIEW, await (await order(['a'], 'owner')).json())
  const body = { kind: 'prefetch', bucket: 'aws://other' }
  const theirs = checkSchema(JOB_VIEW, await (await ask('POST', 'jobs', { body })).json())
  const seen = async (user: string): Promise<readonly string[]> =>
    checkSchema(JOB_LIST, await (await ask('GET', 'jobs', { user })).json()).jobs.map(
      ({ id }) => id,
    )
  expect(await seen('root')).toEqual([theirs.id, mine.id])
  expect(await seen('reader')).toEqual([mine.id])
  const status = async (method: string, path: string, user: string): Promise<number> =>
    (await ask(method, path, { user })).status
  expect(await status('GET', `jobs/${mine.id}`, 'reader')).toBe(200)
  expect(await status('POST', `jobs/${mine.id}/abort`, 'reader')).toBe(403)
  expect(await status('GET', `jobs/${theirs.id}`, 'owner')).toBe(404)
  expect(await status('GET', `jobs/${theirs.id}/failures`, 'owner')).toBe(404)
  expect(await status('GET', `jobs/${theirs.id}/events`, 'owner')).toBe(404)
  expect(await status('POST', `jobs/${theirs.id}/abort`, 'owner')).toBe(404)
  expect(await status('POST', `jobs/${mine.id}/pause`, 'owner')).toBe(200)
  expect(await status('POST', `jobs/${mine.id}/abort`, 'root')).toBe(200)
})

test.each([
  ['a bucket that they may not read', { kind: 'prefetch', bucket: 'aws://other' }],
  ['what writes', { kind: 'delete', bucket: 'aws://b', args: { keys: ['a'] } }],
  [
    'copies to where they may not write',
    { kind: 'copy-bucket', bucket: 'b', args: { to: 'aws://b' } },
  ],
] as const)('a reader cannot order %s', async (_what, body) => {
  const answer = await ask('POST', 'jobs', { body, user: 'reader' })
  expect(answer.status).toBe(403)
  expect(await rig.engine.list({})).toEqual([])
})

test('by no path is anything told of or done to a job that the caller may not see', async () => {
  rig.hold()
  const body = { kind: 'prefetch', bucket: 'aws://other', args: { keys: ['a'] } }
  const { id } = checkSchema(JOB_VIEW, await (await ask('POST', 'jobs', { body })).json())
  const own = JOB_ROUTES.filter(({ path }) => path.startsWith('/v1/jobs/{id}'))
  expect(own.length).toBeGreaterThanOrEqual(8)
  const asked = [
    ...own.map(
      ({ method, path }) => [method, path.replace('/v1/', '').replace('{id}', id)] as const,
    ),
    ...(['GET download', 'DELETE download/abort', 'DELETE download/remove'] as const).map(
      (text) => [text.split(' ')[0] ?? '', text.split(' ')[1] ?? '', { id }] as const,
    ),
    ['GET', 'cluster?what=status', { ID: id }] as const,
    ['GET', 'cluster?what=qryxstats', { ID: id }] as const,
  ]
  for (const [method, path, message] of asked) {
    expect([path, await statusOf(method, path, message)]).toEqual([path, 404])
  }
  // As for a job that is not there.
  expect(await statusOf('PUT', 'cluster', { action: 'stop', value: { ID: id } })).toBe(200)
  expect(await (await ask('GET', 'jobs', { user: 'reader' })).json()).toEqual({ jobs: [] })
  const order = { cron: '0 3 * * *', order: body }
  expect((await ask('PUT', 'schedules/s', { body: order })).status).toBe(200)
  expect((await ask('PUT', 'schedules/t', { body: order, user: 'owner' })).status).toBe(403)
  const taken = { ...order, order: { ...body, bucket: 'aws://b' } }
  expect((await ask('PUT', 'schedules/s', { body: taken, user: 'owner' })).status).toBe(403)
  expect((await ask('DELETE', 'schedules/s', { user: 'owner' })).status).toBe(404)
  const schedules = await (await ask('GET', 'schedules')).json()
  expect(schedules).toMatchObject({ schedules: [{ id: 's', order: { bucket: 'aws://other' } }] })
  expect(await (await ask('GET', 'schedules', { user: 'owner' })).json()).toEqual({ schedules: [] })
  rig.release()
  expect(await rig.ended(id)).toMatchObject({ state: 'finished', attempt: 1 })
})

/** By a user who reads `b` alone. GETs have a body on this door, which `fetch` does not send. */
function statusOf(method: string, path: string, message?: unknown): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const body = message === undefined ? '' : JSON.stringify(message)
  // A GET with a body has no length of its own.
  const options = { method, headers: { 'x-user': 'reader', 'content-length': body.length } }
  const sent = request(`${door.url}/v1/${path}`, options, (answer) => {
    resolve(answer.statusCode ?? 0)
    answer.destroy()
  })
  sent.on('error', reject).end(body)
  return promise
}

test('a destination that is not there is left to who may make native buckets', async () => {
  const copy = (to: string, user: string) =>
    ask('POST', 'jobs', { body: { kind: 'copy-bucket', bucket: 'b', args: { to } }, user })
  expect((await copy('ais://new', 'root')).status).toBe(201)
  expect((await copy('aws://new', 'root')).status).toBe(404)
  expect((await copy('ais://new', 'owner')).status).toBe(403)
})

test('one user has at most so many jobs that have not ended; others are not touched', async () => {
  rig.hold()
  for (let at = 0; at < JOBS_OPEN_PER_USER_MAX; at++) await order(['a'], 'owner')
  const refused = await order(['a'], 'owner')
  expect(refused.status).toBe(429)
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
  expect((await order(['a'], 'root')).status).toBe(201)
})

test('a job that is retried counts as one that has not ended', async () => {
  rig.hold()
  const { id } = checkSchema(JOB_VIEW, await (await order(['a'], 'owner')).json())
  await ask('POST', `jobs/${id}/abort`, { user: 'owner' })
  for (let at = 0; at < JOBS_OPEN_PER_USER_MAX; at++) await order(['a'], 'owner')
  expect((await ask('POST', `jobs/${id}/retry`, { user: 'owner' })).status).toBe(429)
  expect((await ask('POST', `jobs/${id}/retry`, { user: 'root' })).status).toBe(200)
})

test('stopping a kind stops what the caller may stop, and is refused where that is nothing', async () => {
  rig.hold()
  const own = checkSchema(JOB_VIEW, await (await order(['a'], 'owner')).json())
  const other = checkSchema(JOB_VIEW, await (await order(['a'], 'root')).json())
  const body = { action: 'stop', name: '', value: { Kind: 'prefetch-objects' } }
  expect((await ask('PUT', 'cluster', { body, user: 'owner' })).status).toBe(200)
  expect(await rig.engine.get(own.id)).toMatchObject({ state: 'aborted' })
  expect((await rig.engine.get(other.id))?.endedMs).toBeUndefined()
  expect((await ask('PUT', 'cluster', { body, user: 'owner' })).status).toBe(403)
})

test('a schedule whose time was refused tells when and why, and no job was made', async () => {
  rig.refuseSchedules(new Failure('access-denied', 'user "root" may not now'))
  const body = { cron: '* * * * * *', order: { kind: 'prefetch', bucket: 'b' } }
  const put = await ask('PUT', 'schedules/often', { body })
  expect(checkSchema(SCHEDULE_VIEW, await put.json()).lastError).toBeNull()
  const told = async () =>
    checkSchema(SCHEDULE_LIST, await (await ask('GET', 'schedules')).json()).schedules[0]
  while ((await told())?.lastError === null) await systemClock.sleep(50)
  expect(await told()).toMatchObject({
    lastJob: null,
    lastError: {
      time: expect.stringMatching(/Z$/),
      code: 'access-denied',
      message: 'user "root" may not now',
    },
  })
  expect(await rig.engine.list({})).toEqual([])
})

test('a schedule is made, replaced, listed and removed', async () => {
  const schedule = { cron: '0 3 * * *', order: { kind: 'prefetch', bucket: 'b' } }
  const put = (body: unknown, user = 'owner') => ask('PUT', 'schedules/nightly', { body, user })
  const made = checkSchema(SCHEDULE_VIEW, await (await put(schedule)).json())
  expect(made).toMatchObject({
    id: 'nightly',
    timeZone: 'UTC',
    order: { kind: 'prefetch', bucket: 'aws://b', user: 'owner' },
    lastJob: null,
  })
  expect(made.next).toMatch(/T03:00:00.000Z$/)
  const zoned = checkSchema(
    SCHEDULE_VIEW,
    await (await put({ ...schedule, timeZone: 'Asia/Tokyo' })).json(),
  )
  expect(zoned.next).toMatch(/T18:00:00.000Z$/)
  expect((await put(schedule, 'reader')).status).toBe(403)
  expect((await put({ ...schedule, cron: '99 * * * *' })).status).toBe(400)
  expect((await put({ ...schedule, order: { kind: 'nothing' } })).status).toBe(400)
  expect((await ask('PUT', 'schedules/a.b', { body: schedule })).status).toBe(400)
  const all = await (await ask('GET', 'schedules')).json()
  expect(all).toMatchObject({ schedules: [{ id: 'nightly', timeZone: 'Asia/Tokyo' }] })
  expect((await ask('DELETE', 'schedules/nightly', { user: 'reader' })).status).toBe(403)
  expect((await ask('DELETE', 'schedules/nightly', { user: 'owner' })).status).toBe(200)
  expect((await ask('DELETE', 'schedules/nightly')).status).toBe(404)
})

test('what is no job, no path and no method is refused as such', async () => {
  expect((await ask('GET', 'jobs/nothing')).status).toBe(404)
  expect((await ask('GET', 'jobs/a%2Fb')).status).toBe(404)
  expect((await ask('POST', 'jobs/a/explode')).status).toBe(400)
  const answer = await ask('PATCH', 'jobs')
  expect(answer.status).toBe(405)
  expect(answer.headers.get('allow')).toBe('POST, GET')
})

test('a node without jobs says so', async () => {
  const bare = await openTestDoor()
  expect((await fetch(`${bare.url}/v1/jobs`)).status).toBe(501)
  await bare.close()
})
