import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createMemoryBackend } from '@forebay/backend-memory/memory-backend'
import { MemoryStore } from '@forebay/backend-memory/memory-store'
import type { Backend, Capabilities } from '@forebay/backend-port/backend'
import type { Web } from '@forebay/backend-port/web'
import { KeyedLock } from '@forebay/base/keyed-lock'
import { EmbeddedBucketTable } from '@forebay/control/embedded-bucket-table'
import type { Lease } from '@forebay/jobs/engine'
import type { JobItem, JobRecord, JsonObject } from '@forebay/jobs/job'
import type { BackendProvider, BucketRecord } from '@forebay/model/bucket'
import { Inventories } from '../../inventory/inventories.ts'
import type { ObjectContext } from '../../objects/context.ts'
import { createObjectContext } from '../../objects/create-target.ts'
import { SYSTEM_BUCKET, SYSTEM_BUCKET_ID } from '../../objects/system-bucket.ts'
import { Target } from '../../objects/target.ts'
import { bodyOf, ShiftedClock } from '../../objects/testing/rig.ts'
import { Scrubber } from '../../scrub/scrubber.ts'
import { openStore } from '../../store/open-store.ts'
import type { StoreContext } from '../../store/store-context.ts'
import type { ItemResult, JobContext, KindWork } from '../kind-work.ts'

/** A test that asks it shows up. */
const NO_WEB: Web = {
  checkUrl: (text) => new URL(text),
  read: () => Promise.reject(new Error('there is no web in this test')),
  readIndex: () => Promise.reject(new Error('there is no web in this test')),
  readText: () => Promise.reject(new Error('there is no web in this test')),
}

const GLOBAL = { uuid: '', name: '' } as const

/** A lease that a test takes away. */
export class HeldLease implements Lease {
  readonly #abort = new AbortController()
  readonly signal = this.#abort.signal

  check(): void {
    this.signal.throwIfAborted()
  }

  lose(reason: Error): void {
    this.#abort.abort(reason)
  }
}

/** What is behind the buckets of a rig that have a backend, and which folders it opens. */
interface RigStores {
  readonly promoteFolders?: readonly string[]
  /** What the store in memory lacks. */
  readonly capabilities?: Partial<Capabilities>
  /** Of buckets that are at another store. */
  readonly backendOf?: (bucket: BucketRecord) => Backend | undefined
  readonly capacityBytes?: number
}

/** A node's store, buckets and stores behind them, for the works of jobs; its clock stands still. */
export class JobRig {
  nowMs = 1_790_000_000_400
  readonly clock = new ShiftedClock()
  readonly remote: MemoryStore
  readonly #directory: string
  readonly #promoteFolders: readonly string[] | undefined
  readonly #capacityBytes: number | undefined
  readonly #backendOf: (bucket: BucketRecord) => Backend
  #objects: ObjectContext | undefined
  #context: JobContext | undefined
  #close: (() => Promise<void>) | undefined

  private constructor(directory: string, stores: RigStores) {
    this.#directory = directory
    this.clock.now = () => this.nowMs
    this.remote = new MemoryStore({ clock: this.clock, partBytesMin: 1 })
    const { capabilities, backendOf, promoteFolders, capacityBytes } = stores
    this.#capacityBytes = capacityBytes
    this.#promoteFolders = promoteFolders
    this.#backendOf = (bucket) =>
      backendOf?.(bucket) ??
      createMemoryBackend(this.remote, bucket.backend?.bucket ?? '', { capabilities })
  }

  static async open(stores: RigStores = {}): Promise<JobRig> {
    const rig = new JobRig(mkdtempSync(join(tmpdir(), 'forebay-jobs-')), stores)
    await rig.#start()
    return rig
  }

  get context(): JobContext {
    if (this.#context === undefined) throw new Error('the rig is closed')
    return this.#context
  }

  /** What the rig's target stands on, for another one in its place. */
  get objects(): ObjectContext {
    if (this.#objects === undefined) throw new Error('the rig is closed')
    return this.#objects
  }

  async #start(): Promise<void> {
    const { clock } = this
    const locks = new KeyedLock()
    const buckets = await EmbeddedBucketTable.open({
      dataDir: join(this.#directory, 'data'),
      clusterId: 'testcluster',
      clock,
    })
    const store = await openStore({
      mountpaths: [{ path: join(this.#directory, 'mp') }],
      clusterId: 'testcluster',
      clock,
      observer: { event: () => undefined },
      bucketOf: (id) => (id === SYSTEM_BUCKET_ID ? SYSTEM_BUCKET : buckets.byId(id)),
      lockKey: (bucketId, key) => locks.acquire(`${bucketId}/${key}`),
      capacityBytes: this.#capacityBytes,
    })
    const inventories = await Inventories.open({
      directory: this.inventoryDirectory,
      clock,
      hasBucket: (id) => buckets.byId(id) !== undefined,
    })
    const objects = createObjectContext({
      store,
      inventories,
      locks,
      backendOf: this.#backendOf,
      clock,
      nodeId: 'testnode',
      sendfile: 'off',
      whenAbandoned: 'stop',
      fillsMax: 1000,
      loopBusyShare: () => 0,
      writeStallTimeoutMs: 60_000,
      observer: {
        read: () => undefined,
        served: () => undefined,
        written: () => undefined,
        listed: () => undefined,
        warn: () => undefined,
      },
    })
    this.#objects = objects
    const scrub = scrubberOf(objects, store.context, join(this.#directory, 'scrub.json'))
    const target = new Target(objects)
    this.#context = {
      nodeId: 'testnode',
      target,
      buckets,
      clock,
      web: NO_WEB,
      hub: { endpoint: '', tokenOf: () => undefined },
      inventories,
      promoteFolders: this.#promoteFolders,
      own: { objects, store, scrub },
      bucketOf: ({ bucket }) => {
        const found = bucket && buckets.find(bucket)
        if (found === undefined) throw new Error('no such bucket')
        return found
      },
      ownerOf: () => 'testnode',
    }
    this.#close = async () => {
      await scrub.close()
      await target.shutdown()
      await inventories.close()
      await store.close()
    }
  }

  get inventoryDirectory(): string {
    return join(this.#directory, 'inventory')
  }

  /** The node ends in order and comes back; the store behind it stays. */
  async restart(): Promise<void> {
    await this.#close?.()
    await this.#start()
  }

  async close(): Promise<void> {
    await this.#close?.()
    rmSync(this.#directory, { recursive: true, force: true })
  }

  native(name: string): Promise<BucketRecord> {
    return this.context.buckets.create({ provider: 'ais', namespace: GLOBAL, name })
  }

  /** A bucket with a store of its name behind it. */
  stored(name: string, provider: BackendProvider = 'memory'): Promise<BucketRecord> {
    this.remote.createBucket(name)
    const ref = { provider: 'aws', namespace: GLOBAL, name } as const
    return this.context.buckets.create(ref, { backend: { provider, bucket: name } })
  }

  async put(bucket: BucketRecord, key: string, bytes: string): Promise<void> {
    await this.context.target.write({
      ...{ bucket, key, headers: {}, metadata: {}, conditions: {}, stated: [], md5: true },
      ...{ body: bodyOf(Buffer.from(bytes)), signal: new AbortController().signal },
    })
  }

  async remove(bucket: BucketRecord, key: string): Promise<void> {
    const signal = new AbortController().signal
    await this.context.target.delete({ bucket, key, conditions: {}, signal })
  }

  /** All objects of a bucket, key to bytes. */
  async contents(bucket: BucketRecord): Promise<Readonly<Record<string, string>>> {
    const signal = new AbortController().signal
    const { objects } = await this.context.target.list({
      ...{ bucket, prefix: '', pageMax: 1000, signal },
    })
    const found: Record<string, string> = {}
    for (const { key } of objects) {
      const answer = await this.context.target.read({ bucket, key, conditions: {}, signal })
      if (answer.kind !== 'found') throw new Error(`${key}: ${answer.kind}`)
      const chunks: Buffer[] = []
      await answer.body.pump?.((chunk) => {
        chunks.push(Buffer.from(chunk))
      }, signal)
      found[key] = Buffer.concat(chunks).toString()
    }
    return found
  }

  /** A job that begins now. */
  job(kind: string, bucket: BucketRecord | undefined, args: JsonObject): JobRecord {
    return {
      id: 'job',
      kind,
      bucket: bucket?.ref,
      args,
      priority: 'normal',
      limits: {},
      state: 'running',
      createdMs: this.nowMs,
      startedMs: this.nowMs,
      attempt: 1,
      listing: { items: 0, bytes: 0, pages: 0, complete: false },
      counters: { done: 0, skipped: 0, failed: 0, bytes: 0 },
    }
  }

  /** Everything that the job lists, in its order. */
  async list(work: KindWork, job: JobRecord): Promise<readonly JobItem[]> {
    const items: JobItem[] = []
    let cursor: string | undefined
    do {
      const listed = await work.list(this.context, { job, cursor, lease: new HeldLease() })
      for (const page of listed.pages) items.push(...page.items)
      cursor = listed.cursor
    } while (cursor !== undefined)
    return items
  }

  apply(work: KindWork, job: JobRecord, item: JobItem): Promise<ItemResult> {
    return work.apply(this.context, { job, item, lease: new HeldLease() })
  }

  /** Lists, and then does everything. @returns by key what became of it, `done` or why not */
  async run(work: KindWork, job: JobRecord): Promise<Readonly<Record<string, string>>> {
    const results: Record<string, string> = {}
    for (const item of await this.list(work, job)) {
      const result = await this.apply(work, job, item)
      results[item.key] = result.kind === 'done' ? 'done' : result.why
    }
    return results
  }
}

function scrubberOf(objects: ObjectContext, store: StoreContext, documentPath: string): Scrubber {
  return new Scrubber({
    ...{ objects, store, documentPath, intervalMs: 0, bytesPerSecond: 0, filesPerSecond: 0 },
    fetchAgain: false,
    observer: { looked: () => undefined, found: () => undefined, ended: () => undefined },
  })
}
