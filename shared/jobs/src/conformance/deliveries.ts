import assert from 'node:assert/strict'
import { Failure } from '@forebay/base/failure'
import { type JobWorker, PAGE_ATTEMPTS_MAX, PAGES_AHEAD_MAX } from '../engine.ts'
import type { PageOutcome } from '../job.ts'
import { NOTHING_SETTLED } from '../outcome.ts'
import type { Scenario } from './case.ts'
import { allFailures, ended, Gate, itemsOf, ORDER, startNode, told, until, World } from './world.ts'

/** How work is handed out. */
export const DELIVERY_SCENARIOS: readonly Scenario[] = [
  {
    title: 'a job is listed by one at a time, and no more pages are worked on than asked for',
    async play(store) {
      const world = new World(store.clock, { items: 60, step: 2, pagesAtOnce: 3 })
      world.onList = () => store.clock.sleep(20)
      world.onItem = async () => {
        await store.clock.sleep(20)
      }
      const { engine } = await startNode(store, world)
      const jobs = await Promise.all([1, 2].map(() => engine.submit(ORDER)))
      for (const { id } of jobs) assert.equal((await ended(store, engine, id)).state, 'finished')
      assert.equal(world.listersMax, 1)
      assert.equal(world.deliveriesMax, 3)
    },
  },
  {
    title: 'two nodes list a job one at a time, and do every page once',
    engines: 2,
    async play(store) {
      const world = new World(store.clock, {
        items: 120,
        step: 4,
        page: 2,
        owners: ['node-a', 'node-b'],
      })
      world.onList = () => store.clock.sleep(10)
      const { engine } = await startNode(store, world, 'node-a')
      const other = await startNode(store, world, 'node-b')
      const { id } = await engine.submit(ORDER)
      const job = await ended(store, engine, id)
      assert.deepEqual([job.state, job.counters.done], ['finished', 120])
      assert.deepEqual((await told(other.engine, id)).counters, job.counters)
      assert.equal(world.listersMax, 1)
      assert.equal(world.steps.length, 30)
      assert.deepEqual(world.misdirected, [])
      assert.ok(world.effectsOf(id).every((count) => count === 1))
    },
  },
  {
    title: `the list waits while ${PAGES_AHEAD_MAX} pages of an owner are not done`,
    async play(store) {
      const world = new World(store.clock, { items: 40, step: 1 })
      const gate = new Gate()
      world.onItem = async (_item, { lease }) => {
        await gate.pass(lease.signal)
      }
      const { engine } = await startNode(store, world)
      const { id } = await engine.submit(ORDER)
      await until(store, 'all pages ahead', () => world.steps.length === PAGES_AHEAD_MAX)
      await store.pass(500)
      assert.equal(world.steps.length, PAGES_AHEAD_MAX)
      gate.open()
      assert.equal((await ended(store, engine, id)).counters.done, 40)
      assert.equal(world.steps.length, 40)
    },
  },
  {
    title: 'a page that throws comes again, for what it had not settled',
    async play(store) {
      const world = new World(store.clock, { items: 10 })
      let throws = 0
      world.onItem = ({ key }) => {
        if (key === 'k000006' && throws++ < 2) throw new Failure('backend-unreachable', 'away')
        return key === 'k000002' ? 'failed' : 'done'
      }
      const { engine } = await startNode(store, world)
      const { id } = await engine.submit(ORDER)
      const job = await ended(store, engine, id)
      assert.deepEqual([job.counters.done, job.counters.failed], [9, 1])
      assert.equal(world.deliveries.length, 3)
      const { saved } = world.deliveries[1] ?? {}
      assert.deepEqual(saved?.settled, [0, 1, 2, 3, 4, 5])
      assert.deepEqual(
        saved?.failures.map(({ key }) => key),
        ['k000002'],
      )
      assert.ok(world.effectsOf(id).every((count) => count === 1))
    },
  },
  {
    title: `a page that throws ${PAGE_ATTEMPTS_MAX} times has failed with the items it did not settle`,
    async play(store) {
      const world = new World(store.clock, { items: 30, step: 10 })
      world.onItem = ({ key }) => {
        if (key >= 'k000014' && key < 'k000020') throw new Failure('backend-unreachable', 'away')
        return 'done'
      }
      const { engine } = await startNode(store, world)
      const { id } = await engine.submit(ORDER)
      const job = await ended(store, engine, id)
      assert.equal(job.state, 'failed')
      assert.deepEqual([job.counters.done, job.counters.failed], [24, 6])
      const ofSecond = world.deliveries.filter(({ page }) => page.number === 1)
      assert.equal(ofSecond.length, PAGE_ATTEMPTS_MAX)
      const failures = await allFailures(engine, id)
      assert.deepEqual(
        failures.map(({ key, code, message }) => [key, code, message]),
        [4, 5, 6, 7, 8, 9].map((at) => [`k00001${at}`, 'backend-unreachable', 'away']),
      )
    },
  },
  {
    title: 'what is thrown and is no failure of the catalogue tells users nothing of its text',
    async play(store) {
      const world = new World(store.clock, { items: 1 })
      world.onList = () => {
        throw new Error('token=secret')
      }
      const { engine } = await startNode(store, world)
      const { id } = await engine.submit(ORDER)
      const job = await ended(store, engine, id)
      assert.equal(job.state, 'failed')
      assert.ok(job.error !== undefined && !job.error.includes('secret'))
    },
  },
  {
    title: 'a step of a list that fails for the moment is tried again from its cursor',
    async play(store) {
      const world = new World(store.clock, { items: 30, step: 10 })
      let throws = 0
      world.onList = ({ cursor }) => {
        if (cursor === '10' && throws++ < 2) throw new Failure('backend-timeout', 'slow')
      }
      const { engine } = await startNode(store, world)
      const { id } = await engine.submit(ORDER)
      assert.equal((await ended(store, engine, id)).state, 'finished')
      assert.deepEqual(
        world.steps.map(({ first }) => first),
        [0, 10, 10, 10, 20],
      )
      assert.ok(world.effectsOf(id).every((count) => count === 1))
    },
  },
  {
    title: 'a list that fails for good ends the job with its message; pages that were found stay',
    async play(store) {
      const world = new World(store.clock, { items: 30, step: 10 })
      let isDenied = true
      world.onList = ({ cursor }) => {
        if (cursor === '20' && isDenied) throw new Failure('backend-denied', 'the store says no')
      }
      const { engine } = await startNode(store, world)
      const { id } = await engine.submit(ORDER)
      const failed = await ended(store, engine, id)
      assert.deepEqual([failed.state, failed.error], ['failed', 'the store says no'])
      assert.equal(failed.listing.complete, false)
      isDenied = false
      await engine.retry(id)
      const job = await ended(store, engine, id)
      assert.deepEqual([job.state, job.counters.done, job.attempt], ['finished', 30, 2])
      assert.deepEqual(
        world.steps.map(({ first }) => first),
        [0, 10, 20, 20],
      )
      assert.ok(world.effectsOf(id).every((count) => count >= 1))
    },
  },
  {
    title: `a list that fails for the moment ${PAGE_ATTEMPTS_MAX} times in a row ends the job`,
    async play(store) {
      const world = new World(store.clock)
      world.onList = () => {
        throw new Failure('backend-unreachable', 'nobody there')
      }
      const { engine } = await startNode(store, world)
      const { id } = await engine.submit(ORDER)
      const job = await ended(store, engine, id)
      assert.deepEqual([job.state, job.error], ['failed', 'nobody there'])
      assert.equal(world.steps.length, PAGE_ATTEMPTS_MAX)
    },
  },
  {
    title: 'an end that fails for the moment is tried again; one that fails for good fails the job',
    async play(store) {
      const world = new World(store.clock)
      let ends = 0
      world.onEnd = () => {
        ends += 1
        if (ends === 1) throw new Failure('backend-timeout', 'slow')
        if (ends === 3) throw new Failure('backend-denied', 'no')
      }
      const { engine } = await startNode(store, world)
      const first = await engine.submit(ORDER)
      assert.equal((await ended(store, engine, first.id)).state, 'finished')
      assert.equal(ends, 2)
      const second = await engine.submit(ORDER)
      const job = await ended(store, engine, second.id)
      assert.deepEqual([job.state, job.error, job.counters.done], ['failed', 'no', 10])
    },
  },
  {
    title: 'a small job that comes later does not wait for the end of a large one',
    async play(store) {
      const world = new World(store.clock, { items: 60, step: 2, pagesAtOnce: 1 })
      world.onItem = async (_item, { lease }) => {
        await store.clock.sleep(20, lease.signal)
      }
      const { engine } = await startNode(store, world)
      const large = await engine.submit(ORDER)
      await until(store, 'the large one is at work', () => world.deliveries.length > 2)
      const small = await engine.submit({ ...ORDER, kind: 'evict' })
      await until(store, 'the small one is at work', () =>
        world.deliveries.some(({ page }) => page.jobId === small.id),
      )
      assert.equal((await told(engine, large.id)).state, 'running')
    },
  },
  {
    title: 'pages of high priority come before normal ones, and those before low ones',
    async play(store) {
      const world = new World(store.clock, { items: 1, pagesAtOnce: 1 })
      const gate = new Gate()
      world.onItem = async (_item, { lease }) => {
        await gate.pass(lease.signal)
      }
      const { engine } = await startNode(store, world)
      await engine.submit({ ...ORDER, id: 'before' })
      await until(store, 'the place is taken', () => gate.waiting === 1)
      for (const priority of ['low', 'normal', 'high'] as const) {
        await engine.submit({ ...ORDER, id: priority, priority })
        await until(
          store,
          'it is listed',
          async () => (await told(engine, priority)).listing.complete,
        )
      }
      gate.open()
      await ended(store, engine, 'low')
      assert.deepEqual(
        world.deliveries.map(({ page }) => page.jobId),
        ['before', 'high', 'normal', 'low'],
      )
    },
  },
  {
    title: 'bytes under way are told of, come back with the next delivery, and are gone at the end',
    async play(store) {
      const saved: (PageOutcome | undefined)[] = []
      const gate = new Gate()
      const whole = { settled: [0], done: 1, skipped: 0, bytes: 1000, failures: [] }
      const worker: JobWorker = {
        owner: 'node-a',
        pagesAtOnce: 1,
        list: async () => ({
          pages: [{ owner: 'node-a', items: itemsOf(0, 1) }],
          cursor: undefined,
        }),
        apply: async (delivery) => {
          saved.push(delivery.saved)
          delivery.save({ ...NOTHING_SETTLED, bytes: 700, underWayBytes: 700 })
          await gate.pass(delivery.lease.signal)
          if (saved.length === 1) throw new Failure('backend-unreachable', 'away')
          return whole
        },
        end: async () => undefined,
      }
      const { engine } = await store.open('node-a')
      await engine.work(worker)
      const { id } = await engine.submit(ORDER)
      const bytes = async (): Promise<number> => (await told(engine, id)).counters.bytes
      await until(store, 'bytes of an item that goes on', async () => (await bytes()) === 700)
      gate.open()
      const job = await ended(store, engine, id)
      assert.deepEqual(job.counters, { done: 1, skipped: 0, failed: 0, bytes: 1000 })
      assert.deepEqual(
        saved.map((outcome) => outcome?.underWayBytes),
        [undefined, 700],
      )
    },
  },
  {
    title: 'bytes that were under way are not told of a page that was given up',
    async play(store) {
      const world = new World(store.clock, { items: 1 })
      const { worker } = world.worker('node-a')
      const { engine } = await store.open('node-a')
      await engine.work({
        ...worker,
        apply: async ({ save }) => {
          save({ ...NOTHING_SETTLED, bytes: 700, underWayBytes: 700 })
          throw new Failure('backend-unreachable', 'away')
        },
      })
      const { id } = await engine.submit(ORDER)
      const job = await ended(store, engine, id)
      assert.deepEqual(job.counters, { done: 0, skipped: 0, failed: 1, bytes: 0 })
    },
  },
  {
    title: 'bytes that were under way at a kill are counted once when the job is retried',
    async play(store) {
      const world = new World(store.clock, { items: 1 })
      const { worker } = world.worker('node-a')
      const saving: JobWorker = {
        ...worker,
        apply: async ({ save, lease }) => {
          save({ ...NOTHING_SETTLED, bytes: 700, underWayBytes: 700 })
          await new Gate().pass(lease.signal)
          return NOTHING_SETTLED
        },
      }
      const opened = await store.open('node-a')
      await opened.engine.work(saving)
      const { id } = await opened.engine.submit(ORDER)
      await until(store, 'bytes of an item that goes on', async () => {
        return (await told(opened.engine, id)).counters.bytes === 700
      })
      await opened.kill()
      const { engine } = await store.open('node-a')
      await engine.abort(id, 'enough')
      await engine.retry(id)
      assert.equal((await told(engine, id)).counters.bytes, 0)
      const whole = { settled: [0], done: 1, skipped: 0, bytes: 1000, failures: [] }
      await engine.work({ ...worker, apply: async () => whole })
      const job = await ended(store, engine, id)
      assert.deepEqual(job.counters, { done: 1, skipped: 0, failed: 0, bytes: 1000 })
    },
  },
]
