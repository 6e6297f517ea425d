import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { runCli } from './program.ts'

interface Seen {
  readonly line: string
  readonly body: unknown
}

let seen: Seen[]
/** What the node answers after its kinds: by script. */
let answer: (request: IncomingMessage, response: ServerResponse) => void
let server: ReturnType<typeof createServer>
let interrupt: AbortController

const KINDS = [
  {
    name: 'prefetch',
    doc: 'Brings objects.',
    bucket: 'required',
    args: {
      type: 'object',
      properties: {
        keys: { type: 'array', items: { type: 'string' }, description: 'Keys, one by one.' },
        prefix: { type: 'string', description: 'All that begin with it.' },
        latest: { type: 'boolean', description: 'Asks the store.' },
      },
    },
  },
  {
    name: 'archive',
    doc: 'Writes archives.',
    bucket: 'required',
    args: {
      type: 'object',
      required: ['to', 'name'],
      properties: {
        to: { type: 'string', description: 'Bucket.' },
        name: { type: 'string', description: 'Key.' },
        format: { enum: ['tar', 'zip'], description: 'Absent: as the name ends.' },
        shardBytes: { type: 'integer', description: 'Bytes.' },
        labels: { type: 'object', description: 'Words.' },
      },
    },
  },
]

beforeEach(async () => {
  seen = []
  answer = (_request, response) => void response.end(JSON.stringify(VIEW))
  interrupt = new AbortController()
  server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    if (request.url === '/v1/jobs/kinds') return void response.end(JSON.stringify(KINDS))
    const sent: unknown = body === '' ? undefined : JSON.parse(body)
    seen.push({ line: `${request.method} ${request.url}`, body: sent })
    answer(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})

afterEach(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

async function forebay(...args: string[]) {
  const out: string[] = []
  const err: string[] = []
  const output = (lines: string[]) => ({
    write: (text: string | Uint8Array): boolean => lines.push(String(text)) > 0,
    once: () => undefined,
  })
  // Listening on an IP address, a server's address is never a pipe name.
  const { port } = server.address() as AddressInfo
  const code = await runCli(args, {
    environment: { variables: { FOREBAY_ENDPOINT: `http://127.0.0.1:${port}` }, home: '/none' },
    stdout: output(out),
    stderr: output(err),
    signal: interrupt.signal,
  })
  return { code, out: out.join(''), err: err.join('') }
}

const VIEW = {
  id: 'j1',
  kind: 'prefetch',
  bucket: 'aws://train',
  args: { prefix: 'a/' },
  priority: 'normal',
  limits: {},
  state: 'running',
  created: '2026-11-21T04:44:45.123Z',
  started: '2026-11-21T04:44:46.123Z',
  ended: null,
  attempt: 1,
  listing: { items: 1000, bytes: 4096, pages: 1, complete: true },
  counters: { done: 240, skipped: 10, failed: 0, bytes: 2048 },
  rate: { itemsPerSecond: 12.5, bytesPerSecond: 1024 },
  remainingSeconds: 60,
  error: null,
  result: null,
}

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
  answer = (_request, response) => {
    const events = views.map((view) => `event: job\ndata: ${JSON.stringify(view)}\n\n`)
    response.end(`${events.join('')}event: end\ndata: {}\n\n`)
  }
}

const order = (): unknown => seen.find(({ line }) => line === 'POST /v1/jobs')?.body

test('prefetch orders a job for what the URLs select, and prints its id', async () => {
  const { code, out, err } = await forebay('prefetch', 's3://train/a/', '--latest')
  expect([code, out]).toEqual([0, 'j1\n'])
  expect(err).toBe('prefetch is running: "forebay job wait j1" shows how far it is\n')
  expect(order()).toEqual({
    kind: 'prefetch',
    bucket: 's3://train',
    args: { prefix: 'a/', latest: true },
  })
})

test('a bucket is all of it, objects of one bucket are one job, -r takes any beginning', async () => {
  await forebay('prefetch', 's3://train', 's3://b/x', 'fb://c/y', 's3://b/z')
  await forebay('prefetch', '-r', 's3://train/epoch-1')
  await forebay('prefetch', 's3://train', '--template', 'shard-{0..9}.tar')
  expect(seen.map(({ body }) => body)).toEqual([
    { kind: 'prefetch', bucket: 's3://train', args: {} },
    { kind: 'prefetch', bucket: 's3://b', args: { keys: ['x', 'z'] } },
    { kind: 'prefetch', bucket: 'fb://c', args: { keys: ['y'] } },
    { kind: 'prefetch', bucket: 's3://train', args: { prefix: 'epoch-1' } },
    { kind: 'prefetch', bucket: 's3://train', args: { template: 'shard-{0..9}.tar' } },
  ])
})

test('cp copies named objects by their names, and a bucket or prefix by its list', async () => {
  await forebay('cp', 's3://a/x/', 's3://a/k', 'ais://b/p/', '--latest', '--no-overwrite')
  await forebay('cp', 's3://a', 'ais://b', '--dry-run')
  const to = { to: 'ais://b', prepend: 'p/', latest: true, overwrite: false }
  expect(seen.map(({ body }) => body)).toEqual([
    { kind: 'copy-bucket', bucket: 's3://a', args: { prefix: 'x/', ...to } },
    { kind: 'copy-objects', bucket: 's3://a', args: { keys: ['k'], ...to } },
    { kind: 'copy-bucket', bucket: 's3://a', args: { to: 'ais://b', dryRun: true } },
  ])
})

test('sync makes a bucket, or what begins with a prefix, the same as another', async () => {
  await forebay('sync', 's3://a/pre', 'ais://b')
  expect(order()).toEqual({
    kind: 'copy-bucket',
    bucket: 's3://a',
    args: { prefix: 'pre', to: 'ais://b', sync: true },
  })
})

test('rm and evict by a job take one object for one, and need -r for more', async () => {
  await forebay('rm', '--job', 's3://a/dir/', 's3://a/k')
  await forebay('rm', '--job', '-r', '--yes', 's3://a')
  await forebay('evict', '--job', '-r', 's3://a/dir/')
  expect(seen.map(({ body }) => body)).toEqual([
    { kind: 'delete', bucket: 's3://a', args: { keys: ['dir/', 'k'] } },
    { kind: 'delete', bucket: 's3://a', args: { all: true } },
    { kind: 'evict', bucket: 's3://a', args: { prefix: 'dir/' } },
  ])
})

test('download tells files, directories, ranges and data sets apart', async () => {
  await forebay('download', 'https://h/a.bin', 'ais://b/name.bin')
  await forebay('download', 'https://h/a', 'https://h/b', 'https://h/d/', 'ais://b/p/')
  await forebay('download', 'https://h/d/', 'ais://b', '--depth', '2', '--include', '*.tar')
  await forebay('download', 'https://h/{0..9}', 'ais://b', '--template', '--header', 'X: y: z')
  await forebay(
    'download',
    'hf://datasets/o/n@v1',
    'hf://o/m',
    'ais://b',
    '--token-env',
    'HF_TOKEN',
  )
  const orders = seen.map(({ body }) => body)
  expect(orders).toEqual(
    [
      { link: 'https://h/a.bin', object: 'name.bin' },
      { links: ['https://h/a', 'https://h/b'], prepend: 'p/' },
      { directory: 'https://h/d/', prepend: 'p/' },
      { directory: 'https://h/d/', depth: 2, include: ['*.tar'] },
      { template: 'https://h/{0..9}', headers: { X: 'y: z' } },
      { huggingFace: { dataset: 'o/n', revision: 'v1', tokenEnv: 'HF_TOKEN' } },
      { huggingFace: { model: 'o/m', tokenEnv: 'HF_TOKEN' } },
    ].map((args) => ({ kind: 'download', bucket: 'ais://b', args })),
  )
})

test('archive packs what is below one URL into archives of the name that stands last', async () => {
  await forebay(
    ...['archive', 's3://a/x/', 'ais://b/t-%06d.tar', '--shard-size', '1KiB', '--shard-members'],
    ...['5', '--member-names', 'base', '--skip-missing'],
  )
  expect(order()).toEqual({
    kind: 'archive',
    bucket: 's3://a',
    args: {
      prefix: 'x/',
      to: 'ais://b',
      name: 't-%06d.tar',
      shardBytes: 1024,
      shardMembers: 5,
      memberNames: 'base',
      onMissing: 'skip',
    },
  })
})

test('limits and priority are part of the order', async () => {
  await forebay(
    ...['prefetch', 's3://train', '--priority', 'low', '--rate', '10MiB', '--concurrency', '4'],
    ...['--item-rate', '100', '--failures-max', '0', '--description', 'night'],
  )
  expect(order()).toMatchObject({
    priority: 'low',
    description: 'night',
    limits: {
      concurrency: 4,
      itemsPerSecond: 100,
      bytesPerSecond: 10 * 1024 ** 2,
      failuresMax: 0,
    },
  })
})

test('a command line that is wrong orders nothing, and says what is allowed', async () => {
  for (const [args, told] of [
    [['prefetch', 's3://b', '--priority', 'urgent'], 'low, normal or high'],
    [['prefetch', 's3://b', '--rate', 'fast'], '100MiB'],
    [['prefetch', 's3://b', '--concurrency', '0'], 'from 1 on'],
    [['prefetch', 's3://b/p/', '--template', 'x'], 'of a bucket'],
    [['cp', 's3://a'], 'a source and a destination'],
    [['cp', 's3://a/k', 'ais://b/k'], 'ends in "/"'],
    [['sync', 's3://a', 'ais://b/p/'], 'in the source alone'],
    [['rm', '--job', '-r', 's3://a'], '--yes'],
    [['rm', '--job', 's3://a'], '-r'],
    [['evict', '--job', 's3://a'], '-r'],
    [['evict', '--wait', 's3://a/k'], '--job'],
    [['download', 's3://a/k', 'ais://b'], 'https://host/file'],
    [['download', 'hf://datasets/a/b/c', 'ais://b'], 'hf://'],
    [['download', 'https://h/f', 'ais://b', '--header', 'secret'], 'Name: value'],
    [['download', 'https://h/d/', 'ais://b', '--depth', 'all'], '0 is the directory alone'],
    [['archive', 's3://a', 'ais://b'], 'names no archive'],
    [['archive', 's3://a/x/', 's3://a/y/', 'ais://b/n.tar'], 'one bucket or prefix'],
    [['archive', 's3://a', 'ais://b/n.tar', '--shard-size', 'big'], '512MiB'],
    [['prefetch'], 'missing required argument'],
    [['job', 'start', 'melt', 's3://b'], 'There are prefetch, archive'],
    [['job', 'start', 'prefetch'], 'works on a bucket'],
    [['job', 'start', 'prefetch', 's3://b/k'], 'prefix='],
    [['job', 'start', 'prefetch', 's3://b', '--arg', 'colour=red'], 'keys, prefix, latest'],
    [['job', 'start', 'prefetch', 's3://b', '--arg', 'latest=1'], 'true or false'],
    [['job', 'start', 'prefetch', 's3://b', '--arg', 'prefix=a', '--arg', 'prefix=b'], 'twice'],
    [['job', 'start', 'archive', 's3://b', '--arg', 'to=x'], 'needs name'],
    [['job', 'show', '../buckets'], 'not an id'],
    [['job', 'ls', '--max', '1001'], '1000'],
    [['job', 'failures', 'j1', '--max', '0'], 'from 1 on'],
  ] as const) {
    const { code, err } = await forebay(...args)
    expect([args, code]).toEqual([args, 2])
    expect(err).toContain(told)
  }
  expect(seen).toEqual([])
})

test('job start gives arguments in the types that the kind takes', async () => {
  await forebay(
    ...['job', 'start', 'archive', 's3://b', '--arg', 'to=ais://shards', '--arg', 'name=s-%06d'],
    ...['--arg', 'format=tar', '--arg', 'shardBytes=1024', '--arg', 'labels={"a":1}'],
  )
  expect(order()).toEqual({
    kind: 'archive',
    bucket: 's3://b',
    args: {
      to: 'ais://shards',
      name: 's-%06d',
      format: 'tar',
      shardBytes: 1024,
      labels: { a: 1 },
    },
  })
  seen = []
  await forebay(
    ...['job', 'start', 'prefetch', 's3://b', '--arg', 'keys=a=b', '--arg', 'keys=["c","d"]'],
  )
  expect(order()).toMatchObject({ args: { keys: ['a=b', 'c', 'd'] } })
})

test('job kinds lists them, and one of them with its arguments', async () => {
  expect((await forebay('job', 'kinds')).out).toBe(
    'prefetch: Brings objects.\narchive: Writes archives.\n',
  )
  const { out } = await forebay('job', 'kinds', 'archive')
  expect(out).toContain('to=string (needed): Bucket.')
  expect(out).toContain('format=tar or zip: ')
})

test('--wait tells how far the job is until it has finished, and exits 0', async () => {
  answer = (request, response) => {
    if (request.method === 'POST') return void response.end(JSON.stringify(VIEW))
    answerEvents(VIEW, FINISHED)
    answer(request, response)
  }
  const { code, out, err } = await forebay('prefetch', 's3://train/a/', '--wait')
  expect([code, out]).toEqual([0, ''])
  expect(err).toBe(
    [
      'prefetch aws://train j1  [######..................] 25 %  250 of 1,000 objects  2.00 KiB  13/s  1.00 KiB/s  1m left\n',
      'prefetch aws://train j1  finished: 985 done, 10 skipped, 4.00 KiB in 3m\n',
    ].join(''),
  )
})

test('a job that failed exits 1 with the commands that show why and that retry', async () => {
  answerEvents(FAILED)
  const { code, err } = await forebay('job', 'wait', 'j1')
  expect(code).toBe(1)
  expect(err).toContain('failed: 985 done, 10 skipped, 5 failed')
  expect(err).toContain('forebay job failures j1')
  expect(err).toContain('forebay job retry j1 --wait')
})

test('of several jobs each is waited for, and one that was aborted makes the exit code 1', async () => {
  answer = (request, response) => {
    const aborted = { ...FAILED, id: 'j2', state: 'aborted', error: 'by ann' }
    const view = request.url?.includes('/j1/') === true ? FINISHED : aborted
    response.end(`event: job\ndata: ${JSON.stringify(view)}\n\n`)
  }
  const { code, err } = await forebay('job', 'wait', 'j1', 'j2')
  expect(code).toBe(1)
  expect(err).toContain('j2  aborted')
  expect(err).toContain('by ann')
  expect(err).toContain('j1  finished')
})

test('with --json the end of a wait is the job as it came, and nothing else', async () => {
  answerEvents(VIEW, FINISHED)
  const { code, out, err } = await forebay('--json', 'job', 'wait', 'j1')
  expect([code, JSON.parse(out), err]).toEqual([0, FINISHED, ''])
})

test('a node that goes away and comes back is waited for', async () => {
  answer = (_request, response) => {
    answerEvents(FINISHED)
    response.write(`event: job\ndata: ${JSON.stringify(VIEW)}\n\n`, () => response.destroy())
  }
  const { code, err } = await forebay('job', 'wait', 'j1')
  expect(code).toBe(0)
  expect(err).toContain('finished')
})

test('a job that is not there is not waited for', async () => {
  answer = (_request, response) => {
    response.statusCode = 404
    response.end(JSON.stringify({ code: 'job-not-found', message: 'there is no job j9' }))
  }
  const { code, err } = await forebay('job', 'wait', 'j9')
  expect(code).toBe(3)
  expect(err).toContain('there is no job j9')
  expect(err).toContain('forebay job ls')
})

test('an interrupt leaves the job running and says how to stop it', async () => {
  answer = (_request, response) => {
    response.write(`event: job\ndata: ${JSON.stringify(VIEW)}\n\n`)
    setTimeout(() => interrupt.abort(), 20)
  }
  const { code, err } = await forebay('job', 'wait', 'j1')
  expect(code).toBe(130)
  expect(err).toContain('The job goes on')
  expect(err).toContain('"forebay job stop j1"')
  expect(seen.map(({ line }) => line)).toEqual(['GET /v1/jobs/j1/events'])
})

test('jobs are listed with what they did, and "+" where the list is not complete', async () => {
  const listing = { ...VIEW.listing, complete: false }
  answer = (_request, response) =>
    void response.end(JSON.stringify({ jobs: [FAILED, { ...VIEW, id: 'j2', listing }] }))
  const { out } = await forebay('job', 'ls', '--state', 'failed', '--bucket', 's3://train')
  expect(seen[0]?.line).toBe('GET /v1/jobs?state=failed&bucket=s3%3A%2F%2Ftrain')
  const [head, first, second] = out.split('\n')
  expect(head).toMatch(/^ID +KIND +BUCKET +STATE +OBJECTS +LISTED +FAILED +BYTES +ORDERED$/)
  expect(first).toMatch(/^j1 +prefetch +aws:\/\/train +failed +1,000 +1,000 +5 +4.00 KiB +2026/)
  expect(second).toMatch(/ 250 +1,000\+ +0 /)
})

test('a job is shown with its arguments, its counts and why it ended', async () => {
  const told = { ...FAILED, error: 'too many failures', result: { shards: 3 }, limits: { a: 1 } }
  answer = (_request, response) => void response.end(JSON.stringify(told))
  const { out } = await forebay('job', 'show', 'j1')
  expect(out).toMatch(/^state +failed$/m)
  expect(out).toMatch(/^why +too many failures$/m)
  expect(out).toMatch(/^ {2}prefix +a\/$/m)
  expect(out).toMatch(/^shards +3$/m)
  expect(JSON.parse((await forebay('--json', 'job', 'show', 'j1')).out)).toEqual(told)
})

test('failures are read to the end, one a line, and a key cannot break the line', async () => {
  answer = (request, response) => {
    const isFirst = request.url?.includes('after') === false
    const failures = [{ key: isFirst ? 'a\nb' : 'c', code: 'object-not-found', message: 'gone' }]
    response.end(JSON.stringify({ failures, next: isFirst ? 'p2' : null }))
  }
  const { out } = await forebay('job', 'failures', 'j1')
  expect(out).toBe('a\\nb\tobject-not-found\tgone\nc\tobject-not-found\tgone\n')
  expect(seen.map(({ line }) => line)).toEqual([
    'GET /v1/jobs/j1/failures?max=1000',
    'GET /v1/jobs/j1/failures?after=p2&max=1000',
  ])
  seen = []
  const few = await forebay('job', 'failures', 'j1', '--max', '1')
  expect(seen.map(({ line }) => line)).toEqual(['GET /v1/jobs/j1/failures?max=1'])
  expect(few.err).toContain('There are more')
})

test('stop, pause, resume, retry and rm say what became of the job', async () => {
  for (const words of ['stop', 'pause', 'resume', 'retry', 'rm']) {
    expect([words, (await forebay('job', words, 'j1')).code]).toEqual([words, 0])
  }
  expect(seen.map(({ line }) => line)).toEqual([
    'POST /v1/jobs/j1/abort',
    'POST /v1/jobs/j1/pause',
    'POST /v1/jobs/j1/resume',
    'POST /v1/jobs/j1/retry',
    'DELETE /v1/jobs/j1',
  ])
})

test('a schedule is put with an order that is checked like any other', async () => {
  const schedule = { id: 'night', cron: '0 3 * * *', order: {}, next: '2026-11-22T03:00:00Z' }
  answer = (_request, response) => void response.end(JSON.stringify(schedule))
  const { err } = await forebay(
    ...['job', 'schedule', 'put', 'night', '0 3 * * *', 'prefetch', 's3://b'],
    ...['--arg', 'latest=true', '--time-zone', 'Europe/Berlin', '--priority', 'low'],
  )
  expect(err).toBe('night: prefetch comes next at 2026-11-22 03:00:00 UTC\n')
  expect(seen).toEqual([
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
  const schedule = { id: 'night', cron: '0 3 * * *', timeZone: 'UTC', order, next: null }
  answer = (_request, response) => void response.end(JSON.stringify({ schedules: [schedule] }))
  expect((await forebay('job', 'schedule', 'ls')).out).toMatch(/^night +0 3 \* \* \* +UTC +pref/m)
  expect((await forebay('job', 'schedule', 'rm', 'night')).err).toContain('comes no more')
  expect(seen.at(-1)?.line).toBe('DELETE /v1/schedules/night')
})

test('completion knows ids by what can be done with them, kinds and schedules', async () => {
  answer = (request, response) => {
    const isJobs = request.url?.startsWith('/v1/jobs') === true
    const jobs = [VIEW, { ...FAILED, id: 'j2' }]
    const schedules = [{ id: 'night', cron: '0 3 * * *', order: { kind: 'prefetch' } }]
    response.end(JSON.stringify(isJobs ? { jobs } : { schedules }))
  }
  const values = async (...words: string[]): Promise<readonly string[]> => {
    const { out } = await forebay('__complete', 'zsh', ...words)
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
