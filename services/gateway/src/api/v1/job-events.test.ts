import { connect, type Socket } from 'node:net'
import { systemClock } from '@forebay/base/clock'
import { checkSchema } from '@forebay/jobs/check-schema'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { JobCaller } from '../../jobs/job-caller.ts'
import { JobService, WATCHERS_MAX, WATCHERS_PER_USER_MAX } from '../../jobs/job-service.ts'
import { type JobRig, openJobRig } from '../../jobs/testing/job-rig.ts'
import { JOB_VIEW } from './job-schemas.ts'
import { openTestDoor, type TestDoor } from './testing/test-door.ts'

let rig: JobRig
let door: TestDoor
const leaving = new Set<AbortController>()

beforeEach(async () => {
  rig = await openJobRig()
  rig.hold()
  door = await openTestDoor({
    jobs: rig.service,
    userOf: (request) => request.headers['x-user']?.toString(),
    allows: (need, bucket, request) =>
      request.headers['x-user'] !== 'stranger' || (need === 'read' && bucket === undefined),
  })
  await door.buckets.create(
    { provider: 'aws', namespace: { uuid: '', name: '' }, name: 'b' },
    { backend: { provider: 'aws', bucket: 'b' } },
  )
})
afterEach(async () => {
  for (const one of leaving) one.abort()
  leaving.clear()
  await rig.close()
  await door.close()
})

const order = async (keys: readonly string[]): Promise<string> => {
  const body = JSON.stringify({ kind: 'prefetch', bucket: 'b', args: { keys } })
  const answer = await fetch(`${door.url}/v1/jobs`, { method: 'POST', body })
  return checkSchema(JOB_VIEW, await answer.json()).id
}

const EVERYBODY: JobCaller = {
  user: undefined,
  may: () => true,
  open: () => Promise.reject(new Error('not asked for')),
}

interface ReadEvent {
  readonly event: string
  readonly data: unknown
}

/** The events of a stream, one at a time; `undefined` at its end. */
async function open(
  path: string,
  user = 'root',
): Promise<{ status: number; next(): Promise<ReadEvent | undefined> }> {
  const leave = new AbortController()
  leaving.add(leave)
  const answer = await fetch(`${door.url}/v1/jobs/${path}`, {
    headers: { 'x-user': user },
    signal: leave.signal,
  })
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  const next = async (): Promise<ReadEvent | undefined> => {
    for (;;) {
      const end = text.indexOf('\n\n')
      if (end >= 0) {
        const [, event = '', data = 'null'] =
          /^event: (.*)\ndata: (.*)$/.exec(text.slice(0, end)) ?? []
        text = text.slice(end + 2)
        if (event !== '') return { event, data: JSON.parse(data) }
        continue
      }
      const { value, done } = (await reader?.read()) ?? { value: undefined, done: true }
      if (done) return undefined
      text += value
    }
  }
  return { status: answer.status, next }
}

test('a stream of one job begins with it, tells how it goes on, and ends with it', async () => {
  const id = await order(['a', 'bad'])
  const stream = await open(`${id}/events`)
  const first = await stream.next()
  expect(first?.event).toBe('job')
  expect(checkSchema(JOB_VIEW, first?.data).id).toBe(id)
  rig.release()
  const events: ReadEvent[] = []
  for (let one = await stream.next(); one !== undefined; one = await stream.next()) events.push(one)
  expect(events.at(-2)).toMatchObject({ event: 'job', data: { id, state: 'failed' } })
  expect(events.at(-1)).toMatchObject({
    event: 'end',
    data: { id, state: 'failed', counters: { done: 1, failed: 1 } },
  })
})

test('a stream of a job that has ended tells so and ends', async () => {
  rig.release()
  const id = await order(['a'])
  await rig.ended(id)
  const stream = await open(`${id}/events`)
  expect(await stream.next()).toMatchObject({ event: 'job', data: { state: 'finished' } })
  expect(await stream.next()).toMatchObject({ event: 'end', data: { state: 'finished' } })
  expect(await stream.next()).toBeUndefined()
})

test('the stream of all jobs begins with those under way, and tells of new and removed ones', async () => {
  const first = await order(['a'])
  const stream = await open('events')
  expect(await stream.next()).toMatchObject({ event: 'job', data: { id: first } })
  const second = await order(['b'])
  let told = await stream.next()
  while (told !== undefined && !JSON.stringify(told.data).includes(second))
    told = await stream.next()
  expect(told).toMatchObject({ event: 'job', data: { id: second } })
  rig.release()
  await rig.ended(second)
  await rig.service.remove(second, EVERYBODY)
  while (told !== undefined && told.event !== 'removed') told = await stream.next()
  expect(told).toEqual({ event: 'removed', data: { id: second } })
})

test('who may not read the bucket is told nothing of its jobs', async () => {
  const id = await order(['a'])
  expect((await open(`${id}/events`, 'stranger')).status).toBe(404)
  const stream = await open('events', 'stranger')
  rig.release()
  await rig.ended(id)
  await rig.service.close()
  expect(await stream.next()).toBeUndefined()
})

test('streams of one user are bounded, and their places are free again when they leave', async () => {
  const streams = await Promise.all(
    Array.from({ length: WATCHERS_PER_USER_MAX }, () => open('events', 'one')),
  )
  expect(new Set(streams.map(({ status }) => status))).toEqual(new Set([200]))
  expect((await open('events', 'one')).status).toBe(503)
  expect((await open('events', 'two')).status).toBe(200)
  const [first] = leaving
  first?.abort()
  let status = 503
  while (status === 503) ({ status } = await open('events', 'one'))
  expect(status).toBe(200)
  expect(WATCHERS_PER_USER_MAX).toBeLessThan(WATCHERS_MAX)
})

test('when the node stops, streams end and no new one begins', async () => {
  await order(['a'])
  const stream = await open('events')
  await stream.next()
  await rig.service.close()
  expect(await stream.next()).toBeUndefined()
})

test('a state that cannot be told cuts its stream, is reported, and nothing else ends', async () => {
  const id = await order(['a'])
  const lost = new Error('the clock is lost')
  const clock = {
    ...systemClock,
    monotonic: (): number => {
      throw lost
    },
  }
  const report = (): void => undefined
  const jobs = new JobService({ engine: rig.engine, clock, report })
  const broken = await openTestDoor({ jobs })
  const running = async (): Promise<boolean> => (await rig.engine.get(id))?.state === 'running'
  while (!(await running())) await systemClock.sleep(5)
  const answer = await fetch(`${broken.url}/v1/jobs/events`)
  await expect(answer.text()).rejects.toThrow()
  expect(broken.reported).toEqual([lost])
  expect((await fetch(`${broken.url}/v1/jobs/kinds`)).status).toBe(200)
  await jobs.close()
  await broken.close()
  rig.release()
  expect((await rig.ended(id)).state).toBe('finished')
})

test('a reader that takes nothing for a while is then told the newest state alone', async () => {
  // More bytes than any socket buffers: most of the first states wait to be written.
  const keys = Array.from({ length: 20 }, (_, at) => `k${at}${'漢'.repeat(1000)}`)
  const ids: string[] = []
  for (let at = 0; at < 100; at++) ids.push(await order(keys))
  const socket = connect(door.port, '127.0.0.1')
  await new Promise((resolve) => socket.once('connect', resolve))
  socket.pause()
  const watching = new Promise((resolve) => {
    door.server.once('request', resolve)
  })
  socket.write('GET /v1/jobs/events HTTP/1.1\r\nHost: a\r\n\r\n')
  await watching
  const ended = new Set<string>()
  const allEnded = new Promise<void>((resolve) => {
    rig.service.watch(EVERYBODY, (id, job) => {
      if (job?.endedMs !== undefined) ended.add(id)
      if (ended.size === ids.length) resolve()
    })
  })
  rig.release()
  await allEnded
  const told = await lastStates(socket, ids.length)
  expect(new Set(told.states.values())).toEqual(new Set(['finished']))
  expect(told.eventCount).toBeLessThan(2 * ids.length)
})

/** Reads on until every job was told of as ended. */
async function lastStates(socket: Socket, jobCount: number) {
  const states = new Map<string, string>()
  let eventCount = 0
  let text = ''
  socket.setEncoding('utf8')
  for await (const chunk of socket) {
    text += String(chunk)
    const parts = text.split('\n\n')
    text = parts.pop() ?? ''
    for (const part of parts) {
      const id = /"id":"([^"]+)","kind"/.exec(part)?.[1]
      const state = /"limits":\{\},"state":"([a-z]+)"/.exec(part)?.[1]
      if (id === undefined || state === undefined) continue
      states.set(id, state)
      eventCount++
    }
    const ended = [...states.values()].filter((state) => state === 'finished').length
    if (ended === jobCount) break
  }
  return { states, eventCount }
}
