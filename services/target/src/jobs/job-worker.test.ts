import { Failure } from '@forebay/base/failure'
import { PlayedClock, settle } from '@forebay/base/testing/played-clock'
import type { PageDelivery } from '@forebay/jobs/engine'
import type { JobLimits, JobPage, JobRecord, PageOutcome } from '@forebay/jobs/job'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { JobLimiter } from './job-limits.ts'
import { JobPace } from './job-pace.ts'
import { NodeJobWorker } from './job-worker.ts'
import type { ItemResult, JobContext, KindWork } from './kind-work.ts'
import { HeldLease, JobRig } from './testing/job-rig.ts'
import { UserLoad } from './user-load.ts'

let rig: JobRig
let clock: PlayedClock
let job: JobRecord
let lease: HeldLease
/** What was counted, `outcome bytes`. */
let counted: string[]
let warnings: number

beforeEach(async () => {
  rig = await JobRig.open()
  clock = new PlayedClock()
  job = rig.job('tried', await rig.native('b'), {})
  lease = new HeldLease()
  counted = []
  warnings = 0
})
afterEach(() => rig.close())

/** A worker whose one kind does to each key what the test says. */
function workerOf(apply: (key: string) => Promise<ItemResult> | ItemResult): NodeJobWorker {
  return workerOfKind({ apply: async (_, { item }) => apply(item.key) })
}

function workerOfKind(kind: Pick<KindWork, 'apply' | 'flows'>): NodeJobWorker {
  const work: KindWork = {
    ...{ name: 'tried', ...kind },
    list: async () => ({ pages: [], cursor: undefined }),
  }
  const context: JobContext = { ...rig.context, clock }
  const users = new UserLoad(clock)
  return new NodeJobWorker({
    context,
    works: [work],
    pace: new JobPace({ clock, users, itemsMax: 64, loopBusyShare: () => 0 }),
    limiter: new JobLimiter(clock),
    pagesAtOnce: 4,
    observer: {
      item: (_, outcome, bytes) => counted.push(`${outcome} ${bytes}`),
      pages: () => undefined,
      warn: () => {
        warnings += 1
      },
    },
  })
}

/** A delivery of the keys; `saves` are what it hands on. */
function deliveryOf(
  keys: readonly string[],
  options: { readonly saved?: PageOutcome; readonly limits?: JobLimits } = {},
): PageDelivery & { readonly saves: PageOutcome[] } {
  const page: JobPage = {
    ...{ jobId: job.id, number: 0, attempt: 1, owner: 'testnode' },
    items: keys.map((key) => ({ key })),
  }
  const saves: PageOutcome[] = []
  const { saved, limits = {} } = options
  return { job: { ...job, limits }, page, saved, lease, saves, save: (out) => void saves.push(out) }
}

const keysOf = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, at) => `k${`${at}`.padStart(4, '0')}`)

/** Lets the played clock go on until the work is done. */
async function played<T>(work: Promise<T>): Promise<T> {
  let over = false
  const ended = work.finally(() => {
    over = true
  })
  ended.catch(() => undefined)
  while (!over) await clock.advance(100)
  return ended
}

test('each item of a page is done once and counted by how it ended, failures in order', async () => {
  const seen: string[] = []
  const worker = workerOf(async (key) => {
    seen.push(key)
    const at = Number(key.slice(1))
    // Later ones end earlier.
    await clock.sleep(1000 - at)
    if (at % 10 === 0) throw new Failure('object-not-found', `${key} is not there`)
    return at % 10 === 1 ? { kind: 'skipped', why: 'cached' } : { kind: 'done', bytes: 5 }
  })
  const keys = keysOf(300)
  const outcome = await played(worker.apply(deliveryOf(keys)))
  expect(seen.toSorted()).toEqual(keys)
  expect(outcome).toMatchObject({ done: 240, skipped: 30, bytes: 1200 })
  expect(outcome.settled).toEqual(keys.map((_, at) => at))
  expect(outcome.failures.map(({ key }) => key)).toEqual(keys.filter((key) => key.endsWith('0')))
  expect(outcome.failures[1]).toEqual({
    key: 'k0010',
    code: 'object-not-found',
    message: 'k0010 is not there',
    item: { key: 'k0010' },
  })
  expect(counted.filter((line) => line === 'done 5')).toHaveLength(240)
})

test('what an earlier delivery settled is neither done nor counted again', async () => {
  const seen: string[] = []
  const worker = workerOf((key) => {
    seen.push(key)
    return { kind: 'done', bytes: 1 }
  })
  const keys = keysOf(5)
  const failures = [
    { key: 'k0003', code: 'internal', message: 'm', item: { key: 'k0003' } },
  ] as const
  const saved = { settled: [0, 1, 3], done: 1, skipped: 1, bytes: 7, failures }
  const outcome = await played(worker.apply(deliveryOf(keys, { saved })))
  expect(seen).toEqual(['k0002', 'k0004'])
  expect(outcome).toEqual({ settled: [0, 1, 2, 3, 4], done: 3, skipped: 1, bytes: 9, failures })
})

test('with a concurrency of 1 items are done in the order of the list', async () => {
  const order: string[] = []
  const worker = workerOf(async (key) => {
    order.push(`${key} begins`)
    await clock.sleep(10)
    order.push(`${key} ends`)
    return { kind: 'done', bytes: 0 }
  })
  const keys = keysOf(20)
  await played(worker.apply(deliveryOf(keys, { limits: { concurrency: 1 } })))
  expect(order).toEqual(keys.flatMap((key) => [`${key} begins`, `${key} ends`]))
})

test('pages take turns, so that a small job does not wait for the whole page of another', async () => {
  const order: string[] = []
  const worker = workerOf(async (key) => {
    await clock.sleep(10)
    order.push(key)
    return { kind: 'done', bytes: 0 }
  })
  const large = worker.apply(deliveryOf(keysOf(1000)))
  await clock.advance(20)
  const before = order.length
  const small = worker.apply(deliveryOf(['small']))
  await played(Promise.all([large, small]))
  // Behind what was under way.
  expect(order.indexOf('small') - before).toBeLessThan(100)
})

test('a failure that may pass is tried again, one that will not is told at once', async () => {
  const tries = new Map<string, number>()
  const worker = workerOf((key) => {
    const count = (tries.get(key) ?? 0) + 1
    tries.set(key, count)
    if (key === 'k0000') throw new Failure('backend-denied', 'no')
    if (key === 'k0001' && count < 3) throw new Failure('backend-unreachable', 'away')
    if (key === 'k0002') throw new Failure('backend-timeout', 'slow')
    if (key === 'k0003' && count < 8) throw new Failure('slow-down', 'room is being made')
    return { kind: 'done', bytes: 1 }
  })
  const outcome = await played(worker.apply(deliveryOf(keysOf(4))))
  expect(outcome.failures.map(({ key, code }) => [key, code])).toEqual([
    ['k0000', 'backend-denied'],
    ['k0002', 'backend-timeout'],
  ])
  expect([...tries.values()]).toEqual([1, 3, 3, 8])
})

test('an item waits as long as the server asks for', async () => {
  const triedAt: number[] = []
  const worker = workerOf(() => {
    triedAt.push(clock.monotonic())
    if (triedAt.length > 2) return { kind: 'done', bytes: 1 }
    throw new Failure('backend-throttled', 'too many', { retryAfterSeconds: 20 })
  })
  expect(await played(worker.apply(deliveryOf(['a'])))).toMatchObject({ done: 1 })
  const waits = triedAt.map((at, tries) => at - (triedAt[tries - 1] ?? at))
  expect(waits[1]).toBeGreaterThanOrEqual(20_000)
  expect(waits[2]).toBeGreaterThanOrEqual(20_000)
  expect(waits[2]).toBeLessThan(22_000)
})

test('an error that is none of the catalogue fails its item alone, and its text stays in the log', async () => {
  const worker = workerOf((key) => {
    if (key === 'k0001') throw new TypeError('secret of the inside')
    return { kind: 'done', bytes: 1 }
  })
  const outcome = await played(worker.apply(deliveryOf(keysOf(3))))
  expect(outcome.done).toBe(2)
  expect(outcome.failures).toMatchObject([{ key: 'k0001', code: 'internal' }])
  expect(outcome.failures[0]?.message).not.toContain('secret')
  expect(warnings).toBe(1)
})

test('without room the job ends with the reason, and what was not tried is told of for a retry', async () => {
  let tried = 0
  const worker = workerOf((key) => {
    tried += 1
    if (key >= 'k0100') throw new Failure('out-of-space', 'there is no room')
    return { kind: 'done', bytes: 1 }
  })
  const outcome = await played(worker.apply(deliveryOf(keysOf(1000))))
  expect(outcome.endsJob).toBe('there is no room')
  expect(outcome.done).toBe(100)
  expect(outcome.settled).toHaveLength(1000)
  expect(outcome.failures).toHaveLength(900)
  expect(tried).toBeLessThan(200)
})

test('a store that is away sends the page back, with what was settled', async () => {
  const away = new Failure('backend-unreachable', 'away', { facts: { circuit: 'open' } })
  const worker = workerOf((key) => {
    if (key >= 'k0100') throw away
    return { kind: 'done', bytes: 1 }
  })
  const delivery = deliveryOf(keysOf(1000))
  await expect(played(worker.apply(delivery))).rejects.toBe(away)
  expect(delivery.saves.at(-1)).toMatchObject({ done: 100, failures: [] })
})

test('a lease that ends breaks off, and nothing is begun after it', async () => {
  const seen: string[] = []
  const worker = workerOf(async (key) => {
    seen.push(key)
    await clock.sleep(1000, lease.signal)
    return { kind: 'done', bytes: 1 }
  })
  const delivery = deliveryOf(keysOf(500))
  const applying = worker.apply(delivery)
  applying.catch(() => undefined)
  await clock.advance(1500)
  const reason = new Failure('job-lease-lost', 'given to somebody else')
  const begun = seen.length
  lease.lose(reason)
  await expect(played(applying)).rejects.toBe(reason)
  expect(seen).toHaveLength(begun)
  const last = delivery.saves.at(-1)
  expect(last?.failures).toEqual([])
  expect(last?.done).toBe(last?.settled.length)
})

test('how far a page is, is handed on while it is worked on', async () => {
  const worker = workerOf(async () => {
    await clock.sleep(500)
    return { kind: 'done', bytes: 1 }
  })
  const delivery = deliveryOf(keysOf(100))
  await played(worker.apply(delivery))
  const done = delivery.saves.map((outcome) => outcome.done)
  expect(done.length).toBeGreaterThan(2)
  expect(done.length).toBeLessThan(50)
  expect(done).toEqual(done.toSorted((a, b) => a - b))
})

test('a kind that the node does not know is refused for good', async () => {
  const worker = workerOf(() => ({ kind: 'done', bytes: 0 }))
  const unknown = { ...job, kind: 'of tomorrow' }
  const step = { job: unknown, cursor: undefined, lease }
  await expect(worker.list(step)).rejects.toMatchObject({
    code: 'not-implemented',
    retryable: false,
  })
  await settle()
})

/** Does each item in four parts of 250 bytes, 300 ms apart. */
const inParts: Pick<KindWork, 'apply' | 'flows'> = {
  flows: true,
  apply: async (_, { flow }) => {
    for (let part = 0; part < 4; part++) {
      await flow?.moved(250)
      await clock.sleep(300)
    }
    return { kind: 'done', bytes: 1000 }
  },
}

test('bytes of an item are handed on while they come, and count once when it is done', async () => {
  const delivery = deliveryOf(['a'])
  const outcome = await played(workerOfKind(inParts).apply(delivery))
  expect(outcome).toMatchObject({ settled: [0], done: 1, bytes: 1000 })
  expect(outcome.underWayBytes).toBeUndefined()
  const told = delivery.saves.map(({ bytes, underWayBytes }) => [bytes, underWayBytes])
  expect(told).toContainEqual([500, 500])
  expect(counted).toEqual(['done 1000'])
})

test('bytes that a delivery before had under way are not counted beside those that come again', async () => {
  const saved = { settled: [0], done: 1, skipped: 0, bytes: 1700, underWayBytes: 700, failures: [] }
  const outcome = await played(workerOfKind(inParts).apply(deliveryOf(['a', 'b'], { saved })))
  expect(outcome).toMatchObject({ settled: [0, 1], done: 2, bytes: 2000 })
})

test('an item that fails leaves no bytes behind', async () => {
  const worker = workerOfKind({
    flows: true,
    apply: async (_, { flow }) => {
      await flow?.moved(250)
      throw new Failure('backend-refused', 'no more')
    },
  })
  const outcome = await played(worker.apply(deliveryOf(['a'])))
  expect(outcome).toMatchObject({ settled: [0], done: 0, bytes: 0 })
})

test('bytes that come are held to the rate of the job within one item, and are not paid twice', async () => {
  const delivery = deliveryOf(['a', 'b'], { limits: { bytesPerSecond: 100, concurrency: 1 } })
  const begun = clock.monotonic()
  await played(workerOfKind(inParts).apply(delivery))
  const seconds = (clock.monotonic() - begun) / 1000
  expect(seconds).toBeGreaterThan(17)
  expect(seconds).toBeLessThan(22)
})
