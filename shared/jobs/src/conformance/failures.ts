import assert from 'node:assert/strict'
import type { JobItem } from '../job.ts'
import type { Scenario } from './case.ts'
import { allFailures, ended, keyOf, ORDER, REFUSED, refused, startNode, World } from './world.ts'

/** Every 20th item, so 500 of 10,000. */
function isRotten({ key }: JobItem): boolean {
  return Number(key.slice(1)) % 20 === 7
}

/** Items that are not done, and what becomes of them. */
export const FAILURE_SCENARIOS: readonly Scenario[] = [
  {
    title: '500 of 10,000 items that fail are 500 failures, in the order of the list',
    async play(store) {
      const world = new World(store.clock, { items: 10_000, step: 1000 })
      world.onItem = (item) => (isRotten(item) ? 'failed' : 'done')
      const { engine } = await startNode(store, world)
      const { id } = await engine.submit(ORDER)
      const job = await ended(store, engine, id)
      assert.deepEqual([job.state, job.counters.done, job.counters.failed], ['failed', 9500, 500])
      assert.match(job.error ?? '', /\b500 items failed/)
      const failures = await allFailures(engine, id, 64)
      const keys = Array.from({ length: 500 }, (_, at) => keyOf(at * 20 + 7))
      assert.deepEqual(
        failures.map(({ key }) => key),
        keys,
      )
      const [first] = failures
      assert.deepEqual([first?.code, first?.message], [REFUSED.code, REFUSED.message])
      assert.deepEqual(
        { ...first?.item },
        {
          key: keyOf(7),
          version: { etag: '"7"', lastModifiedMs: 1000 },
          sizeBytes: 3,
        },
      )
    },
  },
  {
    title: 'a retry takes up what failed, and that alone',
    async play(store) {
      const world = new World(store.clock, { items: 10_000, step: 1000 })
      world.onItem = (item) => (isRotten(item) ? 'failed' : 'done')
      const { engine } = await startNode(store, world)
      const { id } = await engine.submit(ORDER)
      const failed = await ended(store, engine, id)
      world.onItem = () => 'done'
      const steps = world.steps.length
      const again = await engine.retry(id)
      assert.equal(again.attempt, 2)
      const job = await ended(store, engine, id)
      assert.deepEqual([job.state, job.error], ['finished', undefined])
      assert.deepEqual([job.counters.done, job.counters.failed], [10_000, 0])
      assert.deepEqual([job.listing, job.startedMs], [failed.listing, failed.startedMs])
      assert.equal(world.steps.length, steps)
      const twice = world.effectsOf(id).flatMap((count, at) => (count === 2 ? at : []))
      assert.deepEqual(
        twice,
        Array.from({ length: 500 }, (_, at) => at * 20 + 7),
      )
      assert.deepEqual(await allFailures(engine, id), [])
    },
  },
  {
    title: 'what fails again is told of again, once',
    async play(store) {
      const world = new World(store.clock, { items: 60, step: 20 })
      world.onItem = (item) => (Number(item.key.slice(1)) % 4 === 1 ? 'failed' : 'done')
      const { engine } = await startNode(store, world)
      const { id } = await engine.submit(ORDER)
      await ended(store, engine, id)
      world.onItem = ({ key }) => (key > keyOf(30) ? 'failed' : 'done')
      await engine.retry(id)
      const job = await ended(store, engine, id)
      assert.equal(job.state, 'failed')
      assert.deepEqual([job.counters.done, job.counters.failed], [53, 7])
      assert.deepEqual(
        (await allFailures(engine, id, 3)).map(({ key }) => key),
        [33, 37, 41, 45, 49, 53, 57].map(keyOf),
      )
    },
  },
  {
    title: 'a job ends when more items failed than its limit allows, and a retry does the rest',
    async play(store) {
      const world = new World(store.clock, { items: 300, step: 1, pagesAtOnce: 1 })
      world.onItem = () => 'failed'
      const { engine } = await startNode(store, world)
      const { id } = await engine.submit({ ...ORDER, limits: { failuresMax: 5 } })
      const failed = await ended(store, engine, id)
      assert.deepEqual([failed.state, failed.error], ['failed', 'more than 5 items failed'])
      assert.ok(failed.counters.failed >= 6 && failed.counters.failed < 30)
      world.onItem = () => 'done'
      await engine.retry(id)
      const job = await ended(store, engine, id)
      assert.deepEqual([job.state, job.counters.done, job.counters.failed], ['finished', 300, 0])
    },
  },
  {
    title:
      'a page tells that no other would fare better: the job ends with its words, and can be retried',
    async play(store) {
      const world = new World(store.clock, { items: 300, step: 1, pagesAtOnce: 1 })
      world.onItem = () => 'failed'
      world.endsJob = 'there is no room'
      const { engine } = await startNode(store, world)
      const { id } = await engine.submit(ORDER)
      const failed = await ended(store, engine, id)
      assert.deepEqual([failed.state, failed.error], ['failed', 'there is no room'])
      assert.ok(failed.counters.failed >= 1 && failed.counters.failed < 30)
      world.onItem = () => 'done'
      world.endsJob = undefined
      await engine.retry(id)
      const job = await ended(store, engine, id)
      assert.deepEqual([job.state, job.counters.done, job.counters.failed], ['finished', 300, 0])
    },
  },
  {
    title: 'as many failures as the limit allows do not end the job early',
    async play(store) {
      const world = new World(store.clock, { items: 40, step: 10 })
      world.onItem = ({ key }) => (key < keyOf(5) ? 'failed' : 'done')
      const { engine } = await startNode(store, world)
      const { id } = await engine.submit({ ...ORDER, limits: { failuresMax: 5 } })
      const job = await ended(store, engine, id)
      assert.deepEqual([job.counters.done, job.counters.failed], [35, 5])
      assert.equal(job.error, '5 items failed')
    },
  },
  {
    title: 'failures go on only from where an answer ended',
    async play(store) {
      const world = new World(store.clock, { items: 4 })
      world.onItem = () => 'failed'
      const { engine } = await startNode(store, world)
      const { id } = await engine.submit(ORDER)
      await ended(store, engine, id)
      const whole = await engine.failures(id, { max: 4 })
      assert.deepEqual([whole.failures.length, whole.next], [4, undefined])
      const part = await engine.failures(id, { max: 3 })
      assert.equal(part.failures.length, 3)
      const rest = await engine.failures(id, { after: part.next, max: 3 })
      assert.deepEqual([rest.failures.map(({ key }) => key), rest.next], [[keyOf(3)], undefined])
      await refused(engine.failures(id, { after: 'nowhere!', max: 3 }), 'argument-invalid')
    },
  },
]
