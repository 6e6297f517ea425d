import type { InventoryFacts, InventoryPort } from '@forebay/peer/inventory-port'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type JobRig, openJobRig } from '../../jobs/testing/job-rig.ts'
import { sendWithBody, type WireAnswer } from './testing/send-with-body.ts'
import { openTestDoor, type TestDoor } from './testing/test-door.ts'

const IN_USE = { maxAgeMs: 86_400_000, isUsable: true } as const

class OneInventory implements InventoryPort {
  facts: InventoryFacts | undefined

  factsOf(): InventoryFacts | undefined {
    return this.facts
  }

  async drop(): Promise<void> {
    this.facts = undefined
  }
}

let rig: JobRig
let door: TestDoor
let inventory: OneInventory

beforeEach(async () => {
  rig = await openJobRig()
  inventory = new OneInventory()
  door = await openTestDoor({ jobs: rig.service, inventories: inventory })
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

const send = (method: string, path: string, body?: unknown): Promise<WireAnswer> =>
  sendWithBody(`${door.url}/v1/${path}`, method, body)

const summary = (where: string, value: object): Promise<WireAnswer> =>
  send('GET', `buckets${where}`, { action: 'summary-bck', name: '', value })

const ENTRY = {
  name: 'b',
  provider: 'aws',
  namespace: { uuid: '', name: '' },
  ObjCount: { obj_count_present: '2', obj_count_remote: '3' },
  ObjSize: { obj_min_size: 1, obj_avg_size: 10, obj_max_size: 20 },
  TotalSize: {
    size_on_disk: '4096',
    size_all_present_objs: '30',
    size_all_remote_objs: '31',
    total_disks_size: '2',
  },
  used_pct: 204_800,
  is_present: true,
}

test('a summary is ordered by the first request, and told when its job has ended', async () => {
  rig.hold()
  const first = await summary('/b', { uuid: '', prefix: 'p/', cached: false, present: true })
  expect(first.status).toBe(202)
  expect(await rig.engine.get(first.text)).toMatchObject({
    ...{ kind: 'summary', bucket: { name: 'b', provider: 'aws' }, args: { prefix: 'p/' } },
  })
  rig.release()
  await rig.ended(first.text)
  const last = await summary('/b', { uuid: first.text })
  expect([last.status, JSON.parse(last.text)]).toEqual([200, [ENTRY]])
  expect((await summary('/native', { uuid: first.text })).status).toBe(404)
  expect((await summary('/b', { uuid: 'abcdefghi' })).status).toBe(404)
  const other = await send('POST', 'buckets/b', { action: 'prefetch-listrange', value: {} })
  expect((await summary('/b', { uuid: other.text })).status).toBe(404)
})

test('what is cached alone is counted where a client wants no more', async () => {
  const { text: id } = await summary('/b', { cached: true })
  expect(await rig.ended(id)).toMatchObject({ args: { cachedOnly: true } })
  const [entry] = JSON.parse((await summary('/b', { uuid: id })).text)
  expect(entry.ObjCount).toEqual({ obj_count_present: '2', obj_count_remote: '0' })
})

test('without a bucket all are counted, and those told that a store told of', async () => {
  const { text: id } = await summary('/', { cached: false })
  expect((await rig.ended(id)).bucket).toBeUndefined()
  const all = JSON.parse((await summary('/', { uuid: id })).text)
  expect(all.map(({ name }: { name: string }) => name)).toEqual(['native'])
  expect(JSON.parse((await summary('/?provider=aws', { uuid: id })).text)).toEqual([])
})

test('a summary that was stopped is told as that', async () => {
  rig.hold()
  const { text: id } = await summary('/b', {})
  await rig.engine.abort(id, 'by hand')
  rig.release()
  await rig.ended(id)
  expect((await summary('/b', { uuid: id })).status).toBe(409)
})

test('HEAD of a bucket sums it up in its headers, a prefix as well', async () => {
  const first = await send('HEAD', 'buckets/b/p%2Fq?bsumm_remote=True')
  expect(first.status).toBe(202)
  expect(first.headers['ais-bucket-props']).toMatch(/^\{/)
  expect(first.headers['ais-bucket-summ']).toBeUndefined()
  const id = String(first.headers['ais-xaction-id'])
  expect(await rig.ended(id)).toMatchObject({ args: { prefix: 'p/q' } })
  // The client asks without the prefix from then on.
  const last = await send('HEAD', `buckets/b?bsumm_remote=True&uuid=${id}`)
  expect(last.status).toBe(200)
  expect(JSON.parse(String(last.headers['ais-bucket-summ']))).toEqual(ENTRY)
})

test('an inventory is shown under the name that is asked for, and removed', async () => {
  const show = (name: string): Promise<WireAnswer> =>
    send('GET', 'buckets/b', { action: 'show-inventory', name, value: null })
  expect(JSON.parse((await show('')).text)).toEqual({})
  expect((await show('x')).status).toBe(404)
  const asOfMs = 1_790_000_000_000
  inventory.facts = { objects: 20_001, bytes: 5, asOfMs, fileBytes: 99, changedKeys: 1, ...IN_USE }
  const { text: id } = await send('POST', 'buckets/b', { action: 'create-inventory', value: {} })
  const { endedMs = 0 } = await rig.ended(id)
  expect(JSON.parse((await show('inv-1')).text)).toEqual({
    'aws/@#/b/inv-1': {
      ...{ bucket: 'aws://b', name: 'inv-1', obj_name: 'aws/@#/b/inv-1', size: 99 },
      ...{ started: asOfMs * 1e6, finished: endedMs * 1e6, ntotal: 20_001 },
      ...{ smap_ver: 1, chunks: 2, nat: 1 },
    },
  })
  const destroy = (): Promise<WireAnswer> =>
    send('DELETE', 'buckets/b', { action: 'destroy-inventory', name: '', value: null })
  rig.hold()
  const next = await send('POST', 'buckets/b', { action: 'create-inventory', value: {} })
  await rig.engine.pause(next.text)
  expect((await destroy()).status).toBe(409)
  await rig.engine.abort(next.text, 'by hand')
  rig.release()
  await rig.ended(next.text)
  expect((await destroy()).status).toBe(200)
  expect(inventory.facts).toBeUndefined()
  expect((await destroy()).status).toBe(404)
})

test.each([
  [
    { obj: 'pre/', rcr: true },
    { prepend: 'pre/', recursive: true },
  ],
  [
    { obj: 'named', ovw: true, dls: true },
    { name: 'named', overwrite: true, deleteSource: true },
  ],
  [{ tid: 'NODE00000001', notshr: true }, {}],
])('promote orders the job that it means (%#)', async (value, args) => {
  const { status, text: id } = await send('POST', 'objects/native', {
    ...{ action: 'promote', name: '/mnt/set', value },
  })
  expect(status).toBe(200)
  expect(await rig.engine.get(id)).toMatchObject({
    ...{ kind: 'promote', bucket: { name: 'native' }, args: { source: '/mnt/set', ...args } },
  })
})

test('a promote on a node that is not this one, or of nothing, is refused', async () => {
  const promote = (name: string, value: object): Promise<WireAnswer> =>
    send('POST', 'objects/native', { action: 'promote', name, value })
  expect((await promote('/mnt', { tid: 'abcdefgh' })).status).toBe(400)
  expect((await promote('', {})).status).toBe(400)
  expect((await send('POST', 'objects/native/x', { action: 'promote', value: {} })).status).toBe(
    501,
  )
  expect(await rig.engine.list({})).toEqual([])
})
