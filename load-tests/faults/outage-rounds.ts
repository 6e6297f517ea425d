import { join } from 'node:path'
import { readMetric } from '../testkit/metrics.ts'
import { temporaryFolder } from '../testkit/servers.ts'
import { Artefacts } from './artefact.ts'
import { FaultNode } from './fault-node.ts'
import { type Observed, PacedLoad } from './paced-load.ts'
import { S3Origin } from './s3-origin.ts'
import { LoadTally } from './tally.ts'

/** Reads of what is cached, and a few of what never was. */
const READ_MIX = { get: 20, range: 4, head: 4, cold: 2 } as const

const BODY_BYTES_MAX = 100_000

/** The whole life of a confirmation: in an outage of seconds everything gets stale. */
const TTL_MS = 1000

/** What the origin is like while it is away: it refuses connections, says nothing, or says 503. */
export const OUTAGE_KINDS = ['refused', 'silent', 'throttling'] as const
export type OutageKind = (typeof OUTAGE_KINDS)[number]

export type OutageReport = {
  readonly before: LoadTally
  /** Reads of what is cached, during the outage, its first seconds left out. */
  readonly warm: LoadTally
  /** Those of the first seconds, in which the node finds out. */
  readonly warmAtFirst: LoadTally
  readonly cold: LoadTally
  /** The same after the origin came back. */
  readonly after: LoadTally
  /** Requests that the node sent to the origin in the outage, by its own counter. */
  readonly backendRequests: number
  /** From the origin's return to the first answer that is no stale one, ms. */
  readonly recoveryMs: number
  /** Most requests for one key within its ttl, and for all in one second, after the origin's return. */
  readonly afterPerKeyMax: number
  readonly afterPerSecondMax: number
  /** Most in one second before the outage, for comparison. */
  readonly beforePerSecondMax: number
  /** Lines that the node logged in the outage. */
  readonly logLines: number
  readonly violations: readonly string[]
}

export type OutageOptions = {
  readonly seed: number
  readonly kind: OutageKind
  readonly calmMs: number
  readonly outageMs: number
  /** How long the node may take to find out, ms. */
  readonly noticeMs: number
  readonly keyCount: number
  readonly perSecond: number
  readonly progressTimeout: string
  readonly say?: (line: string) => void
}

/** Takes the origin of a node under load away for a time, and gives it back. */
export async function outage(options: OutageOptions): Promise<OutageReport> {
  const folder = await temporaryFolder('outage')
  const origin = await S3Origin.start()
  const node = new FaultNode({
    dataDir: join(folder.path, 'node'),
    originUrl: origin.url,
    args: [
      ...['--set', `cache.revalidateTtl=${TTL_MS}ms`, '--set', 'cache.staleIfError=1h'],
      ...['--set', `backends.limits.progressTimeout=${options.progressTimeout}`],
    ],
  })
  try {
    return await new OutageRun(options, origin, node).play()
  } finally {
    await node.kill()
    await origin.close()
    await folder.remove()
  }
}

/** When which key was asked for at the origin, ms of `performance.now()`. */
type Asked = { readonly key: string; readonly atMs: number }

class OutageRun {
  readonly #options: OutageOptions
  readonly #origin: S3Origin
  readonly #node: FaultNode
  readonly #artefacts: Artefacts
  readonly #violations: string[] = []
  readonly #asked: Asked[] = []
  #observe: (observed: Observed) => void = () => undefined

  constructor(options: OutageOptions, origin: S3Origin, node: FaultNode) {
    this.#options = options
    this.#origin = origin
    this.#node = node
    this.#artefacts = new Artefacts(`outage-${options.kind}`, options.seed)
  }

  async play(): Promise<OutageReport> {
    const { seed, keyCount, calmMs, outageMs, noticeMs, perSecond, say } = this.#options
    const { client, server } = await this.#node.start()
    const load = new PacedLoad({
      ...{ seed, client, keyCount, bodyBytesMax: BODY_BYTES_MAX, mix: READ_MIX, perSecond },
      onObserved: (observed) => this.#look(observed),
    })
    this.#listen()
    await load.prepare()
    this.#asked.length = 0
    const before = await this.#phase(load, calmMs)
    say?.(`before: ${before.describe()}`)
    const counted = await readMetric(server.url, 'forebay_backend_requests_total')
    const logged = lineCount(server.logs())

    const beforePerSecondMax = mostInOneSecond(this.#asked)
    await this.#goDown()
    const downMs = performance.now()
    const [warm, warmAtFirst, cold] = [new LoadTally(), new LoadTally(), new LoadTally()]
    this.#observe = (observed) => {
      const early = observed.atMs - downMs < noticeMs
      if (observed.operation === 'cold') cold.add(observed)
      else (early ? warmAtFirst : warm).add(observed)
      if (observed.operation !== 'cold' && observed.outcome.kind !== 'right') {
        this.#violate(observed, 'what is cached is not served in the outage')
      }
    }
    await load.run(outageMs)
    const logLines = lineCount(server.logs()) - logged
    const requests = await readMetric(server.url, 'forebay_backend_requests_total')
    say?.(`at first: ${warmAtFirst.describe()}\nwarm: ${warm.describe()}\ncold: ${cold.describe()}`)

    this.#asked.length = 0
    await this.#comeBack()
    const upMs = performance.now()
    let recoveryMs = Number.POSITIVE_INFINITY
    const after = new LoadTally()
    this.#observe = (observed) => {
      after.add(observed)
      const { outcome, atMs, tookMs } = observed
      // Answers to HEAD do not tell.
      const fresh = outcome.kind === 'right' && ['revalidated', 'miss'].includes(outcome.cache)
      if (fresh) recoveryMs = Math.min(recoveryMs, atMs + tookMs - upMs)
      if (outcome.kind === 'broken') this.#violate(observed, 'an answer is cut after the outage')
    }
    await load.run(calmMs)
    say?.(`after: ${after.describe()}`)
    const askedAfter = [...this.#asked]
    for (const outcome of await load.readAll()) {
      if (outcome.kind !== 'right') this.#violations.push(`afterwards: ${JSON.stringify(outcome)}`)
    }
    return {
      ...{ before, warm, warmAtFirst, cold, after, logLines, recoveryMs, beforePerSecondMax },
      backendRequests: requests - counted,
      afterPerKeyMax: mostOfOneKey(askedAfter),
      afterPerSecondMax: mostInOneSecond(askedAfter),
      violations: this.#violations,
    }
  }

  async #phase(load: PacedLoad, durationMs: number): Promise<LoadTally> {
    const tally = new LoadTally()
    this.#observe = (observed) => {
      tally.add(observed)
      if (observed.outcome.kind !== 'right') this.#violate(observed, 'all is well')
    }
    await load.run(durationMs)
    return tally
  }

  #look(observed: Observed): void {
    this.#observe(observed)
    if (observed.outcome.kind === 'wrong') this.#violate(observed, observed.outcome.why)
  }

  #violate(observed: Observed, why: string): void {
    this.#violations.push(`${observed.operation} ${observed.key}: ${why}`)
    void this.#artefacts.write({ observed, why }).catch(() => undefined)
  }

  #listen(): void {
    this.#origin.spoil = ({ key }) => {
      this.#asked.push({ key, atMs: performance.now() })
      return undefined
    }
  }

  async #goDown(): Promise<void> {
    switch (this.#options.kind) {
      case 'refused':
        return this.#origin.goDown()
      case 'silent':
        this.#origin.spoil = () => ({ kind: 'stall' })
        return
      default:
        this.#origin.spoil = () => ({ kind: 'status', status: 503 })
    }
  }

  async #comeBack(): Promise<void> {
    this.#listen()
    if (this.#options.kind === 'refused') await this.#origin.comeUp()
  }
}

function mostInOneSecond(asked: readonly Asked[]): number {
  const counts = new Map<number, number>()
  for (const { atMs } of asked) {
    const second = Math.floor(atMs / 1000)
    counts.set(second, (counts.get(second) ?? 0) + 1)
  }
  return Math.max(0, ...counts.values())
}

/** Most requests for any one key within the life of a confirmation. */
function mostOfOneKey(asked: readonly Asked[]): number {
  const times = Map.groupBy(
    asked.filter(({ key }) => key !== ''),
    ({ key }) => key,
  )
  let most = 0
  for (const group of times.values()) {
    for (const { atMs } of group) {
      const near = group.filter((other) => other.atMs >= atMs && other.atMs < atMs + TTL_MS)
      most = Math.max(most, near.length)
    }
  }
  return most
}

function lineCount(text: string): number {
  return text.split('\n').length
}
