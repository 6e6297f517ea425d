import { Answer, answersOf, required } from './answer.ts'
import { Buckets } from './buckets.ts'
import { ForebayError } from './forebay-error.ts'
import { Jobs } from './jobs.ts'
import { Objects } from './objects.ts'
import { Scrub } from './scrub.ts'
import { Transport, type TransportOptions } from './transport.ts'

interface Call {
  readonly signal?: AbortSignal | undefined
}

/** A node's own account of itself. */
export interface NodeReport {
  readonly version: string
  readonly ready: boolean
  readonly reasons: readonly string[]
  readonly uptimeSeconds: number
  readonly bucketCount: number
  readonly objectCount: number | undefined
  readonly unsettledCount: number
  readonly mountpaths: readonly {
    readonly path: string
    readonly state: string
    readonly usedBytes: number
    readonly capacityBytes: number
    readonly objectCount: number | undefined
    readonly errorCount: number
    readonly reason: string | undefined
  }[]
  /** Counters since the start: hits, misses, bytesFromCache and others. */
  readonly cache: Readonly<Record<string, number>>
  /** The answer as it came. */
  readonly raw: unknown
}

export interface ReportedSetting {
  readonly key: string
  readonly value: unknown
  readonly origin: string
  /** What it is for; older nodes do not say it. */
  readonly doc: string | undefined
}

/**
 * Forebay's native API: buckets, objects, and the node itself. Works against AIStore too, but for
 * what only Forebay has (`status`, `config`, `explain`, and the list of buckets with properties).
 */
export class ForebayClient {
  readonly buckets: Buckets
  readonly objects: Objects
  readonly jobs: Jobs
  readonly scrub: Scrub
  readonly #transport: Transport

  /** @throws ForebayError `endpoint-invalid` */
  constructor(options: TransportOptions) {
    this.#transport = new Transport(options)
    this.buckets = new Buckets(this.#transport)
    this.objects = new Objects(this.#transport)
    this.jobs = new Jobs(this.#transport)
    this.scrub = new Scrub(this.#transport)
  }

  get endpoint(): string {
    return this.#transport.endpoint
  }

  /** True when the node can serve; false when it lives but cannot yet. */
  async isReady(call: Call = {}): Promise<boolean> {
    try {
      await this.#transport.empty({
        method: 'GET',
        path: ['v1', 'health'],
        query: { readiness: 'true' },
        signal: call.signal,
      })
      return true
    } catch (error) {
      if (error instanceof ForebayError && error.status === 503) return false
      throw error
    }
  }

  async status(call: Call = {}): Promise<NodeReport> {
    const raw = await this.#transport.json({
      method: 'GET',
      path: ['v1', 'forebay', 'status'],
      signal: call.signal,
    })
    const answer = new Answer(raw)
    return {
      version: required(answer.text('version'), 'version'),
      ready: answer.flag('ready') ?? false,
      reasons: answer.texts('reasons'),
      uptimeSeconds: answer.number('uptimeSeconds') ?? 0,
      bucketCount: answer.number('bucketCount') ?? 0,
      objectCount: answer.number('objectCount'),
      unsettledCount: answer.number('unsettledCount') ?? 0,
      mountpaths: answer.list('mountpaths').map((mountpath) => ({
        path: mountpath.text('path') ?? '',
        state: mountpath.text('state') ?? '',
        usedBytes: mountpath.number('usedBytes') ?? 0,
        capacityBytes: mountpath.number('capacityBytes') ?? 0,
        objectCount: mountpath.number('objectCount'),
        errorCount: mountpath.number('errorCount') ?? 0,
        reason: mountpath.text('reason'),
      })),
      cache: Object.fromEntries(
        answer
          .nested('cache')
          .entries()
          .flatMap(([name, value]) => (typeof value === 'number' ? [[name, value]] : [])),
      ),
      raw,
    }
  }

  /**
   * Changes a mountpath of the node. `force`: at once, without moving what only it has.
   *
   * @returns objects that are lost (detach) or cannot be had (disable); none unless forced
   */
  async changeMountpath(
    action: 'attach' | 'detach' | 'enable' | 'disable',
    path: string,
    options: Call & { readonly force?: boolean | undefined } = {},
  ): Promise<number> {
    const methods = { attach: 'PUT', detach: 'DELETE', enable: 'POST', disable: 'POST' } as const
    const answer = await this.#transport.json({
      method: methods[action],
      path: ['v1', 'daemon', 'mountpaths'],
      query: options.force === true ? { dntres: 'true' } : {},
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ action: `${action}-mp`, value: path }),
      signal: options.signal,
    })
    const leaves = action === 'detach' || action === 'disable'
    return leaves ? (new Answer(answer).number('objectCount') ?? 0) : 0
  }

  /** The node's counters in Prometheus text format. */
  async metrics(call: Call = {}): Promise<string> {
    const response = await this.#transport.send({
      method: 'GET',
      path: ['metrics'],
      signal: call.signal,
    })
    return response.text()
  }

  /** The last lines of the node's log, oldest first. */
  async recentLog(call: Call = {}): Promise<readonly string[]> {
    const answer = await this.#transport.json({
      method: 'GET',
      path: ['v1', 'forebay', 'log'],
      signal: call.signal,
    })
    return new Answer(answer).texts('lines')
  }

  /** The settings that the node runs with; secrets are redacted. */
  async config(call: Call = {}): Promise<readonly ReportedSetting[]> {
    const answer = await this.#transport.json({
      method: 'GET',
      path: ['v1', 'forebay', 'config'],
      signal: call.signal,
    })
    return answersOf(answer).map((setting) => ({
      key: required(setting.text('key'), 'key of a setting'),
      value: setting.value('value'),
      origin: setting.text('origin') ?? '',
      doc: setting.text('doc'),
    }))
  }
}
