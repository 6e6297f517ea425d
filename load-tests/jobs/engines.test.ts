import { join } from 'node:path'
import { jobEngineCases } from '@forebay/jobs/conformance'
import { afterAll, beforeAll, describe, test, vi } from 'vitest'
import {
  type RedisOptions,
  startRedis,
  startRedisCluster,
  startSentinelSet,
} from '../testkit/redis-servers.ts'
import { temporaryFolder } from '../testkit/servers.ts'
import { isLeftOut } from '../testkit/tools.ts'
import { type RedisPlace, redisHarness } from './redis-harness.ts'

const CASE_TIMEOUT_MS = 120_000

// Most of what cases do is to wait, for leases and for tries again: five at once left the machine idle.
vi.setConfig({ maxConcurrency: 12 })

/** What is started before the tests and stopped after them. */
type Started = { readonly place: RedisPlace; readonly stop: () => Promise<void> }

/** `ENGINES=all`: every case on every sort of server; else the long ones on Valkey alone. */
const isLong = process.env['ENGINES'] === 'all'

/** Cases of many pages, or that wait for pauses or leases: what they show does not depend on the server. */
const LONG_CASES =
  /throw|given up|for the moment|1000|come|kill|pause|small job|pages of high|counts stay|years|limit allows|would fare|one at a time|list waits/

type Case = ReturnType<typeof jobEngineCases>[number]

/** Side by side: most of it waits. */
function run(cases: readonly Case[]): void {
  for (const each of cases) test.concurrent(each.title, each.run, CASE_TIMEOUT_MS)
}

function casesOn(name: string, placeOf: () => RedisPlace): readonly Case[] {
  const cases = jobEngineCases(redisHarness(name, placeOf))
  return isLong ? cases : cases.filter(({ title }) => !LONG_CASES.test(title))
}

function single(options: Omit<RedisOptions, 'folder'>): () => RedisPlace {
  return started(async (folder) => {
    const server = await startRedis({ ...options, folder: join(folder, 'redis') })
    const { redisUrl } = server
    const ask: RedisPlace['ask'] = (_prefix, ...words) => server.ask(...words)
    return { place: { redisUrl, folder, ask }, stop: () => server.kill9() }
  })
}

describe.skipIf(isLeftOut('valkey'))('BullMQ on Valkey 9', () => {
  run(jobEngineCases(redisHarness('valkey', single({ tool: 'valkey' }))))
})

describe.skipIf(isLeftOut('redis'))('BullMQ on Redis 7, with a password', () => {
  run(casesOn('redis', single({ tool: 'redis', password: 'p@ss word' })))
})

describe.skipIf(isLeftOut('valkey'))('BullMQ on a master that Sentinels watch', () => {
  const placeOf = started(async (folder) => {
    const set = await startSentinelSet({ folder })
    const { redisUrl } = set
    const ask: RedisPlace['ask'] = async (_prefix, ...words) => {
      const port = await set.masterPort()
      const master = set.servers.find((server) => server.port === port)
      if (master === undefined) throw new Error('there is no master')
      return master.ask(...words)
    }
    return { place: { redisUrl, folder, ask }, stop: set.stop }
  })
  run(casesOn('sentinel', placeOf))
})

describe.skipIf(isLeftOut('valkey'))('BullMQ on a cluster of three', () => {
  const placeOf = started(async (folder) => {
    const cluster = await startRedisCluster({ folder })
    const { redisUrl } = cluster
    const ask: RedisPlace['ask'] = async (_prefix, ...words) => {
      for (const server of cluster.servers) {
        const told = await server.ask(...words).catch((error: Error) => error)
        if (typeof told === 'string') return told
        if (!told.message.startsWith('MOVED')) throw told
      }
      throw new Error('nobody has the slot')
    }
    return { place: { redisUrl, folder, ask }, stop: cluster.stop }
  })
  run(casesOn('cluster', placeOf))
})

function started(start: (folder: string) => Promise<Started>): () => RedisPlace {
  let running: (Started & { readonly remove: () => Promise<void> }) | undefined
  beforeAll(async () => {
    const folder = await temporaryFolder('engines')
    running = { ...(await start(folder.path)), remove: folder.remove }
  })
  afterAll(async () => {
    await running?.stop()
    await running?.remove()
  })
  return () => {
    if (running === undefined) throw new Error('the servers were not started')
    return running.place
  }
}
