import { checkSchema } from '@forebay/jobs/check-schema'
import type { InventoryFacts } from '@forebay/peer/inventory-port'
import { Type } from 'typebox'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type JobRig, openJobRig } from '../../jobs/testing/job-rig.ts'
import { NODE_OPERATIONS } from './node-operations.ts'
import { openTestDoor, type TestDoor } from './testing/test-door.ts'

const FACTS: InventoryFacts = {
  objects: 1000,
  bytes: 5000,
  asOfMs: Date.UTC(2026, 10, 21),
  fileBytes: 99,
  changedKeys: 3,
  maxAgeMs: 3_600_000,
  isUsable: false,
}

const ROWS = Type.Array(Type.Record(Type.String(), Type.Unknown()))
const PUT = Type.Object({ next: Type.String() })

let rig: JobRig
let door: TestDoor

beforeEach(async () => {
  rig = await openJobRig()
  const facts = new Map<number, InventoryFacts>()
  const inventories = { factsOf: (id: number) => facts.get(id), drop: async () => undefined }
  door = await openTestDoor({ jobs: rig.service, inventories })
  for (const name of ['kept', 'plain']) {
    const ref = { provider: 'aws', namespace: { uuid: '', name: '' }, name } as const
    const bucket = await door.buckets.create(ref, { backend: { provider: 'aws', bucket: name } })
    if (name === 'kept') facts.set(bucket.id, FACTS)
  }
})
afterEach(async () => {
  await rig.close()
  await door.close()
})

/** The rows by name, as they are promised. */
async function rows(): Promise<ReadonlyMap<string, Record<string, unknown>>> {
  const list: unknown = await (await fetch(`${door.url}/v1/forebay/buckets`)).json()
  const promised = NODE_OPERATIONS.find(({ path }) => path === '/v1/forebay/buckets')
  const schema = promised?.answers[200]?.schema
  if (schema === undefined) throw new Error('it is promised nowhere')
  checkSchema(schema, list)
  return new Map(checkSchema(ROWS, list).map((row) => [String(row['name']), row]))
}

test('a bucket tells how old its inventory is, how much changed, and until when it holds', async () => {
  const found = await rows()
  expect(found.get('kept')?.['inventory']).toEqual({
    ...{ objects: 1000, bytes: 5000, fileBytes: 99, changedKeys: 3, usable: false },
    ...{ asOf: '2026-11-21T00:00:00.000Z', usableUntil: '2026-11-21T01:00:00.000Z' },
  })
  expect(found.get('plain')).not.toHaveProperty('inventory')
})

const nextOf = (put: unknown): string => checkSchema(PUT, put).next

test('the next inventory is that of the first schedule that makes one of the bucket', async () => {
  const put = (id: string, order: object, cron: string) =>
    fetch(`${door.url}/v1/schedules/${id}`, {
      method: 'PUT',
      body: JSON.stringify({ cron, order }),
    })
  const next = async () => (await rows()).get('kept')?.['inventory']
  await put('other', { kind: 'prefetch', bucket: 'aws://kept' }, '* * * * *')
  await put('plain', { kind: 'inventory', bucket: 'aws://plain' }, '* * * * *')
  expect(await next()).not.toHaveProperty('nextRefresh')
  const late = await put('late', { kind: 'inventory', bucket: 'aws://kept' }, '0 0 1 1 *')
  expect(await next()).toMatchObject({ nextRefresh: nextOf(await late.json()) })
  const soon = await put('soon', { kind: 'inventory', bucket: 'aws://kept' }, '0 * * * *')
  expect(await next()).toMatchObject({ nextRefresh: nextOf(await soon.json()) })
})

test('buckets are told of while the engine of jobs cannot be reached', async () => {
  await rig.engine.close()
  const found = await rows()
  expect(found.get('kept')?.['inventory']).not.toHaveProperty('nextRefresh')
})
