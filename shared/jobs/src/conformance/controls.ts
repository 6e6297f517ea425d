import assert from 'node:assert/strict'
import type { JobEngine } from '../engine.ts'
import type { JobRecord } from '../job.ts'
import type { JobStore, Scenario } from './case.ts'
import { ended, Gate, keyOf, ORDER, refused, startNode, told, until, World } from './world.ts'

/** How long nothing may happen, milliseconds. */
const STILL_MS = 3000

/** A job whose second page stands still in the middle, at a gate. */
async function halfDone(store: JobStore): Promise<{
  readonly world: World
  readonly gate: Gate
  readonly engine: JobEngine
  readonly job: JobRecord
}> {
  const world = new World(store.clock, { items: 100, step: 10, pagesAtOnce: 1 })
  const gate = new Gate()
  world.onItem = async ({ key }, { lease }) => {
    if (key === keyOf(15)) await gate.pass(lease.signal)
  }
  const { engine } = await startNode(store, world)
  const job = await engine.submit(ORDER)
  await until(store, 'the gate', () => gate.waiting === 1)
  await until(store, 'the whole list', async () => (await told(engine, job.id)).listing.complete)
  return { world, gate, engine, job }
}

/** Waits until the last saving of the page that was broken off is told of. */
function halfIsTold(store: JobStore, engine: JobEngine, id: string): Promise<void> {
  return until(store, 'what was settled', async () => (await told(engine, id)).counters.done === 15)
}

/** Pause, resume, abort, retry and remove. */
export const CONTROL_SCENARIOS: readonly Scenario[] = [
  {
    title: 'a job that is paused beside its last step stays paused, and ends when it goes on',
    async play(store) {
      const world = new World(store.clock, { items: 5, step: 5 })
      const { engine } = await startNode(store, world)
      let pausing: Promise<JobRecord | undefined> | undefined
      // The pause is on its way when the step has come back, and is told of after it.
      world.onEnd = ({ id }) => {
        // Refused where the end comes first, maybe before anybody waits for it.
        pausing ??= engine.pause(id).catch(() => undefined)
      }
      const { id } = await engine.submit(ORDER)
      await until(store, 'the last step', () => pausing !== undefined)
      const answered = await pausing
      await store.pass(STILL_MS)
      const { state } = await told(engine, id)
      // Where the end was first there was nothing to pause, and the pause said so.
      assert.equal(state, answered === undefined ? 'finished' : 'paused')
      if (answered === undefined) return
      assert.equal(answered.state, 'paused')
      await engine.resume(id)
      assert.equal((await ended(store, engine, id)).state, 'finished')
    },
  },
  {
    title: 'a paused job stops in the middle of a page, and goes on there without listing again',
    async play(store) {
      const { world, gate, engine, job } = await halfDone(store)
      const paused = await engine.pause(job.id)
      assert.equal(paused.state, 'paused')
      await until(store, 'nobody at the gate', () => gate.waiting === 0)
      const lease = world.leases.at(-1)
      assert.ok(lease?.signal.aborted)
      assert.throws(() => lease?.check())
      const before = world.effects.size
      gate.open()
      await store.pass(STILL_MS)
      assert.equal(world.effects.size, before)
      assert.equal((await told(engine, job.id)).state, 'paused')
      await halfIsTold(store, engine, job.id)
      assert.equal((await engine.resume(job.id)).state, 'running')
      assert.equal((await ended(store, engine, job.id)).counters.done, 100)
      assert.equal(world.steps.length, 10)
      assert.ok(world.effectsOf(job.id).every((count) => count === 1))
    },
  },
  {
    title: 'a job that is paused before it began is queued again when it goes on',
    async play(store) {
      const { engine } = await store.open('node-a')
      const { id } = await engine.submit(ORDER)
      assert.equal((await engine.pause(id)).state, 'paused')
      assert.equal((await engine.pause(id)).state, 'paused')
      assert.equal((await engine.resume(id)).state, 'queued')
      assert.equal((await engine.resume(id)).state, 'queued')
    },
  },
  {
    title: 'a job that was paused stays so over a kill',
    async play(store) {
      const world = new World(store.clock)
      const node = await startNode(store, world)
      const gate = new Gate()
      world.onItem = async (_item, { lease }) => {
        await gate.pass(lease.signal)
      }
      const { id } = await node.engine.submit(ORDER)
      await until(store, 'the gate', () => gate.waiting === 1)
      await node.engine.pause(id)
      await node.kill()
      const { engine } = await startNode(store, world)
      await store.pass(STILL_MS)
      assert.equal((await told(engine, id)).state, 'paused')
      gate.open()
      await engine.resume(id)
      assert.equal((await ended(store, engine, id)).state, 'finished')
    },
  },
  {
    title: 'nothing of a job is begun after its abort, and its counts stay',
    async play(store) {
      const { world, gate, engine, job } = await halfDone(store)
      const aborted = await engine.abort(job.id, 'the user said so')
      assert.deepEqual([aborted.state, aborted.error], ['aborted', 'the user said so'])
      assert.ok(aborted.endedMs !== undefined)
      assert.throws(() => world.leases.at(-1)?.check())
      const effects = world.effects.size
      const deliveries = world.deliveries.length
      gate.open()
      await store.pass(STILL_MS)
      assert.deepEqual([world.effects.size, world.deliveries.length], [effects, deliveries])
      await halfIsTold(store, engine, job.id)
      assert.equal((await told(engine, job.id)).state, 'aborted')
      assert.equal((await engine.abort(job.id, 'once more')).error, 'the user said so')
    },
  },
  {
    title: 'a retry of an aborted job does what was not done, and nothing twice',
    async play(store) {
      const { world, gate, engine, job } = await halfDone(store)
      await engine.abort(job.id, 'enough')
      await until(store, 'nobody at the gate', () => gate.waiting === 0)
      await halfIsTold(store, engine, job.id)
      gate.open()
      await engine.retry(job.id)
      const done = await ended(store, engine, job.id)
      assert.deepEqual([done.state, done.counters.done, done.error], ['finished', 100, undefined])
      assert.ok(world.effectsOf(job.id).every((count) => count === 1))
      assert.equal(world.steps.length, 10)
    },
  },
  {
    title: 'a retry of a job that was aborted while it was listed lists the rest',
    async play(store) {
      const world = new World(store.clock, { items: 100, step: 10 })
      const gate = new Gate()
      world.onList = async ({ cursor, lease }) => {
        if (cursor === '50') await gate.pass(lease.signal)
      }
      const { engine } = await startNode(store, world)
      const { id } = await engine.submit(ORDER)
      await until(store, 'half of the list', async () => {
        return gate.waiting === 1 && (await told(engine, id)).counters.done === 50
      })
      await engine.abort(id, 'enough')
      gate.open()
      await until(store, 'nobody at the gate', () => gate.waiting === 0)
      await engine.retry(id)
      const job = await ended(store, engine, id)
      assert.deepEqual([job.state, job.counters.done, job.listing.items], ['finished', 100, 100])
      assert.ok(world.effectsOf(id).every((count) => count === 1))
      assert.equal(world.steps.filter(({ first }) => first < 50).length, 5)
    },
  },
  {
    title: 'what has ended cannot be paused, resumed or, when it is finished, retried',
    async play(store) {
      const { engine } = await startNode(store, new World(store.clock))
      const { id } = await engine.submit(ORDER)
      await ended(store, engine, id)
      await refused(engine.pause(id), 'job-state-invalid')
      await refused(engine.resume(id), 'job-state-invalid')
      await refused(engine.retry(id), 'job-state-invalid')
      assert.equal((await engine.abort(id, 'late')).state, 'finished')
      const aborted = await engine.submit(ORDER)
      await engine.abort(aborted.id, 'enough')
      await refused(engine.pause(aborted.id), 'job-state-invalid')
      await refused(engine.resume(aborted.id), 'job-state-invalid')
    },
  },
  {
    title: 'only a job that has ended is forgotten, with its failures; its id may come again',
    async play(store) {
      const world = new World(store.clock)
      world.onItem = () => 'failed'
      const { engine } = await startNode(store, world)
      const gate = new Gate()
      world.onList = ({ lease }) => gate.pass(lease.signal)
      const { id } = await engine.submit({ ...ORDER, id: 'one' })
      await refused(engine.remove(id), 'job-state-invalid')
      await refused(engine.retry(id), 'job-state-invalid')
      await engine.pause(id)
      await refused(engine.remove(id), 'job-state-invalid')
      gate.open()
      await engine.resume(id)
      await ended(store, engine, id)
      await engine.remove(id)
      assert.equal(await engine.get(id), undefined)
      assert.deepEqual(await engine.list({}), [])
      await refused(engine.failures(id, { max: 1 }), 'job-not-found')
      world.onItem = () => 'done'
      await engine.submit({ ...ORDER, id: 'one', description: 'again' })
      const job = await ended(store, engine, 'one')
      assert.deepEqual([job.description, job.state, job.attempt], ['again', 'finished', 1])
      assert.deepEqual((await engine.failures(id, { max: 1 })).failures, [])
    },
  },
  {
    title: 'a lease is over when its work has come back',
    async play(store) {
      const world = new World(store.clock, { items: 3, step: 1 })
      const { engine } = await startNode(store, world)
      const { id } = await engine.submit(ORDER)
      await ended(store, engine, id)
      assert.equal(world.leases.length, 6)
      for (const lease of world.leases) assert.throws(() => lease.check())
    },
  },
  {
    title: 'an engine that is closed ends its leases, keeps its place, and answers no more',
    async play(store) {
      const { world, gate, engine, job } = await halfDone(store)
      await engine.close()
      assert.throws(() => world.leases.at(-1)?.check())
      gate.open()
      await refused(engine.submit(ORDER), 'job-engine-unavailable')
      await refused(engine.list({}), 'job-engine-unavailable')
      const next = await startNode(store, world)
      const done = await ended(store, next.engine, job.id)
      assert.deepEqual([done.state, done.counters.done], ['finished', 100])
      assert.ok(world.effectsOf(job.id).every((count) => count === 1))
      assert.equal(world.steps.length, 10)
    },
  },
]
