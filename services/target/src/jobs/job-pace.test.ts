import { PlayedClock, settle } from '@forebay/base/testing/played-clock'
import { beforeEach, expect, test } from 'vitest'
import { JobPace, START_ITEMS, TICK_MS, USERS_AWAY_MS } from './job-pace.ts'
import { QueueingStore } from './testing/queueing-store.ts'
import { UserLoad } from './user-load.ts'

const ITEMS_MAX = 64
const never = new AbortController().signal

let clock: PlayedClock
let users: UserLoad
let busyShare: number
let pace: JobPace
/** Ends the lanes and the users of a test. */
let stop: AbortController

beforeEach(() => {
  clock = new PlayedClock()
  users = new UserLoad(clock)
  busyShare = 0
  pace = new JobPace({ clock, users, itemsMax: ITEMS_MAX, loopBusyShare: () => busyShare })
  stop = new AbortController()
})

/** More work than can be done at once; each item takes as long as the store has others to serve. */
function workFrom(store: { readonly places: number; readonly ms: number }): void {
  for (let lane = 0; lane < 2 * ITEMS_MAX; lane++) void workOn(store)
}

async function workOn(store: { readonly places: number; readonly ms: number }): Promise<void> {
  while (!stop.signal.aborted) {
    const giveBack = await pace.acquire(never)
    await clock.sleep(waitAt(store))
    giveBack()
  }
}

function waitAt({ places, ms }: { readonly places: number; readonly ms: number }): number {
  return ms * Math.max(1, (pace.running + 1) / places)
}

/** A user who reads from the store all the time. @returns how long each read waited, ms */
function readFrom(store: { readonly places: number; readonly ms: number }, everyMs: number) {
  const waits: number[] = []
  const read = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const ms = waitAt(store)
      void users.during(
        () => clock.sleep(ms),
        () => true,
      )
      waits.push(ms)
      await clock.sleep(everyMs)
    }
  }
  void read()
  return waits
}

async function end(): Promise<void> {
  stop.abort()
  await clock.advance(60_000)
}

test('without users it begins at the limit, and never goes beyond', async () => {
  workFrom({ places: 1000, ms: 50 })
  await settle()
  expect(pace.limit).toBe(ITEMS_MAX)
  expect(pace.running).toBe(ITEMS_MAX)
  await clock.advance(10 * TICK_MS)
  expect(pace.limit).toBe(ITEMS_MAX)
  expect(pace.running).toBe(ITEMS_MAX)
  await end()
  expect(pace.running).toBe(0)
})

test('beside users it begins with few, and grows to the limit when they have left', async () => {
  await users.during(
    async () => undefined,
    () => false,
  )
  workFrom({ places: 1000, ms: 50 })
  await settle()
  expect(pace.limit).toBe(START_ITEMS)
  await clock.advance(USERS_AWAY_MS + 10 * TICK_MS)
  expect(pace.limit).toBe(ITEMS_MAX)
  expect(pace.running).toBe(ITEMS_MAX)
  await end()
})

test.each([
  { places: 16, serviceMs: 20, readsPerSecond: 50 },
  { places: 4, serviceMs: 20, readsPerSecond: 20 },
  { places: 16, serviceMs: 50, readsPerSecond: 5 },
  { places: 16, serviceMs: 20, readsPerSecond: 1 },
  { places: 16, serviceMs: 20, readsPerSecond: 400 },
])(
  'users of a store that jobs saturate wait less than twice as long as without: %j',
  async (load) => {
    const store = new QueueingStore(clock, load)
    let waits: number[] = []
    const read = async (into: number[]): Promise<void> => {
      const from = clock.monotonic()
      await users.during(
        () => store.serve(),
        () => true,
      )
      into.push(clock.monotonic() - from)
    }
    const readOn = async (): Promise<void> => {
      while (!stop.signal.aborted) {
        void read(waits)
        await clock.sleep(store.gap(1000 / load.readsPerSecond))
      }
    }
    void readOn()
    await clock.advance(20_000)
    const idle = waits
    let done = 0
    const work = async (): Promise<void> => {
      while (!stop.signal.aborted) {
        const giveBack = await pace.acquire(never)
        await store.serve()
        giveBack()
        done += 1
      }
    }
    for (let lane = 0; lane < 2 * ITEMS_MAX; lane++) void work()
    await clock.advance(5000)
    waits = []
    done = 0
    await clock.advance(40_000)
    expect(p99(waits)).toBeLessThan(2 * p99(idle))
    // And jobs have most of what users leave.
    const most = (load.places * 1000) / (1.3 * load.serviceMs) - load.readsPerSecond
    expect(done / 40).toBeGreaterThan(most / 2)
    await end()
  },
)

function p99(waits: readonly number[]): number {
  const sorted = waits.toSorted((first, second) => first - second)
  return sorted[Math.floor((sorted.length - 1) * 0.99)] ?? 0
}

test('users who come while jobs run at the limit have the store within half a second', async () => {
  const store = { places: 16, ms: 50 }
  workFrom(store)
  await clock.advance(5000)
  expect(pace.limit).toBe(ITEMS_MAX)
  readFrom(store, 20)
  await clock.advance(500)
  expect(pace.limit).toBe(1)
  await clock.advance(3000)
  expect(pace.usualWaitMs).toBeLessThan(1.5 * store.ms)
  await end()
})

test('it gives way while the event loop has no time left, if users are there', async () => {
  workFrom({ places: 1000, ms: 50 })
  busyShare = 0.95
  await clock.advance(5000)
  expect(pace.limit).toBe(ITEMS_MAX)
  readFrom({ places: 1000, ms: 50 }, 20)
  await clock.advance(10_000)
  expect(pace.limit).toBe(1)
  await end()
})

test('it never falls below one item, whatever users wait', async () => {
  const store = { places: 0.001, ms: 50 }
  readFrom(store, 20)
  workFrom({ places: 1000, ms: 50 })
  await clock.advance(20_000)
  expect(pace.limit).toBeGreaterThanOrEqual(1)
  expect(pace.running).toBeGreaterThanOrEqual(1)
  await end()
})

test('places go in the order of asking, and who leaves the queue leaves no gap', async () => {
  const small = new JobPace({ clock, users, itemsMax: 1, loopBusyShare: () => 0 })
  const first = await small.acquire(never)
  const order: string[] = []
  const leaver = new AbortController()
  const left = small.acquire(leaver.signal)
  const second = small.acquire(never).then((giveBack) => {
    order.push('second')
    giveBack()
  })
  const third = small.acquire(never).then((giveBack) => {
    order.push('third')
    giveBack()
  })
  const reason = new Error('left')
  leaver.abort(reason)
  await expect(left).rejects.toBe(reason)
  expect(order).toEqual([])
  first()
  await Promise.all([second, third])
  expect(order).toEqual(['second', 'third'])
  expect(small.running).toBe(0)
  await clock.advance(TICK_MS)
})
