/** What an engine takes of a prefetch: the same job with a worker that does nothing, beside a real one. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { median } from '../bench/statistics.ts'
import { FaultNode } from '../faults/fault-node.ts'
import { startRedis } from '../testkit/redis-servers.ts'
import { temporaryFolder } from '../testkit/servers.ts'
import { BUCKET, CountingOrigin } from './counting-origin.ts'
import { type Cost, costOf, startHelper } from './helper-process.ts'
import type { EngineOrder } from './idle-engine.ts'
import { JobApi } from './prefetch-run.ts'
import { finish } from './throughput-run.ts'

const OBJECT_BYTES = 4096

export type EngineShare = {
  readonly name: string
  readonly cost: Cost
  /** On a CPU for it, outside of the process that has the engine. */
  readonly serverCpuSeconds: number
}

/** A whole node's prefetch of so many small objects from a store that is as fast as it can be. */
export async function realPrefetch(objects: number): Promise<Cost> {
  const folder = await temporaryFolder('engine-share')
  const origin = await CountingOrigin.start({ objects, objectBytes: OBJECT_BYTES })
  const node = new FaultNode({ dataDir: join(folder.path, 'node'), originUrl: origin.url })
  try {
    const { server } = await node.start()
    const api = new JobApi(server.url)
    return await costOf(server.pid, async () => {
      const { counters } = await finish(api, {
        ...{ kind: 'prefetch', bucket: `aws://${BUCKET}`, args: {} },
      })
      if (counters.done !== objects) throw new Error(`prefetched ${JSON.stringify(counters)}`)
    })
  } finally {
    await node.kill()
    await origin.close()
    await folder.remove()
  }
}

/** Of the job before the first, which does not count. */
const WARM_UP_OBJECTS = 2000

/** Of so many rounds the middle one by its time on a CPU counts: it takes less than a second. */
const ENGINE_ROUNDS = 5

/** The engine alone with a job of so many objects, each time in processes of its own. */
export async function engineAlone(
  name: 'embedded' | 'bullmq',
  objects: number,
): Promise<EngineShare> {
  const rounds: EngineShare[] = []
  for (let round = 0; round < ENGINE_ROUNDS; round++) rounds.push(await oneRound(name, objects))
  const sorted = rounds.toSorted((a, b) => a.cost.cpuSeconds - b.cost.cpuSeconds)
  const middle = sorted[ENGINE_ROUNDS >> 1]
  if (middle === undefined) throw new Error('nothing was measured')
  const seconds = median(rounds.map(({ cost }) => cost.seconds))
  return { ...middle, cost: { ...middle.cost, seconds } }
}

/** Both of its processes where it has two. */
async function oneRound(name: 'embedded' | 'bullmq', objects: number): Promise<EngineShare> {
  const folder = await temporaryFolder('engine-alone')
  const engineFolder = join(folder.path, 'engine')
  await mkdir(engineFolder)
  const redis =
    name === 'bullmq' ? await startRedis({ folder: join(folder.path, 'valkey') }) : undefined
  const engine = startHelper<EngineOrder>('idle-engine.ts')
  try {
    await engine.run({ kind: 'open', folder: engineFolder, redisUrl: redis?.redisUrl })
    let serverCpuSeconds = 0
    const work = (): Promise<void> => engine.run({ kind: 'work' })
    // What a process does once, such as compiling schemas, is not done for each job.
    await engine.run({ kind: 'list', objects: WARM_UP_OBJECTS })
    await work()
    await engine.run({ kind: 'list', objects })
    const cost = await costOf(engine.pid, async () => {
      if (redis === undefined) await work()
      else serverCpuSeconds = (await costOf(redis.pid, work)).cpuSeconds
    })
    await engine.run({ kind: 'close' })
    return { name, cost, serverCpuSeconds }
  } finally {
    await engine.stop()
    await redis?.kill9()
    await folder.remove()
  }
}
