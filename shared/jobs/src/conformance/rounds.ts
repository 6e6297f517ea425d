import assert from 'node:assert/strict'
import { Failure, isFailure } from '@forebay/base/failure'
import type { JobRecord } from '../job.ts'
import type { JobStore, Scenario } from './case.ts'
import {
  allFailures,
  ITEM_BYTES,
  keyOf,
  type Node,
  ORDER,
  startNode,
  told,
  World,
} from './world.ts'

/** Looks at a job in one round, after which it must have come to its end. */
const LOOKS_MAX = 2000

/** From this attempt on nothing goes wrong any more, so that a round ends. */
const CALM_ATTEMPT = 5

/** One scenario for each seed: what goes wrong, and when, is drawn; what comes out must be exact. */
export function roundScenarios(seeds: readonly number[]): readonly Scenario[] {
  return seeds.map((seed) => ({
    title: `kills, faults, pauses and aborts lose nothing and count nothing twice (seed ${seed})`,
    play: (store) => new Round(store, seed).play(),
  }))
}

class Round {
  readonly #store: JobStore
  readonly #draw: () => number
  readonly #world: World
  /** How often each item was told to fail. */
  readonly #refusals = new Map<string, number>()
  #node: Node | undefined
  #isCalm = false
  #kills = 0

  constructor(store: JobStore, seed: number) {
    this.#store = store
    this.#draw = randomOf(seed)
    const page = 1 + this.#upTo(10)
    this.#world = new World(store.clock, {
      items: 20 + this.#upTo(120),
      step: page + this.#upTo(20),
      page,
      pagesAtOnce: 1 + this.#upTo(4),
    })
    this.#world.onList = async ({ lease }) => {
      await store.clock.sleep(this.#upTo(100), lease.signal)
      if (this.#happens(0.05)) throw new Failure('backend-timeout', 'the store was slow')
    }
    this.#world.onEnd = () => {
      if (this.#happens(0.2)) throw new Failure('backend-timeout', 'the store was slow')
    }
    this.#world.onItem = ({ key }) => {
      if (this.#happens(0.01)) throw new Failure('backend-unreachable', 'the store was away')
      if (!this.#happens(0.03)) return this.#draw() < 0.1 ? 'skipped' : this.#later()
      this.#refusals.set(key, (this.#refusals.get(key) ?? 0) + 1)
      return 'failed'
    }
  }

  async play(): Promise<void> {
    this.#node = await startNode(this.#store, this.#world)
    const { id } = await this.#engine.submit(ORDER)
    for (let looks = 0; ; looks++) {
      assert.ok(
        looks < LOOKS_MAX,
        `job after ${looks} looks: ${JSON.stringify(await told(this.#engine, id))}`,
      )
      const job = await told(this.#engine, id)
      this.#isCalm = job.attempt >= CALM_ATTEMPT
      if (job.state === 'finished') break
      if (job.endedMs === undefined) await this.#disturb(id)
      else await this.#engine.retry(id)
      await this.#store.pass(this.#upTo(300))
    }
    await this.#judge(await told(this.#engine, id))
  }

  get #engine(): Node['engine'] {
    assert.ok(this.#node)
    return this.#node.engine
  }

  async #disturb(id: string): Promise<void> {
    if (this.#isCalm) return
    const drawn = this.#draw()
    if (drawn < 0.1) {
      await this.#node?.kill()
      this.#kills += 1
      this.#node = await startNode(this.#store, this.#world)
    } else if (drawn < 0.2) {
      await unlessEnded(this.#engine.pause(id))
      await this.#store.pass(this.#upTo(300))
      await unlessEnded(this.#engine.resume(id))
    } else if (drawn < 0.25) {
      await this.#engine.abort(id, 'drawn')
    }
  }

  async #judge(job: JobRecord): Promise<void> {
    const { items } = this.#world
    const { done, skipped, failed, bytes } = job.counters
    assert.deepEqual([done + skipped, failed], [items, 0])
    assert.equal(bytes, done * ITEM_BYTES)
    assert.deepEqual(
      [job.listing.items, job.listing.bytes, job.listing.complete],
      [items, items * ITEM_BYTES, true],
    )
    assert.deepEqual(await allFailures(this.#engine, job.id), [])
    assert.equal(this.#world.listersMax, 1)
    for (const [at, effects] of this.#world.effectsOf(job.id).entries()) {
      const meant = 1 + (this.#refusals.get(keyOf(at)) ?? 0)
      // What was not saved yet when a node was killed is done again, by rule.
      assert.ok(effects >= 1 && (effects <= meant || this.#kills > 0), `${keyOf(at)}: ${effects}`)
    }
  }

  async #later(): Promise<void> {
    await this.#store.clock.sleep(this.#upTo(40))
  }

  #happens(likelihood: number): boolean {
    return this.#draw() < likelihood && !this.#isCalm
  }

  /** A whole number from 0, less than `end`. */
  #upTo(end: number): number {
    return Math.floor(this.#draw() * end)
  }
}

async function unlessEnded(change: Promise<JobRecord>): Promise<void> {
  try {
    await change
  } catch (error) {
    if (!isFailure(error, 'job-state-invalid')) throw error
  }
}

/** Numbers 0..1 that follow from the seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
