import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '@forebay/base/clock'
import { Failure } from '@forebay/base/failure'
import { readEnvironment } from '@forebay/config/environment'
import type { Settings } from '@forebay/config/schema'
import { EmbeddedEngine } from '@forebay/jobs/embedded/embedded-engine'
import type { JobEngine } from '@forebay/jobs/engine'
import type { Logger } from '@forebay/observe/logger'
import { startOwnRedis } from './own-redis.ts'

/** Where in the data directory the engine of one node keeps its jobs. */
const FOLDER = 'jobs'

/** What a node remembers of jobs that are kept in Redis. */
const LEDGER = 'jobs-ledger.json'

/** How often troubles with Redis are logged, milliseconds. */
const SAY_EVERY_MS = 10_000

export interface EngineParts {
  readonly nodeId: string
  readonly clusterId: string
  readonly clock: Clock
  readonly logger: Logger
}

/** What keeps the jobs, and how it is closed together with what it stands on. */
export interface NodeEngine {
  readonly engine: JobEngine
  close(): Promise<void>
}

/**
 * The engine of jobs that the settings name: a table in the data directory, or Redis.
 *
 * @throws Failure `setting-invalid` for a Redis that is refused
 */
export async function openEngine(settings: Settings, parts: EngineParts): Promise<NodeEngine> {
  const { clock, logger } = parts
  const url = settings.redisUrl
  if (url === undefined) {
    const engine = await EmbeddedEngine.open({
      folder: join(settings.dataDir, FOLDER),
      clock,
      onError: (error) => logger.error({ err: error }, 'something about jobs failed'),
    })
    return { engine, close: () => engine.close() }
  }
  if (url !== 'auto') return openBullmq(settings, parts, url)
  const { dataDir } = settings
  const searchPath = readEnvironment().variables['PATH'] ?? ''
  const own = await startOwnRedis({ dataDir, searchPath, clock, logger })
  try {
    const { engine, close } = await openBullmq(settings, parts, own.url)
    return { engine, close: () => close().finally(() => own.stop()) }
  } catch (error) {
    await own.stop()
    throw error
  }
}

async function openBullmq(
  settings: Settings,
  { nodeId, clusterId, clock, logger }: EngineParts,
  url: string,
): Promise<NodeEngine> {
  // Loaded only by nodes that use it: half a second of the start.
  const [{ BullmqEngine }, { parseRedisUrl }] = await Promise.all([
    import('@forebay/jobs/bullmq/bullmq-engine'),
    import('@forebay/jobs/bullmq/redis-address'),
  ])
  const address = parseRedisUrl(url)
  const tls = address.tls === undefined ? undefined : await readTls(settings)
  const engine = await BullmqEngine.open({
    address: { ...address, tls },
    nodeId,
    clock,
    ledgerPath: join(settings.dataDir, LEDGER),
    // Clusters that share a Redis do not see each other's jobs.
    prefix: `{forebay-${clusterId}}`,
    onTrouble: rarely(clock, (error) => logger.warn({ err: error }, 'jobs wait for Redis')),
  })
  return { engine, close: () => engine.close() }
}

/** While Redis is away, all that waits for it says so again and again. */
function rarely(clock: Clock, say: (error: unknown) => void): (error: unknown) => void {
  let saidMs = Number.NEGATIVE_INFINITY
  return (error) => {
    const nowMs = clock.monotonic()
    if (nowMs - saidMs < SAY_EVERY_MS) return
    saidMs = nowMs
    say(error)
  }
}

async function readTls({ redisTls }: Settings) {
  const { caFile, certFile, keyFile } = redisTls
  return {
    ca: await readPem('redisTls.caFile', caFile),
    cert: await readPem('redisTls.certFile', certFile),
    key: await readPem('redisTls.keyFile', keyFile),
  }
}

async function readPem(key: string, path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new Failure('setting-invalid', `${key}: the file ${path} cannot be read`, { cause })
  }
}
