import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type Server,
  startForebay,
  startVersitygw,
  temporaryFolder,
} from '../../testkit/servers.ts'
import { workFilesOf } from '../../testkit/work-files.ts'
import { exchange, type Keys, type Reply, signed, toBytes } from './raw-client.ts'

/** Credentials of the tests: none of the secrets may ever be seen in what a server says. */
export const ADMIN: Keys = { accessKeyId: 'AKADMIN', secretAccessKey: 'hush-admin-secret-4711' }
export const READER: Keys = { accessKeyId: 'AKREADER', secretAccessKey: 'hush-reader-secret-4712' }
const ORIGIN: Keys = { accessKeyId: 'AKORIGIN', secretAccessKey: 'hush-origin-secret-4713' }
const METRICS_TOKEN = 'hush-metrics-token-4714'

/** A bucket of Forebay's own, and one of an origin that Forebay stands before. */
export const BUCKETS = ['native', 'remote'] as const
export type BucketName = (typeof BUCKETS)[number]

/** A real server with users, before a real origin. */
export class BadInputRig {
  readonly #folder: { readonly path: string; readonly remove: () => Promise<void> }
  readonly #origin: Server
  readonly #args: readonly string[]
  #forebay: Server
  /** All that earlier processes of Forebay printed. */
  #earlierLogs = ''
  readonly #replies: string[] = []

  private constructor(parts: {
    readonly folder: { readonly path: string; readonly remove: () => Promise<void> }
    readonly origin: Server
    readonly forebay: Server
    readonly args: readonly string[]
  }) {
    this.#folder = parts.folder
    this.#origin = parts.origin
    this.#forebay = parts.forebay
    this.#args = parts.args
  }

  /** @param args settings beyond those of every rig: `--set key=value` */
  static async start(args: readonly string[] = []): Promise<BadInputRig> {
    const folder = await temporaryFolder('bad-inputs')
    const origin = await startVersitygw({
      accessKey: ORIGIN.accessKeyId,
      secretKey: ORIGIN.secretAccessKey,
      dir: join(folder.path, 'origin'),
    })
    const forebay = await startNode(folder.path, origin.url, args)
    const rig = new BadInputRig({ folder, origin, forebay, args })
    await must(rig.atOrigin('PUT', '/remote'), '200')
    await must(rig.ask('PUT', '/native'), '200')
    await must(rig.ask('HEAD', '/remote'), '200')
    return rig
  }

  get port(): number {
    return this.#forebay.port
  }

  /** Resident memory of the process, bytes. */
  async residentBytes(): Promise<number> {
    const status = await readFile(`/proc/${this.#forebay.pid}/status`, 'utf8')
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024
  }

  get url(): string {
    return this.#forebay.url
  }

  get host(): string {
    return `127.0.0.1:${this.port}`
  }

  get dataDir(): string {
    return join(this.#folder.path, 'forebay')
  }

  /** Raw bytes to Forebay; the answer is kept for the search for secrets. */
  async send(bytes: string | Buffer, options: Parameters<typeof exchange>[2] = {}): Promise<Reply> {
    const reply = await exchange(this.port, bytes, options)
    this.#replies.push(reply.text)
    return reply
  }

  /** A good request of the administrator. */
  ask(method: string, target: string, body = ''): Promise<Reply> {
    const request = signed({ method, target, body, keys: ADMIN, host: this.host })
    return this.send(toBytes(request))
  }

  /** The same to the origin, past Forebay. */
  atOrigin(method: string, target: string, body = ''): Promise<Reply> {
    const host = `127.0.0.1:${this.#origin.port}`
    const request = signed({ method, target, body, keys: ORIGIN, host })
    return exchange(this.#origin.port, toBytes(request))
  }

  /** What is stored under a target: of Forebay, and for the origin's bucket there too. */
  async outcomes(bucket: BucketName, key: string): Promise<readonly string[]> {
    const here = await this.ask('GET', `/${bucket}/${key}`)
    if (bucket === 'native') return [here.outcome]
    const there = await this.atOrigin('GET', `/${bucket}/${key}`)
    return [here.outcome, there.outcome]
  }

  /** Files of writes that are not done. */
  workFiles(): Promise<readonly string[]> {
    return workFilesOf(join(this.dataDir, 'mountpath'))
  }

  async metric(name: string): Promise<number> {
    const text = await this.metrics()
    return text
      .split('\n')
      .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
  }

  async metrics(): Promise<string> {
    const answer = await fetch(`${this.url}/metrics`, {
      headers: { authorization: `Bearer ${METRICS_TOKEN}` },
    })
    return answer.text()
  }

  async stop(): Promise<void> {
    await this.#forebay.stop()
    this.#earlierLogs += this.#forebay.logs()
  }

  async start(): Promise<void> {
    this.#forebay = await startNode(this.#folder.path, this.#origin.url, this.#args)
  }

  /** Everything that Forebay has said to anybody: logs, answers, metrics. */
  async said(): Promise<string> {
    const settings = await readFile(join(this.dataDir, 'buckets.json'), 'utf8')
    return [
      this.#earlierLogs,
      this.#forebay.logs(),
      ...this.#replies,
      await this.metrics(),
      settings,
      (await this.ask('GET', '/v1/cluster?what=config')).text,
    ].join('\n')
  }

  async close(): Promise<void> {
    await this.#forebay.stop()
    await this.#origin.stop()
    await this.#folder.remove()
  }
}

/** Texts that nobody may read: secret keys, tokens, any signature, any Authorization header. */
export const SECRETS: readonly RegExp[] = [
  ...[ADMIN, READER, ORIGIN].map(({ secretAccessKey }) => new RegExp(secretAccessKey)),
  new RegExp(METRICS_TOKEN),
  /Signature=[0-9a-f]{16}/i,
  /chunk-signature=[0-9a-f]/i,
  /AWS4-HMAC-SHA256 Credential=\w/,
]

function startNode(folder: string, origin: string, args: readonly string[]): Promise<Server> {
  const user = (keys: Keys, policy: string) => ({
    id: keys.accessKeyId.toLowerCase(),
    accessKey: keys.accessKeyId,
    secretKey: keys.secretAccessKey,
    policy,
    buckets: ['*'],
  })
  return startForebay({
    dataDir: join(folder, 'forebay'),
    config: {
      auth: { users: [user(ADMIN, 'admin'), user(READER, 'readonly')] },
      backends: { aws: { endpoint: origin, region: 'us-east-1' } },
      log: { level: 'debug', access: true },
      metrics: { token: METRICS_TOKEN },
    },
    args,
    env: {
      AWS_ACCESS_KEY_ID: ORIGIN.accessKeyId,
      AWS_SECRET_ACCESS_KEY: ORIGIN.secretAccessKey,
    },
  })
}

async function must(reply: Promise<Reply>, outcome: string): Promise<void> {
  const { outcome: found, text } = await reply
  if (found !== outcome) throw new Error(`wanted ${outcome}, got ${found}: ${text.slice(0, 500)}`)
}
