import { join } from 'node:path'
import { systemClock } from '@forebay/base/clock'
import { BullmqEngine } from '@forebay/jobs/bullmq/bullmq-engine'
import { parseRedisUrl } from '@forebay/jobs/bullmq/redis-address'
import type { JobEngineHarness, JobStore, OpenEngine } from '@forebay/jobs/conformance/case'
import { TurnedClock } from '@forebay/jobs/conformance/played-clock'

/** How long a killed engine keeps what it had, milliseconds: short, so that a test need not wait long. */
export const TEST_LEASE_MS = 3000

/** Where stores are; known when the servers have been started. */
export type RedisPlace = {
  readonly redisUrl: string
  /** Where ledgers go. */
  readonly folder: string
  /** One command, on the server that has the keys of the prefix. */
  readonly ask: (prefix: string, ...words: readonly string[]) => Promise<string>
}

let stores = 0

/** The BullMQ engine on a real server; each store has a prefix of its own. */
export function redisHarness(name: string, placeOf: () => RedisPlace): JobEngineHarness {
  return {
    name,
    enginesMax: 2,
    openStore: async () => {
      stores += 1
      const prefix = `{forebay-${process.pid}-${stores}}`
      return new PrefixStore(placeOf(), prefix)
    },
  }
}

class PrefixStore implements JobStore {
  readonly clock = new TurnedClock(systemClock)
  readonly #place: RedisPlace
  readonly #prefix: string
  readonly #living = new Set<BullmqEngine>()

  constructor(place: RedisPlace, prefix: string) {
    this.#place = place
    this.#prefix = prefix
  }

  pass(ms: number): Promise<void> {
    return this.clock.sleep(ms)
  }

  async open(nodeId: string): Promise<OpenEngine> {
    const { folder, redisUrl } = this.#place
    const engine = await BullmqEngine.open({
      address: parseRedisUrl(redisUrl),
      nodeId,
      clock: this.clock,
      ledgerPath: join(folder, `${this.#prefix}-${nodeId}.json`),
      prefix: this.#prefix,
      leaseMs: TEST_LEASE_MS,
    })
    this.#living.add(engine)
    return {
      engine,
      kill: async () => {
        this.#living.delete(engine)
        engine.kill()
      },
    }
  }

  turnWallClock(ms: number): void {
    this.clock.turn(ms)
  }

  async spoil(jobId: string, what: 'record' | 'pages' | 'schedule'): Promise<void> {
    const ask = (...words: readonly string[]): Promise<string> =>
      this.#place.ask(this.#prefix, ...words)
    if (what === 'schedule') {
      await ask('HSET', `${this.#prefix}:schedules`, jobId, '\u0001 {')
      return
    }
    const job = `${this.#prefix}:job:${jobId}`
    if (what === 'record') {
      await ask('SET', `${job}:def`, '\u0001 {')
      await ask('HSET', job, 'state', 'nonsense', 'created', '-', 'failed', '1e999')
      return
    }
    for (const key of [`${job}:items`, `${job}:meta`]) {
      for (const number of (await ask('HKEYS', key)).split('\n')) {
        await ask('HSET', key, number, '\u0001 {')
      }
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#living].map((engine) => engine.close()))
  }
}
