import assert from 'node:assert/strict'
import { HISTORY_MAX } from '../engine.ts'
import type { Scenario } from './case.ts'
import { ended, Gate, ITEM_BYTES, ORDER, refused, startNode, told, until, World } from './world.ts'

/** What is submitted, told of and forgotten. */
export const ORDER_SCENARIOS: readonly Scenario[] = [
  {
    title: 'a submitted job is told of with its order, queued until somebody works',
    async play(store) {
      const { engine } = await store.open('node-a')
      const before = store.clock.now()
      const { id } = await engine.submit(ORDER)
      const { createdMs, ...job } = await told(engine, id)
      assert.deepEqual(withoutAbsent(job), {
        ...ORDER,
        id,
        priority: 'normal',
        state: 'queued',
        attempt: 1,
        listing: { items: 0, bytes: 0, pages: 0, complete: false },
        counters: { done: 0, skipped: 0, failed: 0, bytes: 0 },
      })
      assert.ok(createdMs >= before && createdMs <= store.clock.now())
      assert.match(id, /^[A-Za-z0-9_-]{1,64}$/)
    },
  },
  {
    title: 'a second order of the same id is the first job',
    async play(store) {
      const { engine } = await store.open('node-a')
      const orders = ['first', 'second', 'third'].map((description) =>
        engine.submit({ ...ORDER, id: 'one', description }),
      )
      const jobs = await Promise.all(orders)
      assert.equal(new Set(jobs.map(({ description }) => description)).size, 1)
      assert.equal((await engine.list({})).length, 1)
    },
  },
  {
    title: 'an id that is none is refused',
    async play(store) {
      const { engine } = await store.open('node-a')
      for (const id of ['', 'a b', 'a/b', 'a:b', 'ä', 'x'.repeat(65)]) {
        await refused(engine.submit({ ...ORDER, id }), 'argument-invalid')
      }
      assert.equal((await engine.submit({ ...ORDER, id: 'x'.repeat(64) })).id.length, 64)
    },
  },
  {
    title: 'what was submitted is there after a kill, and is done then',
    async play(store) {
      const world = new World(store.clock)
      const opened = await store.open('node-a')
      const { id } = await opened.engine.submit(ORDER)
      await opened.kill()
      const { engine } = await startNode(store, world)
      assert.equal((await ended(store, engine, id)).state, 'finished')
    },
  },
  {
    title: 'a job lists once, does every item once, and is finished',
    async play(store) {
      const world = new World(store.clock, { items: 2500, step: 1000 })
      const { engine } = await startNode(store, world)
      const { id } = await engine.submit(ORDER)
      const job = await ended(store, engine, id)
      assert.equal(job.state, 'finished')
      assert.equal(job.error, undefined)
      assert.deepEqual(job.result, { items: 2500 })
      const bytes = 2500 * ITEM_BYTES
      assert.deepEqual(job.listing, { items: 2500, bytes, pages: 3, complete: true })
      assert.deepEqual(job.counters, { done: 2500, skipped: 0, failed: 0, bytes })
      assert.ok(job.createdMs <= (job.startedMs ?? 0) && (job.startedMs ?? 0) <= (job.endedMs ?? 0))
      assert.deepEqual(
        world.steps.map(({ first }) => first),
        [0, 1000, 2000],
      )
      assert.ok(world.effectsOf(id).every((count) => count === 1))
      assert.equal(world.deliveries.length, 3)
      assert.deepEqual(await engine.failures(id, { max: 10 }), { failures: [], next: undefined })
    },
  },
  {
    title: 'a job that finds nothing is finished, with its last step',
    async play(store) {
      const world = new World(store.clock, { items: 0 })
      const { engine } = await startNode(store, world)
      const { id } = await engine.submit(ORDER)
      const job = await ended(store, engine, id)
      assert.deepEqual([job.state, job.result], ['finished', { items: 0 }])
      assert.deepEqual(job.listing, { items: 0, bytes: 0, pages: 0, complete: true })
    },
  },
  {
    title: 'items that needed nothing are counted by themselves, without bytes',
    async play(store) {
      const world = new World(store.clock, { items: 10 })
      world.onItem = ({ key }) => (key < 'k000004' ? 'skipped' : 'done')
      const { engine } = await startNode(store, world)
      const { id } = await engine.submit(ORDER)
      const { counters, state } = await ended(store, engine, id)
      assert.equal(state, 'finished')
      assert.deepEqual(counters, { done: 6, skipped: 4, failed: 0, bytes: 6 * ITEM_BYTES })
    },
  },
  {
    title: 'the end comes after every page, and sees the counts',
    async play(store) {
      const world = new World(store.clock, { items: 40, step: 10 })
      const seen: number[] = []
      world.onEnd = ({ counters }) => void seen.push(counters.done + counters.failed)
      world.onItem = ({ key }) => (key === 'k000021' ? 'failed' : 'done')
      const { engine } = await startNode(store, world)
      const { id } = await engine.submit(ORDER)
      await ended(store, engine, id)
      assert.deepEqual(seen, [40])
    },
  },
  {
    title: 'counters tell of pages under way',
    async play(store) {
      const world = new World(store.clock, { items: 10 })
      const gate = new Gate()
      world.onItem = async ({ key }, { lease }) => {
        if (key === 'k000004') await gate.pass(lease.signal)
      }
      const { engine } = await startNode(store, world)
      const { id } = await engine.submit(ORDER)
      await until(store, 'four items', async () => (await told(engine, id)).counters.done === 4)
      assert.equal((await told(engine, id)).state, 'running')
      assert.equal((await engine.list({}))[0]?.counters.done, 4)
      gate.open()
      assert.equal((await ended(store, engine, id)).counters.done, 10)
    },
  },
  {
    title: 'jobs are listed newest first, by kind, state and bucket, and no more than asked for',
    async play(store) {
      const { engine } = await store.open('node-a')
      const names: (typeof ORDER.bucket & {})['name'][] = ['photos', 'films', 'photos', 'films']
      for (const [at, name] of names.entries()) {
        const bucket = { provider: 'aws', namespace: { uuid: '', name: '' }, name } as const
        const kind = at === 3 ? 'evict' : 'prefetch'
        await engine.submit({ ...ORDER, id: `job-${at}`, kind, bucket })
        await store.pass(5)
      }
      await engine.submit({ kind: 'cleanup', args: {}, id: 'job-4' })
      await engine.abort('job-2', 'enough')
      const ids = async (filter: Parameters<typeof engine.list>[0]): Promise<string> =>
        (await engine.list(filter)).map(({ id }) => id.slice(4)).join('')
      assert.equal(await ids({}), '43210')
      assert.equal(await ids({ max: 2 }), '43')
      const [, bare] = await engine.list({ withoutArgs: true })
      assert.deepEqual([bare?.id, bare?.args], ['job-3', {}])
      assert.equal(await ids({ kind: 'prefetch' }), '210')
      assert.equal(await ids({ states: ['aborted'] }), '2')
      assert.equal(await ids({ states: ['queued', 'running'] }), '4310')
      assert.equal(await ids({ bucket: 'aws://photos' }), '20')
      assert.equal(await ids({ bucket: 'aws://photos', states: ['queued'] }), '0')
      assert.equal(await ids({ bucket: 'aws://photos', states: ['queued'], kind: 'evict' }), '')
      assert.equal(await ids({ states: [] }), '')
    },
  },
  {
    title: 'a job that is not there is not told of, and cannot be changed',
    async play(store) {
      const { engine } = await store.open('node-a')
      assert.equal(await engine.get('nobody'), undefined)
      await refused(engine.pause('nobody'), 'job-not-found')
      await refused(engine.resume('nobody'), 'job-not-found')
      await refused(engine.abort('nobody', 'x'), 'job-not-found')
      await refused(engine.retry('nobody'), 'job-not-found')
      await refused(engine.remove('nobody'), 'job-not-found')
      await refused(engine.failures('nobody', { max: 1 }), 'job-not-found')
    },
  },
  {
    title: 'what changes is told to those who watch, until they end it',
    async play(store) {
      const { engine } = await startNode(store, new World(store.clock))
      const first = new Set<string>()
      const second = new Set<string>()
      const stop = engine.watch(({ id }) => void first.add(id))
      engine.watch(({ id }) => void second.add(id))
      const one = await engine.submit(ORDER)
      await until(store, 'both are told', () => first.has(one.id) && second.has(one.id))
      stop()
      await ended(store, engine, one.id)
      const other = await engine.submit(ORDER)
      await until(store, 'the other one is told', () => second.has(other.id))
      assert.ok(!first.has(other.id))
    },
  },
  {
    title: `of the jobs that ended the last ${HISTORY_MAX} are told of, and all that have not ended`,
    async play(store) {
      const { engine } = await store.open('node-a')
      await engine.submit({ ...ORDER, id: 'going' })
      for (let at = 0; at < HISTORY_MAX + 20; at += 20) {
        const ids = Array.from({ length: 20 }, (_, more) => `job-${at + more}`)
        await Promise.all(ids.map((id) => engine.submit({ ...ORDER, id })))
        await Promise.all(ids.map((id) => engine.abort(id, 'enough')))
        await store.pass(1)
      }
      const last = `job-${HISTORY_MAX + 19}`
      await until(store, 'the first are forgotten', async () => {
        const first = await Promise.all(
          Array.from({ length: 20 }, (_, at) => engine.get(`job-${at}`)),
        )
        return first.every((job) => job === undefined)
      })
      assert.equal((await engine.list({ states: ['aborted'], max: 1000 })).length, HISTORY_MAX)
      assert.equal((await told(engine, last)).state, 'aborted')
      assert.equal((await told(engine, 'going')).state, 'queued')
    },
  },
]

/** Properties that are there; `undefined` means absent. */
function withoutAbsent(job: object): object {
  return Object.fromEntries(Object.entries(job).filter(([, value]) => value !== undefined))
}
