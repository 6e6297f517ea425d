import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  type ScriptedNode,
  startScriptedNode,
  RUNNING_JOB as VIEW,
} from './testing/scripted-node.ts'

let node: ScriptedNode

beforeEach(async () => {
  node = await startScriptedNode()
})

afterEach(() => node.close())

const FAILED = {
  ...VIEW,
  state: 'failed',
  ended: '2026-11-21T04:47:46.123Z',
  counters: { done: 985, skipped: 10, failed: 5, bytes: 4096 },
  rate: null,
  remainingSeconds: null,
}

const FINISHED = { ...FAILED, state: 'finished', counters: { ...FAILED.counters, failed: 0 } }

/** A stream of what a job goes through, as a node sends it. */
function answerEvents(...views: readonly unknown[]): void {
  node.answer = (_request, response) => {
    const events = views.map((view) => `event: job\ndata: ${JSON.stringify(view)}\n\n`)
    response.end(`${events.join('')}event: end\ndata: {}\n\n`)
  }
}

test('--wait tells how far the job is until it has finished, and exits 0', async () => {
  node.answer = (request, response) => {
    if (request.method === 'POST') return void response.end(JSON.stringify(VIEW))
    answerEvents(VIEW, FINISHED)
    node.answer(request, response)
  }
  const { code, out, err } = await node.forebay('prefetch', 's3://train/a/', '--wait')
  expect([code, out]).toEqual([0, ''])
  expect(err).toBe(
    [
      'prefetch aws://train j1  [######..................] 25 %  250 of 1,000 objects  2.00 KiB  13/s  1.00 KiB/s  1m left\n',
      'prefetch aws://train j1  finished: 985 done, 10 skipped, 4.00 KiB in 3m\n',
    ].join(''),
  )
})

test('what a job told at its end is the output of its wait', async () => {
  answerEvents({ ...FINISHED, result: { objects: 40, bytes: 800_000 } })
  const { code, out } = await node.forebay('--quiet', 'job', 'wait', 'j1')
  expect([code, out]).toEqual([0, 'objects  40\nbytes    800000\n'])
})

test('a job that failed exits 1 with the commands that show why and that retry', async () => {
  answerEvents(FAILED)
  const { code, err } = await node.forebay('job', 'wait', 'j1')
  expect(code).toBe(1)
  expect(err).toContain('failed: 985 done, 10 skipped, 5 failed')
  expect(err).toContain('forebay job failures j1')
  expect(err).toContain('forebay job retry j1 --wait')
  const quiet = await node.forebay('--quiet', 'job', 'wait', 'j1')
  expect([quiet.code, quiet.err]).toEqual([1, expect.stringContaining('5 failed')])
})

test('of several jobs each is waited for, and one that was aborted makes the exit code 1', async () => {
  node.answer = (request, response) => {
    const aborted = { ...FAILED, id: 'j2', state: 'aborted', error: 'by ann' }
    const view = request.url?.includes('/j1/') === true ? FINISHED : aborted
    response.end(`event: job\ndata: ${JSON.stringify(view)}\n\n`)
  }
  const { code, err } = await node.forebay('job', 'wait', 'j1', 'j2')
  expect(code).toBe(1)
  expect(err).toContain('j2  aborted')
  expect(err).toContain('by ann')
  expect(err).toContain('j1  finished')
})

test('with --json the end of a wait is the job as it came, and nothing else', async () => {
  answerEvents(VIEW, FINISHED)
  const { code, out, err } = await node.forebay('--json', 'job', 'wait', 'j1')
  expect([code, JSON.parse(out), err]).toEqual([0, FINISHED, ''])
})

test('a node that goes away and comes back is waited for', async () => {
  node.answer = (_request, response) => {
    answerEvents(FINISHED)
    response.write(`event: job\ndata: ${JSON.stringify(VIEW)}\n\n`, () => response.destroy())
  }
  const { code, err } = await node.forebay('job', 'wait', 'j1')
  expect(code).toBe(0)
  expect(err).toContain('finished')
})

test('a job that is not there is not waited for', async () => {
  node.answer = (_request, response) => {
    response.statusCode = 404
    response.end(JSON.stringify({ code: 'job-not-found', message: 'there is no job j9' }))
  }
  const { code, err } = await node.forebay('job', 'wait', 'j9')
  expect(code).toBe(3)
  expect(err).toContain('there is no job j9')
  expect(err).toContain('forebay job ls')
})

test('an interrupt leaves the job running and says how to stop it', async () => {
  node.answer = (_request, response) => {
    response.write(`event: job\ndata: ${JSON.stringify(VIEW)}\n\n`)
    setTimeout(() => node.interrupt.abort(), 20)
  }
  const { code, err } = await node.forebay('job', 'wait', 'j1')
  expect(code).toBe(130)
  expect(err).toContain('The job goes on')
  expect(err).toContain('"forebay job stop j1"')
  expect(node.seen.map(({ line }) => line)).toEqual(['GET /v1/jobs/j1/events'])
})

test('jobs are listed with what they did, and "+" where the list is not complete', async () => {
  const listing = { ...VIEW.listing, complete: false }
  node.answer = (_request, response) =>
    void response.end(JSON.stringify({ jobs: [FAILED, { ...VIEW, id: 'j2', listing }] }))
  const { out } = await node.forebay('job', 'ls', '--state', 'failed', '--bucket', 's3://train')
  expect(node.seen[0]?.line).toBe('GET /v1/jobs?state=failed&bucket=s3%3A%2F%2Ftrain')
  const [head, first, second] = out.split('\n')
  expect(head).toMatch(/^ID +KIND +BUCKET +STATE +OBJECTS +LISTED +FAILED +BYTES +ORDERED$/)
  expect(first).toMatch(/^j1 +prefetch +aws:\/\/train +failed +1,000 +1,000 +5 +4.00 KiB +2026/)
  expect(second).toMatch(/ 250 +1,000\+ +0 /)
})

test('a job is shown with its arguments, its counts and why it ended', async () => {
  const told = { ...FAILED, error: 'too many failures', result: { shards: 3 }, limits: { a: 1 } }
  node.answer = (_request, response) => void response.end(JSON.stringify(told))
  const { out } = await node.forebay('job', 'show', 'j1')
  expect(out).toMatch(/^state +failed$/m)
  expect(out).toMatch(/^why +too many failures$/m)
  expect(out).toMatch(/^ {2}prefix +a\/$/m)
  expect(out).toMatch(/^shards +3$/m)
  expect(JSON.parse((await node.forebay('--json', 'job', 'show', 'j1')).out)).toEqual(told)
})

test('bounds of a job are shown with what is reached of them', async () => {
  const limits = {
    bytesPerSecond: 10 * 1024 ** 2,
    itemsPerSecond: 50,
    concurrency: 4,
    failuresMax: 9,
  }
  const rate = { itemsPerSecond: 49, bytesPerSecond: 5 * 1024 ** 2 }
  const running = { ...VIEW, state: 'running', limits, rate }
  node.answer = (_request, response) => void response.end(JSON.stringify(running))
  const { out } = await node.forebay('job', 'show', 'j1')
  expect(out).toMatch(/^ {2}rate +10.0 MiB\/s at most; 5.00 MiB\/s now, 50 %$/m)
  expect(out).toMatch(/^ {2}item rate +50\/s at most; 49\/s now, 98 %$/m)
  expect(out).toMatch(/^ {2}concurrency +4 at once on a node at most$/m)
  expect(out).toMatch(/^ {2}failures +\d+ of 9 at most$/m)
  const times = { started: '2026-11-21T00:00:00Z', ended: '2026-11-21T00:00:10Z' }
  const counters = { done: 400, skipped: 40, failed: 10, bytes: 100 * 1024 ** 2 }
  const over = { ...running, ...times, counters, state: 'finished', rate: null }
  node.answer = (_request, response) => void response.end(JSON.stringify(over))
  const ended = (await node.forebay('job', 'show', 'j1')).out
  expect(ended).toMatch(/^ {2}rate +10.0 MiB\/s at most; 10.0 MiB\/s on average, 100 %$/m)
  expect(ended).toMatch(/^ {2}item rate +50\/s at most; 45\/s on average, 90 %$/m)
})

test('failures are read to the end, one a line, and a key cannot break the line', async () => {
  node.answer = (request, response) => {
    const isFirst = request.url?.includes('after') === false
    const failures = [{ key: isFirst ? 'a\nb' : 'c', code: 'object-not-found', message: 'gone' }]
    response.end(JSON.stringify({ failures, next: isFirst ? 'p2' : null }))
  }
  const { out } = await node.forebay('job', 'failures', 'j1')
  expect(out).toBe('a\\nb\tobject-not-found\tgone\nc\tobject-not-found\tgone\n')
  expect(node.seen.map(({ line }) => line)).toEqual([
    'GET /v1/jobs/j1/failures?max=1000',
    'GET /v1/jobs/j1/failures?after=p2&max=1000',
  ])
  node.seen.length = 0
  const few = await node.forebay('job', 'failures', 'j1', '--max', '1')
  expect(node.seen.map(({ line }) => line)).toEqual(['GET /v1/jobs/j1/failures?max=1'])
  expect(few.err).toContain('There are more')
})

test('stop, pause, resume, retry and rm say what became of the job', async () => {
  for (const words of ['stop', 'pause', 'resume', 'retry', 'rm']) {
    expect([words, (await node.forebay('job', words, 'j1')).code]).toEqual([words, 0])
  }
  expect(node.seen.map(({ line }) => line)).toEqual([
    'POST /v1/jobs/j1/abort',
    'POST /v1/jobs/j1/pause',
    'POST /v1/jobs/j1/resume',
    'POST /v1/jobs/j1/retry',
    'DELETE /v1/jobs/j1',
  ])
})

test('a schedule is put with an order that is checked like any other', async () => {
  const schedule = { id: 'night', cron: '0 3 * * *', order: {}, next: '2026-11-22T03:00:00Z' }
  node.answer = (_request, response) => void response.end(JSON.stringify(schedule))
  const { err } = await node.forebay(
    ...['job', 'schedule', 'put', 'night', '0 3 * * *', 'prefetch', 's3://b'],
    ...['--arg', 'latest=true', '--time-zone', 'Europe/Berlin', '--priority', 'low'],
  )
  expect(err).toBe('night: prefetch comes next at 2026-11-22 03:00:00 UTC\n')
  expect(node.seen).toEqual([
    {
      line: 'PUT /v1/schedules/night',
      body: {
        cron: '0 3 * * *',
        timeZone: 'Europe/Berlin',
        order: { kind: 'prefetch', bucket: 's3://b', args: { latest: true }, priority: 'low' },
      },
    },
  ])
})

test('schedules are listed and removed', async () => {
  const order = { kind: 'prefetch', bucket: 'aws://b' }
  const lastError = { time: '2026-11-21T03:00:00.000Z', code: 'access-denied', message: 'not now' }
  const schedule = { id: 'night', cron: '0 3 * * *', timeZone: 'UTC', order, next: null, lastError }
  node.answer = (_request, response) => void response.end(JSON.stringify({ schedules: [schedule] }))
  expect((await node.forebay('job', 'schedule', 'ls')).out).toMatch(
    /^night +0 3 \* \* \* +UTC +prefetch +aws:\/\/b +- +- +2026-11-21 03:00:00 not now$/m,
  )
  expect((await node.forebay('job', 'schedule', 'rm', 'night')).err).toContain('comes no more')
  expect(node.seen.at(-1)?.line).toBe('DELETE /v1/schedules/night')
})

test('completion knows ids by what can be done with them, kinds and schedules', async () => {
  node.answer = (request, response) => {
    const isJobs = request.url?.startsWith('/v1/jobs') === true
    const jobs = [VIEW, { ...FAILED, id: 'j2' }]
    const schedules = [{ id: 'night', cron: '0 3 * * *', order: { kind: 'prefetch' } }]
    response.end(JSON.stringify(isJobs ? { jobs } : { schedules }))
  }
  const values = async (...words: string[]): Promise<readonly string[]> => {
    const { out } = await node.forebay('__complete', 'zsh', ...words)
    return out
      .trimEnd()
      .split('\n')
      .slice(1)
      .map((line) => line.split('\t')[0] ?? '')
  }
  expect(await values('job', 'show', '')).toEqual(['j1', 'j2'])
  expect(await values('job', 'stop', '')).toEqual(['j1'])
  expect(await values('job', 'retry', 'j')).toEqual(['j2'])
  expect(await values('job', 'start', 'ar')).toEqual(['archive'])
  expect(await values('job', 'schedule', 'rm', '')).toEqual(['night'])
  expect(await values('job', 'ls', '--state', 'f')).toEqual(['finished', 'failed'])
})
