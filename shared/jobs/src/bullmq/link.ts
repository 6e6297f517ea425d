import type { Clock } from '@forebay/base/clock'
import { Failure } from '@forebay/base/failure'
import { Cluster, Redis, type RedisOptions } from 'ioredis'
import { describeRedis, REDIS_PORT, type RedisAddress } from './redis-address.ts'
import { RedisSecrets } from './redis-secrets.ts'
import { type ScriptName, script } from './scripts.ts'

/** A call waits so long for a connection and its answer, milliseconds, before it fails. */
export const CALL_TIMEOUT_MS = 5000

/** A connection that reads nothing for so long while something is asked is given up. */
const SOCKET_TIMEOUT_MS = 30_000

const RECONNECT_PAUSE_MAX_MS = 1000

/** Pause before a call is sent again, milliseconds. */
const AGAIN_PAUSE_MS = 50

/** Ends the wait for an answer: an error made for each call, with its stack, would cost more than that. */
const ANSWERED = 'answered'

/** How ioredis begins when it has not sent a command at all. */
const UNSENT = "Stream isn't writeable"

/**
 * Scripts that may run again where nobody knows whether they did: they change nothing, or nothing more.
 * An order is known by its id.
 */
const REPEATABLE: ReadonlySet<ScriptName> = new Set([
  ...(['read', 'scan', 'failures', 'left', 'held'] as const),
  ...(['submit', 'schedule'] as const),
])

export type RedisClient = Redis | Cluster

/** Something that a script or a command is given. */
export type RedisArg = string | number

/** Redis has another epoch than this engine: it was emptied, or is another one. */
export class EpochChanged extends Error {
  constructor() {
    super('the epoch of the jobs in Redis is another one')
    this.name = 'EpochChanged'
  }
}

export interface RedisLinkOptions {
  readonly address: RedisAddress
  readonly clock: Clock
  /** A hash tag, `{forebay}`: every key begins with it. */
  readonly prefix: string
  readonly callTimeoutMs?: number | undefined
}

/** Connections to one Redis, and calls that end in bounded time. */
export class RedisLink {
  readonly where: string
  /** For errors that ioredis or BullMQ made. */
  readonly secrets: RedisSecrets
  readonly #options: RedisLinkOptions
  readonly #client: RedisClient
  readonly #timeoutMs: number
  #trouble = ''
  #closed = false

  constructor(options: RedisLinkOptions) {
    this.#options = options
    this.where = describeRedis(options.address)
    this.secrets = new RedisSecrets(options.address)
    this.#timeoutMs = options.callTimeoutMs ?? CALL_TIMEOUT_MS
    this.#client = this.connect({
      // What a broken connection may or may not have done is for the caller to ask again.
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      socketTimeout: this.#timeoutMs,
      enableOfflineQueue: false,
    })
  }

  get isReady(): boolean {
    return this.#client.status === 'ready'
  }

  /** A key of ours. */
  key(name: string): string {
    return `${this.#options.prefix}:${name}`
  }

  /** @param listener is called for each connection that is made */
  onReady(listener: () => void): void {
    this.#client.on('ready', listener)
  }

  /** @param listener is called when a connection is lost */
  onLost(listener: () => void): void {
    this.#client.on('close', listener)
  }

  /**
   * A connection of its own, to be ended with `disconnect`. BullMQ's are not to give up on a command:
   * `maxRetriesPerRequest: null`, which is the default here.
   */
  connect(options: RedisOptions = {}): RedisClient {
    const client = makeClient(this.#options.address, {
      maxRetriesPerRequest: null,
      socketTimeout: SOCKET_TIMEOUT_MS,
      ...options,
    })
    client.on('error', (error: Error) => {
      this.#trouble = this.secrets.hide(error.message)
    })
    return client
  }

  /**
   * Runs a script on the epoch that is known.
   *
   * @throws Failure `job-engine-unavailable`
   * @throws EpochChanged
   */
  async script(name: ScriptName, epoch: string, args: readonly RedisArg[]): Promise<unknown> {
    const { text, sha } = script(name)
    const rest = [1, this.key('epoch'), epoch, ...args]
    const mayRepeat = REPEATABLE.has(name)
    return this.#bounded({ mayRepeat }, async () => {
      try {
        return await this.#client.call('evalsha', [sha, ...rest])
      } catch (error) {
        if (!messageOf(error).startsWith('NOSCRIPT')) throw error
        return this.#client.call('eval', [text, ...rest])
      }
    })
  }

  /** Runs a command. @throws Failure `job-engine-unavailable` */
  command(name: string, args: readonly RedisArg[]): Promise<unknown> {
    return this.#bounded({ mayRepeat: false }, () => this.#client.call(name, [...args]))
  }

  /**
   * Waits until a replica has what was sent over this connection before.
   *
   * @returns replicas that have it, 0 when the time was over
   * @throws Failure `job-engine-unavailable`
   */
  replicated(waitMs: number): Promise<number> {
    return this.#bounded({ mayRepeat: true }, async () => {
      const server = await this.#serverOfKeys()
      return server === undefined ? 0 : server.wait(1, waitMs)
    })
  }

  /** In a cluster a command without a key, as WAIT is, goes to any server. */
  async #serverOfKeys(): Promise<Redis | undefined> {
    if (!(this.#client instanceof Cluster)) return this.#client
    for (const server of this.#client.nodes('master')) {
      try {
        await server.exists(this.key('epoch'))
        return server
      } catch (error) {
        if (!messageOf(error).startsWith('MOVED')) throw error
      }
    }
    return undefined
  }

  /** Milliseconds since 1970 by the clock of a server. @throws Failure `job-engine-unavailable` */
  async serverMs(): Promise<number> {
    const time = await this.#bounded({ mayRepeat: true }, () => this.#client.call('time'))
    const [seconds, micros] = Array.isArray(time) ? time.map(Number) : []
    return (seconds ?? 0) * 1000 + Math.floor((micros ?? 0) / 1000)
  }

  /** What INFO says on each server that can be written to. @throws Failure `job-engine-unavailable` */
  infos(): Promise<readonly string[]> {
    return this.#bounded({ mayRepeat: true }, () => {
      const nodes = this.#client instanceof Cluster ? this.#client.nodes('master') : [this.#client]
      return Promise.all(nodes.map((node) => node.info()))
    })
  }

  close(): void {
    this.#closed = true
    this.#client.disconnect()
  }

  async #bounded<T>({ mayRepeat }: { mayRepeat: boolean }, run: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new Failure('job-engine-unavailable', 'the engine of jobs is closed')
    const { clock } = this.#options
    const enough = new AbortController()
    const late = clock.sleep(this.#timeoutMs, enough.signal).then(
      () => Promise.reject(this.#unavailable(`no answer in ${this.#timeoutMs} ms`)),
      () => new Promise<never>(ignore),
    )
    try {
      return await Promise.race([this.#persist(mayRepeat, enough.signal, run), late])
    } catch (error) {
      throw this.#translate(error)
    } finally {
      enough.abort(ANSWERED)
    }
  }

  /** Asks again over the next connection what was never sent, or may come twice. */
  async #persist<T>(mayRepeat: boolean, signal: AbortSignal, run: () => Promise<T>): Promise<T> {
    for (;;) {
      await this.#ready(signal)
      try {
        return await run()
      } catch (error) {
        const message = messageOf(error)
        const isUnsent = message.startsWith(UNSENT)
        if (!isUnsent && !(mayRepeat && isBreak(message))) throw error
        if (isUnsent) this.#trouble = 'the connection was lost'
      }
      await this.#options.clock.sleep(AGAIN_PAUSE_MS, signal)
    }
  }

  /** Resolves when there is a connection; left alone when the signal comes first. */
  #ready(signal: AbortSignal): Promise<void> {
    if (this.isReady) return Promise.resolve()
    return new Promise((resolve) => {
      const onReady = (): void => resolve()
      this.#client.once('ready', onReady)
      signal.addEventListener('abort', () => this.#client.off('ready', onReady), { once: true })
    })
  }

  #translate(error: unknown): unknown {
    if (error instanceof Failure) return error
    const message = this.secrets.hide(messageOf(error))
    if (message.startsWith('EPOCH') || message.includes('EPOCH another one'))
      return new EpochChanged()
    if (message.startsWith('OOM')) return this.#unavailable('it has no memory left')
    if (/^(ERR|WRONGTYPE)/.test(message)) {
      return new Failure('internal', `a script of jobs failed in Redis: ${message}`, {
        cause: this.secrets.clean(error),
      })
    }
    return this.#unavailable(message)
  }

  #unavailable(why: string): Failure {
    const trouble = this.isReady || this.#trouble === '' ? why : this.#trouble
    return new Failure('job-engine-unavailable', `Redis at ${this.where}: ${trouble}`, {
      hint: 'Jobs wait until it is back; objects are served meanwhile.',
    })
  }
}

/** Errors of a connection or of a server that is about to be another one; none of what was asked. */
function isBreak(message: string): boolean {
  return !/^(EPOCH|NOSCRIPT|ERR|WRONGTYPE|OOM|NOAUTH|WRONGPASS|NOPERM)/.test(message)
}

function ignore(): void {
  // Another promise of the same race decides.
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function makeClient(address: RedisAddress, options: RedisOptions): RedisClient {
  const { kind, hosts, username, password, database, tls } = address
  const login = {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
  }
  const retry = (times: number): number =>
    Math.min(RECONNECT_PAUSE_MAX_MS, 50 * 2 ** Math.min(times, 8))
  const common: RedisOptions = {
    ...login,
    ...(tls === undefined ? {} : { tls }),
    connectTimeout: CALL_TIMEOUT_MS,
    keepAlive: 5000,
    connectionName: 'forebay-jobs',
    // A server that became a replica is left for the one that is the master now.
    reconnectOnError: (error) => (error.message.startsWith('READONLY') ? 2 : false),
    ...options,
  }
  if (kind === 'cluster') {
    const { enableOfflineQueue = true, ...each } = common
    return new Cluster(
      hosts.map((host) => ({ ...host })),
      {
        redisOptions: each,
        enableOfflineQueue,
        clusterRetryStrategy: retry,
        slotsRefreshTimeout: CALL_TIMEOUT_MS,
      },
    )
  }
  if (kind === 'single') {
    const { host = 'localhost', port = REDIS_PORT } = hosts[0] ?? {}
    return new Redis({ ...common, host, port, db: database, retryStrategy: retry })
  }
  return new Redis({
    ...common,
    sentinels: hosts.map((host) => ({ ...host })),
    name: address.masterName ?? 'mymaster',
    ...(address.sentinelPassword === undefined
      ? {}
      : { sentinelPassword: address.sentinelPassword }),
    ...(tls === undefined ? {} : { enableTLSForSentinelMode: true, sentinelTLS: tls }),
    db: database,
    retryStrategy: retry,
    sentinelRetryStrategy: retry,
  })
}
