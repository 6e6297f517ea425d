import { join } from 'node:path'
import { readMetric } from '../testkit/metrics.ts'
import { temporaryFolder } from '../testkit/servers.ts'
import { Artefacts } from './artefact.ts'
import { FaultNode } from './fault-node.ts'
import { FaultPlan, type OriginFault } from './origin-faults.ts'
import { type Observed, PacedLoad } from './paced-load.ts'
import { S3Origin } from './s3-origin.ts'
import { LoadTally } from './tally.ts'

const MIX = { get: 10, range: 3, head: 2, put: 3, delete: 1, evict: 2 } as const

const KEYS = 60

const BODY_BYTES_MAX = 400_000

const WARM_UP_MS = 3000

/** Faults of one origin that an artefact tells of. */
const REMEMBERED_MAX = 5000

export type RandomFaultReport = {
  readonly clean: LoadTally
  readonly faulty: LoadTally
  readonly faults: ReadonlyMap<string, number>
  /**
   * Requests that the origin got for each of a client's, with faults against without: retries, questions
   * about keys whose last write has an unknown outcome, and what is fetched again.
   */
  readonly amplification: number
  /** Requests of the node to the origin, repeated ones among them, while there were faults. */
  readonly backendRequests: number
  readonly retries: number
  readonly violations: readonly string[]
}

type Spoilt = { readonly atMs: number; readonly request: string; readonly fault: OriginFault }

/**
 * An open load on a node whose origin spoils a share of all requests, by seed: every answer must be
 * right, or a 5xx with Retry-After, or visibly cut. A phase without faults tells what is normal.
 */
export async function randomFaults(options: {
  readonly seed: number
  readonly cleanMs: number
  readonly faultyMs: number
  /** Of the origin's requests, 0..1. */
  readonly share: number
  readonly perSecond: number
  /** Longest wait of the node for the origin. */
  readonly progressTimeout: string
  readonly say?: (line: string) => void
}): Promise<RandomFaultReport> {
  const { seed, share, perSecond } = options
  const folder = await temporaryFolder('random-faults')
  const origin = await S3Origin.start()
  const node = new FaultNode({
    dataDir: join(folder.path, 'node'),
    originUrl: origin.url,
    args: [
      ...['--set', 'cache.revalidateTtl=2s', '--set', 'cache.staleIfError=1h'],
      ...['--set', `backends.limits.progressTimeout=${options.progressTimeout}`],
    ],
  })
  const artefacts = new Artefacts('random', seed)
  const plan = new FaultPlan(seed, share)
  const spoilt: Spoilt[] = []
  const violations: string[] = []
  const writing: Promise<unknown>[] = []
  let tally = new LoadTally()
  try {
    const { client, server } = await node.start()
    const onObserved = (observed: Observed): void => {
      tally.add(observed)
      if (observed.outcome.kind !== 'wrong') return
      const { key } = observed
      violations.push(`${observed.operation} ${key}: ${observed.outcome.why}`)
      const faults = spoilt.filter(({ request }) => request.endsWith(` ${key.split('/')[1]}`))
      const history = load.historyOf(key)
      writing.push(
        artefacts.write({ observed, faults, history, logs: server.logs().slice(-20_000) }),
      )
    }
    const load = new PacedLoad({
      ...{ seed, client, keyCount: KEYS, bodyBytesMax: BODY_BYTES_MAX, mix: MIX, perSecond },
      onObserved,
    })
    await load.prepare()
    // Until what was written is as old as what is read later.
    await load.run(WARM_UP_MS)
    tally = new LoadTally()
    const clean = tally
    const before = origin.requestCount
    await load.run(options.cleanMs)
    const normal = (origin.requestCount - before) / clean.requestCount
    options.say?.(`without faults: ${clean.describe()}; ${normal.toFixed(3)} origin requests each`)
    tally = new LoadTally()
    const faulty = tally
    const beginning = origin.requestCount
    const counted = await backendCounts(server.url)
    origin.spoil = (request) => {
      const fault = plan.choose(request)
      if (fault === undefined) return undefined
      spoilt.push({ atMs: performance.now(), request: `${request.method} ${request.key}`, fault })
      if (spoilt.length > REMEMBERED_MAX) spoilt.splice(0, REMEMBERED_MAX / 2)
      return fault
    }
    await load.run(options.faultyMs)
    const now = await backendCounts(server.url)
    const made = {
      backendRequests: now.backendRequests - counted.backendRequests,
      retries: now.retries - counted.retries,
    }
    const spoiltEach = (origin.requestCount - beginning) / faulty.requestCount
    origin.spoil = () => undefined
    options.say?.(
      `with faults: ${faulty.describe()}; ${spoiltEach.toFixed(3)} origin requests each`,
    )
    for (const outcome of await load.readAll()) {
      if (outcome.kind !== 'right') violations.push(`afterwards: ${JSON.stringify(outcome)}`)
    }
    const amplification = spoiltEach / normal
    return { clean, faulty, faults: plan.chosen, amplification, ...made, violations }
  } finally {
    await Promise.all(writing)
    await node.kill()
    await origin.close()
    await folder.remove()
  }
}

async function backendCounts(url: string) {
  return {
    backendRequests: await readMetric(url, 'forebay_backend_requests_total'),
    retries: await readMetric(url, 'forebay_backend_retries_total'),
  }
}
