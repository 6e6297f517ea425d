import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { systemClock } from '@forebay/base/clock'
import { BullmqEngine } from '@forebay/jobs/bullmq/bullmq-engine'
import { parseRedisUrl } from '@forebay/jobs/bullmq/redis-address'
import type { JobLimits } from '@forebay/jobs/job'
import { describe, expect, test } from 'vitest'
import { startRedis } from '../testkit/redis-servers.ts'
import { temporaryFolder } from '../testkit/servers.ts'
import { isLeftOut } from '../testkit/tools.ts'
import { startHelper } from './helper-process.ts'
import { NODES, type RateOrder, type RateReport, reportPath } from './rate-job.ts'

const ITEMS = 60
const ITEM_BYTES = 50_000
const ITEMS_PER_SECOND = 25
const BYTES_PER_SECOND = 1_250_000

/** What two processes may have saved up and taken in advance: a fifth of a second each. */
const AHEAD_SECONDS = 2 * 0.2

type Job = { readonly id: string; readonly limits: JobLimits }

const JOBS: readonly Job[] = [
  { id: 'by-items', limits: { itemsPerSecond: ITEMS_PER_SECOND } },
  { id: 'by-bytes', limits: { bytesPerSecond: BYTES_PER_SECOND } },
]

/** What two processes on one Valkey began of the jobs. */
async function runOnTwo(folder: string, redisUrl: string): Promise<readonly RateReport[]> {
  const engine = await BullmqEngine.open({
    address: parseRedisUrl(redisUrl),
    nodeId: 'orders',
    clock: systemClock,
    ledgerPath: join(folder, 'orders.json'),
  })
  for (const { id, limits } of JOBS) {
    await engine.submit({ kind: 'prefetch', id, limits, args: { items: ITEMS } })
  }
  const helpers = NODES.map(() => startHelper<RateOrder>('rate-worker.ts'))
  const order = { redisUrl, folder, itemBytes: ITEM_BYTES, jobs: JOBS.map(({ id }) => id) }
  try {
    await Promise.all(NODES.map((nodeId, at) => helpers[at]?.run({ ...order, nodeId })))
    return await Promise.all(NODES.map((nodeId) => readReport(reportPath(folder, nodeId))))
  } finally {
    for (const helper of helpers) await helper.stop()
    await engine.close()
  }
}

async function readReport(path: string): Promise<RateReport> {
  return JSON.parse(await readFile(path, 'utf8'))
}

describe.skipIf(isLeftOut('valkey'))('the rates of a job', () => {
  test('hold for two processes on one Valkey together', async () => {
    const folder = await temporaryFolder('rates')
    const redis = await startRedis({ folder: join(folder.path, 'redis') })
    try {
      const reports = await runOnTwo(folder.path, redis.redisUrl)
      for (const { id } of JOBS) {
        const shares = reports.map(({ begun }) => begun.filter(({ jobId }) => jobId === id))
        expect(shares.map(({ length }) => length)).toEqual([ITEMS / 2, ITEMS / 2])
        const times = shares.flat().map(({ atMs }) => atMs)
        const seconds = (Math.max(...times) - Math.min(...times)) / 1000
        // Slow machines take longer, none takes less: each process alone may not have the whole rate.
        expect(seconds, id).toBeGreaterThan((ITEMS - 1) / ITEMS_PER_SECOND - AHEAD_SECONDS)
      }
    } finally {
      await redis.kill9()
      await folder.remove()
    }
  })
})
