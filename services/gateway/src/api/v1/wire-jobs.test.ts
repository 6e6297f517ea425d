import type { JobRecord } from '@forebay/jobs/job'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type JobRig, openJobRig } from '../../jobs/testing/job-rig.ts'
import { sendWithBody, type WireAnswer } from './testing/send-with-body.ts'
import { openTestDoor, type TestDoor } from './testing/test-door.ts'

let rig: JobRig
let door: TestDoor

beforeEach(async () => {
  rig = await openJobRig()
  door = await openTestDoor({ jobs: rig.service })
  const namespace = { uuid: '', name: '' }
  await door.buckets.create(
    { provider: 'aws', namespace, name: 'b' },
    { backend: { provider: 'aws', bucket: 'b' } },
  )
  await door.buckets.create({ provider: 'ais', namespace, name: 'native' }, {})
})
afterEach(async () => {
  await rig.close()
  await door.close()
})

const send = (method: string, path: string, body: unknown): Promise<WireAnswer> =>
  sendWithBody(`${door.url}/v1/${path}`, method, body)

/** @param where method, and bucket with its query: `POST b` */
const act = (where: string, action: string, value: unknown): Promise<WireAnswer> => {
  const [method = '', bucket = ''] = where.split(' ')
  return send(method, `buckets/${bucket}`, { action, name: '', value })
}

const query = async (what: string, body: object): Promise<unknown> => {
  const answer = await send('GET', `cluster?what=${what}`, body)
  return JSON.parse(answer.text)
}

async function onlyJob(answer: WireAnswer): Promise<JobRecord | undefined> {
  expect(answer).toMatchObject({ status: 200, type: 'text/plain; charset=utf-8' })
  // What AIStore's command line takes for an id.
  expect(answer.text).toMatch(/^[A-Za-z0-9][A-Za-z0-9_-]{7,30}[A-Za-z0-9]$/)
  const job = await rig.engine.get(answer.text)
  await rig.engine.abort(answer.text, 'seen').catch(() => undefined)
  return job
}

test.each([
  [
    ['POST b', 'prefetch-listrange', { objnames: ['x', 'y'], coer: true, 'latest-ver': true }],
    { kind: 'prefetch', args: { keys: ['x', 'y'], latest: true }, limits: {} },
  ],
  [
    ['POST b', 'prefetch-listrange', { template: 'a-{1..3}', 'num-workers': 4, coer: false }],
    {
      kind: 'prefetch',
      args: { template: 'a-{1..3}' },
      limits: { concurrency: 4, failuresMax: 0 },
    },
  ],
  [['POST b', 'prefetch-listrange', { template: '' }], { kind: 'prefetch', args: {} }],
  [
    ['DELETE b', 'evict-listrange', { template: 'old/' }],
    { kind: 'evict', args: { template: 'old/' } },
  ],
  [
    ['DELETE b', 'delete-listrange', { ObjNames: ['x'] }],
    { kind: 'delete', args: { keys: ['x'] } },
  ],
  [['DELETE native', 'delete-listrange', {}], { kind: 'delete', args: { all: true } }],
  [
    ['DELETE native', 'delete-listrange', { 'non-recurs': true }],
    { kind: 'delete', args: { all: true, flat: true } },
  ],
  [
    ['POST b', 'prefetch-listrange', { template: 'd/', 'non-recurs': true }],
    { kind: 'prefetch', args: { template: 'd/', flat: true } },
  ],
  [
    [
      'POST b?bck_to=ais%2F@%23%2Fnew%2F',
      'copy-bck',
      { prefix: 'p/', prepend: 'c/', dry_run: true, 'non-recurs': true },
    ],
    {
      kind: 'copy-bucket',
      args: { to: 'ais://new', prefix: 'p/', prepend: 'c/', dryRun: true, flat: true },
    },
  ],
  [
    ['POST b', 'copy-listrange', { tobck: { name: 'native', provider: 'ais' }, objnames: ['x'] }],
    { kind: 'copy-objects', args: { to: 'ais://native', keys: ['x'] } },
  ],
  [
    ['PUT b', 'archive', { archname: 'x.tar', template: 'a', isbn: true, aate: true, coer: true }],
    {
      kind: 'archive',
      args: {
        to: 'aws://b',
        name: 'x.tar',
        template: 'a',
        memberNames: 'bucket-key',
        append: true,
        onMissing: 'skip',
      },
    },
  ],
] as const)(
  'an action of AIStore is an order of ours (%#)',
  async ([where, action, value], order) => {
    expect(await onlyJob(await act(where, action, value))).toMatchObject(order)
  },
)

test.each([[[]], [null]])(
  'names that are %j are none: the whole bucket, as in AIStore',
  async (objnames) => {
    const job = await onlyJob(await act('PUT b', 'archive', { archname: 'x.tar', objnames }))
    expect([job?.kind, job?.args]).toEqual(['archive', { to: 'aws://b', name: 'x.tar' }])
  },
)

test.each([
  ['POST native', 'prefetch-listrange', {}, 400, 'bucket-not-remote'],
  ['DELETE native', 'evict-listrange', {}, 400, 'bucket-not-remote'],
  ['POST nowhere', 'prefetch-listrange', {}, 404, 'bucket-not-found'],
  ['POST b', 'prefetch-listrange', { objnames: ['a'], template: 'b' }, 400, 'argument-invalid'],
  ['POST b', 'prefetch-listrange', { objnames: 'a' }, 400, 'argument-invalid'],
  ['POST b', 'copy-bck', {}, 400, 'argument-invalid'],
  ['POST b', 'copy-listrange', { objnames: ['a'] }, 400, 'argument-invalid'],
  ['PUT b', 'archive', { archname: 'x.rar' }, 400, 'argument-invalid'],
  ['POST b', 'etl-bck', {}, 501, 'not-implemented'],
] as const)('%s %s is refused as AIStore refuses it (%#)', async (...row) => {
  const [where, action, value, status, code] = row
  const answer = await act(where, action, value)
  expect([answer.status, JSON.parse(answer.text).code]).toEqual([status, code])
  expect(await rig.engine.list({})).toEqual([])
})

test('a bucket is not copied onto itself, but for a dry run', async () => {
  const copy = (dry_run: boolean) => act('POST b?bck_to=aws%2F@%23%2Fb%2F', 'copy-bck', { dry_run })
  expect((await copy(false)).status).toBe(400)
  expect((await copy(true)).status).toBe(200)
})

test('the status of a job is known at once, while it runs, and after its end', async () => {
  rig.hold()
  const { text: id } = await act('POST b', 'prefetch-listrange', { objnames: ['a', 'bad'] })
  const asked = { ID: id, Kind: 'prefetch-listrange', DaemonID: '', Bck: null, Buckets: null }
  const running = { kind: 'prefetch-listrange', uuid: id, err: '', end_time: 0, aborted: false }
  expect(await query('status', asked)).toEqual(running)
  expect(await query('status', { id: '', kind: 'prefetch-objects' })).toEqual(running)
  expect(await query('status_all', {})).toEqual([running])
  expect(await query('running_all', {})).toEqual([`prefetch-listrange[${id}]`])
  rig.release()
  const { endedMs = 0 } = await rig.ended(id)
  expect(await query('status', asked)).toEqual({
    ...running,
    end_time: endedMs * 1e6,
    err: expect.stringMatching(/./),
  })
  expect(await query('running_all', {})).toEqual([])
})

test('snapshots stand under the node, with what was done and when', async () => {
  const { text: id } = await act('POST b', 'prefetch-listrange', {
    objnames: ['a', 'same'],
    'num-workers': 3,
  })
  await rig.ended(id)
  const bucket = { name: 'b', provider: 'aws', namespace: { uuid: '', name: '' } }
  const iso = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  expect(await query('qryxstats', { ID: id })).toEqual({
    NODE00000001: [
      {
        ext: null,
        id,
        kind: 'prefetch-listrange',
        bck: bucket,
        'src-bck': bucket,
        'dst-bck': { name: '', provider: '', namespace: { uuid: '', name: '' } },
        'start-time': iso,
        'end-time': iso,
        'abort-err': '',
        err: '',
        'glob.id': '3072',
        stats: {
          'loc-objs': '1',
          'loc-bytes': '10',
          'out-objs': '0',
          'out-bytes': '0',
          'in-objs': '0',
          'in-bytes': '0',
        },
        aborted: false,
        is_idle: true,
      },
    ],
  })
  const of = async (body: object): Promise<unknown> => query('qryxstats', body)
  expect(await of({ kind: 'copy-bck' })).toEqual({ NODE00000001: [] })
  expect(await of({ kind: 'rebalance' })).toEqual({ NODE00000001: [] })
  expect(await of({ kind: 'no-such-kind' })).toMatchObject({ NODE00000001: [{ id }] })
  expect(await of({ show_active: true })).toEqual({ NODE00000001: [] })
  expect(await of({ bck: { name: 'native', provider: 'ais' } })).toEqual({ NODE00000001: [] })
})

test('what is asked about a job that is not there, or of another kind, is refused', async () => {
  expect(await query('status', { id: 'abcdefghi' })).toMatchObject({
    status: 404,
    tcode: 'ErrNotFound',
    message: 'p[NODE00000001]: x-[abcdefghi] does not exist',
  })
  expect(await query('qryxstats', { id: 'abcdefghi' })).toMatchObject({
    status: 404,
    message: '"x-[abcdefghi]" not found',
  })
  const { text: id } = await act('POST b', 'prefetch-listrange', {})
  expect(await query('status', { id, kind: 'copy-bck' })).toMatchObject({ status: 400 })
  expect(await query('status', {})).toMatchObject({ status: 400 })
})

test('a job is started by its kind and stopped by its id or its kind', async () => {
  rig.hold()
  const change = (action: string, value: object) =>
    send('PUT', 'cluster', { action, name: '', value })
  const bucket = { name: 'b', provider: 'aws', namespace: null }
  const start = {
    ID: '',
    Kind: 'prefetch-listrange',
    DaemonID: '',
    Bck: bucket,
    Buckets: null,
    flags: 2,
  }
  const { text: id } = await change('start', start)
  expect(await rig.engine.get(id)).toMatchObject({ kind: 'prefetch', args: { latest: true } })
  expect(await change('stop', { ID: id, Kind: '' })).toMatchObject({ status: 200, text: '' })
  expect(await rig.engine.get(id)).toMatchObject({ state: 'aborted' })
  expect(await query('status', { id })).toMatchObject({ aborted: true, uuid: id })
  const { text: second } = await change('start', start)
  expect((await change('stop', { Kind: 'prefetch-objects' })).status).toBe(200)
  expect(await rig.engine.get(second)).toMatchObject({ state: 'aborted' })
  expect((await change('stop', { ID: 'abcdefghi' })).status).toBe(200)
  expect((await change('stop', {})).status).toBe(400)
  expect((await change('start', { Kind: 'rebalance' })).status).toBe(501)
  expect((await change('start', { Kind: 'copy-bck', Bck: bucket })).status).toBe(501)
  expect((await change('start', { Kind: 'no-such-kind' })).status).toBe(400)
  expect((await change('shutdown', {})).status).toBe(501)
})

test('a download is started, told of, aborted and removed as in AIStore', async () => {
  const base = { bucket: { name: 'native', provider: 'ais' }, description: 'a set', timeout: '' }
  const start = async (body: object): Promise<string> => {
    const answer = await send('POST', 'download', { ...base, ...body })
    return JSON.parse(answer.text).id ?? answer.text
  }
  const id = await start({ type: 'single', link: 'http://example.org/x.tar', object_name: 'y.tar' })
  expect(id).toMatch(/^dnl-[0-9A-Z]{16}$/)
  expect(await rig.engine.get(id)).toMatchObject({
    kind: 'download',
    bucket: { name: 'native' },
    args: { link: 'http://example.org/x.tar', object: 'y.tar' },
  })
  await rig.ended(id)
  const limits = { connections: 2, bytes_per_hour: 7200 }
  const many = await start({ type: 'multi', objects: ['http://example.org/1'], limits })
  expect(await rig.engine.get(many)).toMatchObject({
    args: { links: ['http://example.org/1'] },
    limits: { concurrency: 2, bytesPerSecond: 2 },
  })
  const range = await start({ type: 'range', template: 'http://example.org/{1..3}', subdir: 'd' })
  expect(await rig.engine.get(range)).toMatchObject({
    args: { template: 'http://example.org/{1..3}', prepend: 'd/' },
  })
  const told = JSON.parse((await send('GET', 'download', { id })).text)
  expect(told).toMatchObject({
    id,
    description: 'a set',
    finished_cnt: 0,
    error_cnt: 0,
    all_dispatched: true,
    aborted: false,
    download_errors: [],
  })
  const all = JSON.parse((await send('GET', 'download', { id: '', regex: 'set' })).text)
  expect(all).toHaveLength(3)
  expect((await send('DELETE', 'download/abort', { id })).status).toBe(200)
  expect((await send('DELETE', 'download/remove', { id })).status).toBe(200)
  expect((await send('GET', 'download', { id })).status).toBe(404)
  const refused = [{ type: 'backend' }, { type: 'other' }, { type: 'multi' }, { type: 'single' }]
  const statuses: number[] = []
  for (const body of refused)
    statuses.push((await send('POST', 'download', { ...base, ...body })).status)
  expect(statuses).toEqual([501, 400, 400, 400])
  expect((await send('GET', 'download', { regex: '(a+)+$' })).status).toBe(501)
})

test('a bucket is evicted and kept by a job, which the answer waits for', async () => {
  rig.hold()
  const answer = act('DELETE b?keep_bck_md=true', 'evict-remote-bck', null)
  const job = await vi.waitUntil(async () => (await rig.engine.list({}))[0])
  expect(job).toMatchObject({ kind: 'evict', bucket: { name: 'b' } })
  rig.release()
  expect(await answer).toMatchObject({ status: 200, text: '' })
  expect(await rig.engine.get(job.id)).toMatchObject({ state: 'finished' })
  expect(door.buckets.get('b', 'aws')).toHaveLength(1)
})
