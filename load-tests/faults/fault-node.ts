import { createServer } from 'node:net'
import { join } from 'node:path'
import { type Server, startForebay } from '../testkit/servers.ts'
import { workFilesOf } from '../testkit/work-files.ts'
import { S3Client } from './s3-client.ts'

/** The origin's bucket and its name here: bound at the first use. */
export const REMOTE = 'remote'

/** A native bucket; every write of it is on disk before it is acknowledged. */
export const NATIVE = 'native'

/** Longest wait for a process that is about to die by itself, ms. */
const DEATH_WAIT_MS = 20_000

const STARTS_MAX = 3

/** A running node and a client of it. */
export type Running = { readonly server: Server; readonly client: S3Client }

/** How a node differs from the plain one of these tests. */
export type NodeChanges = {
  /** `--set` arguments and the like. */
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Settings in place of those of the same name. */
  readonly config?: Readonly<Record<string, unknown>>
  /** A free one by default. */
  readonly port?: number
}

/** One data directory whose node is started, killed and started again. */
export class FaultNode {
  readonly dataDir: string
  readonly #originUrl: string
  readonly #credentials: { readonly accessKey: string; readonly secretKey: string }
  readonly #changes: NodeChanges
  #running: Running | undefined

  constructor(
    options: {
      readonly dataDir: string
      readonly originUrl: string
      readonly credentials?: { readonly accessKey: string; readonly secretKey: string }
    } & NodeChanges,
  ) {
    this.dataDir = options.dataDir
    this.#originUrl = options.originUrl
    this.#credentials = options.credentials ?? { accessKey: 'any-key', secretKey: 'any-secret' }
    this.#changes = options
  }

  /** Starts it; the one before must have ended. @param failpoints a plan, as `armFailpoints` reads it */
  async start(failpoints = '', changed: { readonly endpoint?: string } = {}): Promise<Running> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#startOnce(failpoints, changed)
      } catch (error) {
        // A port that was free is taken meanwhile where many tests start servers at a time.
        const taken = error instanceof Error && error.message.includes('another program answers')
        if (!taken || attempt === STARTS_MAX || this.#changes.port !== undefined) throw error
      }
    }
  }

  async #startOnce(failpoints: string, changed: { readonly endpoint?: string }): Promise<Running> {
    const { accessKey, secretKey } = this.#credentials
    const { args, env, config, port } = this.#changes
    const server = await startForebay({
      dataDir: this.dataDir,
      config: {
        backends: { aws: { endpoint: changed.endpoint ?? this.#originUrl } },
        cache: { revalidateTtl: '2h' },
        ...config,
      },
      args: args ?? [],
      port: port ?? (await quietPort()),
      env: {
        AWS_ACCESS_KEY_ID: accessKey,
        AWS_SECRET_ACCESS_KEY: secretKey,
        AWS_DEFAULT_REGION: 'us-east-1',
        FOREBAY_FAILPOINTS: failpoints === '' ? undefined : failpoints,
        ...env,
      },
    })
    this.#running = { server, client: new S3Client(server.url) }
    return this.#running
  }

  /** Waits until it has died by itself; false when it lives on, which ends it too. */
  async died(): Promise<boolean> {
    const running = this.#running
    if (running === undefined) return false
    const alive = Promise.withResolvers<'alive'>()
    const timer = setTimeout(() => alive.resolve('alive'), DEATH_WAIT_MS)
    const outcome = await Promise.race([running.server.exited, alive.promise])
    clearTimeout(timer)
    await this.kill()
    return outcome === null
  }

  /** SIGKILL; nothing happens when it is not running. */
  async kill(): Promise<void> {
    const running = this.#running
    this.#running = undefined
    await running?.server.kill9()
    await running?.client.close()
  }

  /** SIGTERM. @returns the exit status */
  async stop(): Promise<number | null> {
    const running = this.#running
    this.#running = undefined
    const status = (await running?.server.stop()) ?? null
    await running?.client.close()
    return status
  }

  /** Names of work files with bytes: there are none while nothing is written. */
  workFiles(): Promise<readonly string[]> {
    return workFilesOf(join(this.dataDir, 'mountpath'))
  }
}

/** Below those that the system gives to connections, which come and go while nodes start beside each other. */
const PORTS_FROM = 12_000
const PORTS_END = 32_000

const givenPorts = new Set<number>()

/** A port that nobody listens on, and that no other node of this process has got. */
async function quietPort(): Promise<number> {
  for (;;) {
    const port = PORTS_FROM + Math.floor(Math.random() * (PORTS_END - PORTS_FROM))
    if (givenPorts.has(port) || !(await isFree(port))) continue
    givenPorts.add(port)
    return port
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })
}
