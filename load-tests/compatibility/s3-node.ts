import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createMemoryBackend } from '@forebay/backend-memory/memory-backend'
import { MemoryStore } from '@forebay/backend-memory/memory-store'
import { systemClock } from '@forebay/base/clock'
import { KeyedLock } from '@forebay/base/keyed-lock'
import { HEADER_BYTES_MAX } from '@forebay/base/limits'
import { EmbeddedBucketTable } from '@forebay/control/embedded-bucket-table'
import type { Answered } from '@forebay/gateway/api/s3/context'
import { S3Door } from '@forebay/gateway/api/s3/s3-door'
import { Authenticator } from '@forebay/gateway/authentication/authenticator'
import { identityOf, type User } from '@forebay/gateway/authentication/identity'
import { BucketResolver } from '@forebay/gateway/buckets/resolve-bucket'
import { FrontDoor } from '@forebay/gateway/front-door'
import type { ObjectAttributes } from '@forebay/model/object'
import { createTarget } from '@forebay/target/objects/create-target'
import { SYSTEM_BUCKET, SYSTEM_BUCKET_ID } from '@forebay/target/objects/system-bucket'
import type { Target } from '@forebay/target/objects/target'
import type { ObjectStore } from '@forebay/target/store/contract'
import { openStore } from '@forebay/target/store/open-store'

/** How long a raw exchange may take before it counts as closed, ms. */
const EXCHANGE_MS = 5000

export const USERS: readonly User[] = [
  {
    id: 'root',
    accessKey: 'AKROOT',
    secretKey: 'secret-of-root-0001',
    policy: 'admin',
    buckets: ['*'],
  },
  {
    id: 'writer',
    accessKey: 'AKWRITER',
    secretKey: 'secret-of-writer-0002',
    policy: 'readwrite',
    buckets: ['team-*'],
  },
  {
    id: 'reader',
    accessKey: 'AKREADER',
    secretKey: 'secret-of-reader-0003',
    policy: 'readonly',
    buckets: ['team-*'],
  },
  {
    id: 'stranger',
    accessKey: 'AKSTRANGER',
    secretKey: 'secret-of-stranger-0004',
    policy: 'readwrite',
    buckets: ['elsewhere'],
  },
]

/** The S3 door over a real store in a temporary directory, on a loopback port. */
export class S3Node {
  readonly answers: Answered[] = []
  readonly reports: unknown[] = []
  /** What the provider `aws` holds. */
  readonly remote = new MemoryStore({ clock: systemClock, partBytesMin: 1 })
  readonly #directory: string
  readonly #server: Server
  readonly #store: ObjectStore
  readonly #target: Target
  readonly table: EmbeddedBucketTable

  private constructor(parts: {
    readonly directory: string
    readonly server: Server
    readonly store: ObjectStore
    readonly target: Target
    readonly table: EmbeddedBucketTable
  }) {
    this.#directory = parts.directory
    this.#server = parts.server
    this.#store = parts.store
    this.#target = parts.target
    this.table = parts.table
  }

  static async start(mode: 'open' | 'users'): Promise<S3Node> {
    const directory = await mkdtemp(join(tmpdir(), 'forebay-s3-'))
    const table = await EmbeddedBucketTable.open({
      dataDir: directory,
      clusterId: 'test',
      clock: systemClock,
    })
    const server = createServer({ maxHeaderSize: HEADER_BYTES_MAX, requireHostHeader: false })
    const locks = new KeyedLock()
    const store = await openStore({
      mountpaths: [{ path: join(directory, 'mp') }],
      clusterId: 'test',
      clock: systemClock,
      observer: { event: () => undefined },
      bucketOf: (id) => (id === SYSTEM_BUCKET_ID ? SYSTEM_BUCKET : table.byId(id)),
      lockKey: (bucketId, key) => locks.acquire(`${bucketId}/${key}`),
    })
    let remote: MemoryStore | undefined
    const target = createTarget({
      store,
      locks,
      backendOf: (bucket) => {
        if (remote === undefined) throw new Error('there is no remote yet')
        return createMemoryBackend(remote, bucket.backend?.bucket ?? '')
      },
      clock: systemClock,
      nodeId: 'node',
      sendfile: 'off',
      whenAbandoned: 'stop',
      fillsMax: 100,
      writeStallTimeoutMs: 5000,
      observer: {
        read: () => undefined,
        served: () => undefined,
        written: () => undefined,
        listed: () => undefined,
        warn: () => undefined,
      },
    })
    const node = new S3Node({ directory, server, store, target, table })
    remote = node.remote
    node.#open(mode)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return node
  }

  get port(): number {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('the node is closed')
    return address.port
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** What the store has of an object, past every door. */
  objects(bucketId: number, key: string): ObjectAttributes | undefined {
    return this.#store.get(bucketId, key)?.attributes
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
    await this.#target.shutdown()
    await this.#store.close()
    await rm(this.#directory, { recursive: true, force: true })
  }

  #open(mode: 'open' | 'users'): void {
    const resolver = new BucketResolver({
      table: this.table,
      providers: [
        {
          provider: 'aws',
          lookup: async (name) =>
            name.startsWith('remote') ? { provider: 'memory', bucket: name } : undefined,
        },
      ],
      allow: [],
      clock: systemClock,
      negativeTtlMs: 1000,
      negativeMax: 100,
    })
    const s3 = new S3Door({
      target: this.#target,
      table: this.table,
      resolver,
      region: 'us-east-1',
      baseDomains: ['s3.test'],
      hostId: 'host-of-the-test',
      owner: { id: 'owner', displayName: 'Owner' },
      readStallTimeoutMs: 2000,
      onAnswer: (answered) => this.answers.push(answered),
      report: (error) => this.reports.push(error),
    })
    const front = new FrontDoor({
      authenticator: new Authenticator({
        mode,
        users: mode === 'open' ? [] : USERS,
        region: 'us-east-1',
        clock: systemClock,
        allowSignatureV2: true,
      }),
      s3,
      native: (request, response) => {
        response.end(`native ${identityOf(request).kind}`)
      },
      refuseNative: (_error, _request, response) => {
        response.writeHead(403, ['Content-Type', 'application/json'])
        response.end('{"status":403}')
      },
      hostId: 'host-of-the-test',
    })
    front.attach(this.#server)
  }

  /**
   * Sends raw bytes and returns all that comes back until the connection ends or is quiet.
   *
   * @param quietMs how long nothing may come before the answer counts as complete
   */
  exchange(bytes: string | Buffer, options: { quietMs?: number; end?: boolean } = {}) {
    const { quietMs = 300, end = false } = options
    return new Promise<{ readonly text: string; readonly closed: boolean }>((resolve) => {
      const socket = connect(this.port, '127.0.0.1')
      let text = ''
      const finish = (closed: boolean): void => {
        clearTimeout(timer)
        socket.destroy()
        resolve({ text, closed })
      }
      let timer = setTimeout(() => finish(false), EXCHANGE_MS)
      socket.on('data', (chunk) => {
        text += chunk.toString('latin1')
        clearTimeout(timer)
        timer = setTimeout(() => finish(false), quietMs)
      })
      socket.on('close', () => finish(true))
      socket.on('error', () => finish(true))
      socket.write(bytes)
      if (end) socket.end()
    })
  }
}
