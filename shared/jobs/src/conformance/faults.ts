import assert from 'node:assert/strict'
import type { Scenario } from './case.ts'
import { ended, Gate, keyOf, ORDER, startNode, told, until, World } from './world.ts'

/** What happens around it: kills, and a store that somebody wrote to. */
export const FAULT_SCENARIOS: readonly Scenario[] = [
  {
    title: 'after a kill a job goes on from its cursor, and a page from what it had saved',
    async play(store) {
      const world = new World(store.clock, { items: 400, step: 40, pagesAtOnce: 2 })
      world.onItem = async () => {
        await store.clock.sleep(100)
      }
      const node = await startNode(store, world)
      const { id } = await node.engine.submit(ORDER)
      await until(store, 'the middle of a page', async () => {
        return (await told(node.engine, id)).counters.done >= 95
      })
      await node.kill()
      const listed = world.steps.length
      const deliveries = world.deliveries.length
      world.onItem = () => 'done'
      const { engine } = await startNode(store, world)
      const job = await ended(store, engine, id)
      assert.deepEqual([job.state, job.counters.done, job.listing.items], ['finished', 400, 400])
      // The step that was under way may come again; no other.
      assert.ok(world.steps.length <= 11, `${world.steps.length} steps, ${listed} before`)
      const again = world.deliveries.slice(deliveries).filter(({ saved }) => saved !== undefined)
      assert.ok(again.some(({ saved }) => (saved?.settled.length ?? 0) > 0))
      // Of two pages that were under way, what a second's saving had not told of yet, and a little.
      const twice = world.effectsOf(id).filter((count) => count > 1).length
      assert.ok(twice <= 30, `${twice} items were done twice`)
      assert.ok(world.effectsOf(id).every((count) => count === 1 || count === 2))
    },
  },
  {
    title: 'what another node was doing when it was killed is done by those that are left',
    engines: 2,
    async play(store) {
      const world = new World(store.clock, { items: 40, step: 10 })
      const gate = new Gate()
      world.onList = async ({ cursor, lease }) => {
        if (cursor === '20') await gate.pass(lease.signal)
      }
      const first = await startNode(store, world, 'node-a')
      const { id } = await first.engine.submit(ORDER)
      await until(store, 'the lister', () => gate.waiting === 1)
      await first.kill()
      world.onList = () => undefined
      const { engine } = await startNode(store, world, 'node-a')
      const job = await ended(store, engine, id)
      assert.deepEqual([job.state, job.counters.done], ['finished', 40])
      assert.deepEqual(world.steps.map(({ first: at }) => at).slice(0, 4), [0, 10, 20, 20])
    },
  },
  {
    title: 'a job whose pages are garbage has failed with a reason, and others are done',
    async play(store) {
      const world = new World(store.clock, { items: 30, step: 10, pagesAtOnce: 1 })
      const gate = new Gate()
      world.onItem = async (_item, { lease, job }) => {
        if (job.id === 'bad') await gate.pass(lease.signal)
      }
      const node = await startNode(store, world)
      await node.engine.submit({ ...ORDER, id: 'bad' })
      await until(store, 'the gate', () => gate.waiting === 1)
      await until(store, 'the list', async () => (await told(node.engine, 'bad')).listing.complete)
      await node.kill()
      await store.spoil('bad', 'pages')
      gate.open()
      const { engine } = await startNode(store, world)
      const job = await ended(store, engine, 'bad')
      assert.equal(job.state, 'failed')
      assert.ok((job.error ?? '').length > 0)
      await engine.submit({ ...ORDER, id: 'good' })
      assert.equal((await ended(store, engine, 'good')).state, 'finished')
    },
  },
  {
    title: 'a job whose record is garbage is told of as failed, and can be removed',
    async play(store) {
      const world = new World(store.clock)
      const opened = await store.open('node-a')
      await opened.engine.submit({ ...ORDER, id: 'bad' })
      await opened.kill()
      await store.spoil('bad', 'record')
      const { engine } = await startNode(store, world)
      const job = await ended(store, engine, 'bad')
      assert.equal(job.state, 'failed')
      assert.ok((job.error ?? '').length > 0)
      assert.equal((await engine.list({})).length, 1)
      await engine.submit({ ...ORDER, id: 'good' })
      assert.equal((await ended(store, engine, 'good')).state, 'finished')
      await engine.remove('bad')
      assert.equal(await engine.get('bad'), undefined)
      assert.deepEqual(
        (await engine.list({})).map(({ id }) => id),
        ['good'],
      )
      assert.equal(world.effects.get(`bad/${keyOf(0)}`), undefined)
    },
  },
]
