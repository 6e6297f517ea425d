import {
  copyFileSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createMemoryBackend } from '@forebay/backend-memory/memory-backend'
import { MemoryStore } from '@forebay/backend-memory/memory-store'
import type { Backend, Capabilities, UploadBody } from '@forebay/backend-port/backend'
import { type Clock, systemClock } from '@forebay/base/clock'
import { Failure } from '@forebay/base/failure'
import { hashBuffer } from '@forebay/base/hash/digester'
import { KeyedLock } from '@forebay/base/keyed-lock'
import type { BucketRecord } from '@forebay/model/bucket'
import type { BucketProperties } from '@forebay/model/bucket-properties'
import type { ChecksumAlgorithm } from '@forebay/model/checksum'
import type { Conditions } from '@forebay/model/conditions'
import type { RangeRequest } from '@forebay/model/range'
import type { IncomingBody } from '@forebay/peer/bodies'
import type { LocalObjectStore } from '../../store/local-store.ts'
import { openStore, type StoreOptions } from '../../store/open-store.ts'
import type { ObjectContext } from '../context.ts'
import { createObjectContext } from '../create-target.ts'
import { readObject } from '../read.ts'
import { SYSTEM_BUCKET, SYSTEM_BUCKET_ID } from '../system-bucket.ts'
import { Target } from '../target.ts'

/** A clock that a test moves; waiting takes real time. */
export class ShiftedClock implements Clock {
  shiftMs = 0
  now(): number {
    return systemClock.now() + this.shiftMs
  }
  monotonic(): number {
    return systemClock.monotonic() + this.shiftMs
  }
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return systemClock.sleep(ms, signal)
  }
}

const NAMESPACE = { uuid: '', name: '' } as const

export const NATIVE: BucketRecord = Object.freeze({
  id: 1,
  ref: { provider: 'ais', namespace: NAMESPACE, name: 'native' },
  aliases: [],
  createdMs: 0,
  properties: {},
} as const)

/** A bucket with a backend in memory; `properties` as the test needs them. */
export function cachedBucket(properties: Partial<BucketProperties> = {}): BucketRecord {
  return Object.freeze({
    id: 2,
    ref: { provider: 'aws', namespace: NAMESPACE, name: 'cached' },
    aliases: [],
    createdMs: 0,
    backend: { provider: 'memory', bucket: 'remote' },
    properties,
  } as const)
}

/** How large the cache of a rig is. */
type Room = Pick<StoreOptions, 'capacityBytes' | 'watermarks'>

/** A real store in a temporary directory, with a store in memory behind it. */
export class Rig {
  directory: string
  readonly remote: MemoryStore
  readonly clock = new ShiftedClock()
  bucket: BucketRecord
  /** For the next start. */
  room: Room = {}
  /** For the next start; undefined: the product's own. */
  gatheredBytesMax: number | undefined
  readonly warnings: string[] = []
  /** What the store told, in order. */
  readonly events: string[] = []
  readonly reads: string[] = []
  readonly listSeeks: number[] = []
  #context: ObjectContext | undefined
  #store: LocalObjectStore | undefined
  #target: Target | undefined
  /** Cut from the backend, as a dead process is. */
  #life = { dead: false }

  readonly #capabilities: Partial<Capabilities>

  private constructor(
    bucket: BucketRecord,
    capabilities: Partial<Capabilities>,
    chunkBytes: number,
  ) {
    this.directory = mkdtempSync(join(tmpdir(), 'forebay-objects-'))
    this.bucket = bucket
    this.#capabilities = capabilities
    this.remote = new MemoryStore({ clock: this.clock, chunkBytes, partBytesMin: 1 })
    this.remote.createBucket('remote')
  }

  /**
   * @param capabilities what the store behind the bucket lacks
   * @param chunkBytes of the bodies that it answers
   */
  static async open(
    bucket: BucketRecord = cachedBucket(),
    capabilities: Partial<Capabilities> = {},
    chunkBytes = 16 * 1024,
  ): Promise<Rig> {
    const rig = new Rig(bucket, capabilities, chunkBytes)
    await rig.start(rig.directory)
    return rig
  }

  get context(): ObjectContext {
    if (this.#context === undefined) throw new Error('the rig is closed')
    return this.#context
  }

  /** Empty files that wait to be written, relative to the mountpath. */
  get spareFiles(): readonly string[] {
    return this.#store?.context.drives.flatMap(({ spares }) => spares.paths) ?? []
  }

  /** Files that flows have open to write. */
  get openWorkCount(): number {
    return this.#store?.context.drives.reduce((sum, { openWork }) => sum + openWork.size, 0) ?? 0
  }

  get target(): Target {
    if (this.#target === undefined) throw new Error('the rig is closed')
    return this.#target
  }

  async start(directory: string): Promise<void> {
    const locks = new KeyedLock()
    const life = { dead: false }
    this.#life = life
    const capabilities = this.#capabilities
    const backend = mortal(createMemoryBackend(this.remote, 'remote', { capabilities }), life)
    const store = await openStore({
      mountpaths: [{ path: join(directory, 'mp') }],
      clusterId: 'testcluster',
      clock: this.clock,
      observer: { event: (name) => this.events.push(name) },
      bucketOf: (id) => (id === SYSTEM_BUCKET_ID ? SYSTEM_BUCKET : id === 1 ? NATIVE : this.bucket),
      lockKey: (bucketId, key) => locks.acquire(`${bucketId}/${key}`),
      ...this.room,
    })
    this.#store = store
    this.#context = createObjectContext({
      store,
      locks,
      backendOf: () => backend,
      clock: this.clock,
      nodeId: 'testnode',
      sendfile: 'off',
      whenAbandoned: 'stop',
      fillsMax: 1000,
      gatheredBytesMax: this.gatheredBytesMax,
      // What else the machine does is no matter of a test.
      loopBusyShare: () => 0,
      writeStallTimeoutMs: 60_000,
      observer: {
        read: (_, status) => this.reads.push(status),
        served: () => undefined,
        written: () => undefined,
        listed: (seeks) => this.listSeeks.push(seeks),
        warn: (event) => this.warnings.push(event),
      },
    })
    this.#target = new Target(this.#context)
  }

  /** Starts anew from what a killed process would leave on disk: nothing is closed in order. */
  async crash(): Promise<void> {
    await this.crashDuring(() => Promise.resolve(), 0)
  }

  /**
   * Begins `work`, and crashes after so many turns of the event loop.
   *
   * @returns true when the work had been acknowledged by then
   */
  async crashDuring(work: () => Promise<unknown>, turns: number): Promise<boolean> {
    let acknowledged = false
    const working = work().then(
      () => {
        acknowledged = true
      },
      () => undefined,
    )
    for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve))
    const seen = acknowledged
    this.#life.dead = true
    const left = leaveBehind(this.directory)
    const packs = packsBelow(left)
    await working
    await this.stop()
    for (const [path, bytes] of packs) writeFileSync(path, bytes)
    rmSync(this.directory, { recursive: true, force: true })
    this.directory = left
    await this.start(left)
    return seen && turns > 0
  }

  /** Opens the store again: objects of every size are followed from their file while it is written. */
  async fillFiles(): Promise<void> {
    this.gatheredBytesMax = -1
    await this.restart()
  }

  /** Ends the store in order and opens it again. */
  async restart(): Promise<void> {
    await this.stop()
    await this.start(this.directory)
  }

  async stop(): Promise<void> {
    await this.#target?.shutdown()
    await this.#context?.store.close()
    this.#context = undefined
    this.#target = undefined
  }

  async close(): Promise<void> {
    await this.stop()
    rmSync(this.directory, { recursive: true, force: true })
  }

  put(
    key: string,
    bytes: Buffer | string,
    options: { readonly conditions?: Conditions; readonly bucket?: BucketRecord } = {},
  ) {
    return this.target.write({
      bucket: options.bucket ?? this.bucket,
      key,
      headers: {},
      metadata: {},
      conditions: options.conditions ?? {},
      stated: [],
      md5: true,
      body: bodyOf(Buffer.from(bytes)),
      signal: new AbortController().signal,
    })
  }

  /** The object's bytes, undefined when it is absent. */
  async get(
    key: string,
    options: {
      readonly range?: RangeRequest
      readonly bucket?: BucketRecord
      readonly latest?: boolean
    } = {},
  ): Promise<Buffer | undefined> {
    const signal = new AbortController().signal
    const bucket = options.bucket ?? this.bucket
    const answer = await readObject(this.context, {
      bucket,
      key,
      conditions: {},
      range: options.range,
      latest: options.latest,
      signal,
    })
    if (answer.kind === 'absent') return undefined
    if (answer.kind !== 'found') throw new Error(`unexpected answer ${answer.kind}`)
    const chunks: Buffer[] = []
    await answer.body.pump((chunk) => {
      chunks.push(Buffer.from(chunk))
    }, signal)
    await this.context.fills.published()
    return Buffer.concat(chunks)
  }

  /** Waits until no fill is under way. */
  async idle(): Promise<void> {
    while (this.context.fills.activeCount > 0) await this.clock.sleep(1)
  }

  head(key: string, bucket = this.bucket) {
    return this.target.head({ bucket, key, conditions: {}, signal: new AbortController().signal })
  }

  remove(key: string, bucket = this.bucket) {
    return this.target.delete({ bucket, key, conditions: {}, signal: new AbortController().signal })
  }
}

/** Directories whose files the dying process would go on changing in place. */
const CHANGED_IN_PLACE = /\/\.forebay(\/(journal|index))?$/

const TRASH = '/.forebay/trash'

/** Written once; another inode of it would tell that the files are copies. */
const MARKER = 'marker.json'

/**
 * What a killed process leaves at one instant, in a new directory. Threads of the dying process finish
 * what they were at, a rename say; nothing follows, for this turn does not end before they are still.
 */
function leaveBehind(from: string): string {
  for (;;) {
    const left = mkdtempSync(join(tmpdir(), 'forebay-objects-'))
    try {
      const before = namesBelow(from).join('\n')
      copyTree(from, left)
      if (namesBelow(from).join('\n') === before) return left
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
    }
    rmSync(left, { recursive: true, force: true })
  }
}

/** Packs as they are now: the dying process goes on writing to them, and a copy would have another inode. */
function packsBelow(directory: string): ReadonlyMap<string, Buffer> {
  const packs = new Map<string, Buffer>()
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    const path = join(directory, name)
    if (path.includes('/.forebay/packs/')) packs.set(path, readFileSync(path))
  }
  return packs
}

/** Every name below a directory but those in the trash. */
function namesBelow(directory: string): readonly string[] {
  if (directory.endsWith(TRASH)) return []
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name)
    return entry.isDirectory() ? [path, ...namesBelow(path)] : [path]
  })
}

/** Objects with their inodes (as links, for the journal names inodes), journal and index as copies. */
function copyTree(from: string, to: string): void {
  mkdirSync(to, { recursive: true })
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const source = join(from, entry.name)
    const copy = join(to, entry.name)
    // Threads of the dying process go on removing what was set aside, until nothing of it is left.
    if (source.endsWith(TRASH)) mkdirSync(copy)
    else if (entry.isDirectory()) copyTree(source, copy)
    else if (entry.isFile() && CHANGED_IN_PLACE.test(from) && entry.name !== MARKER) {
      copyFileSync(source, copy)
    } else if (entry.isFile()) linkSync(source, copy)
  }
}

/** A backend that a dead process cannot reach: no request begins, no upload goes on. */
function mortal(backend: Backend, life: { readonly dead: boolean }): Backend {
  const alive = <T>(work: () => Promise<T>): Promise<T> =>
    life.dead ? Promise.reject(new Failure('backend-unreachable', 'the process is dead')) : work()
  const breathing = (body: UploadBody): UploadBody => ({
    ...body,
    lengthBytes: body.lengthBytes,
    repeatable: body.repeatable,
    chunks: async function* () {
      for await (const chunk of body.chunks()) {
        if (life.dead) throw new Failure('backend-unreachable', 'the process is dead')
        yield chunk
      }
      if (life.dead) throw new Failure('backend-unreachable', 'the process is dead')
    },
  })
  const { mutations } = backend
  return {
    ...backend,
    read: (options) => alive(() => backend.read(options)),
    head: (options) => alive(() => backend.head(options)),
    list: (options) => alive(() => backend.list(options)),
    mutations: mutations && {
      ...mutations,
      write: (options, body) => alive(() => mutations.write(options, breathing(body))),
      writePart: (options, body) => alive(() => mutations.writePart(options, breathing(body))),
      delete: (options) => alive(() => mutations.delete(options)),
      copy: (options) => alive(() => mutations.copy(options)),
      completeUpload: (options) => alive(() => mutations.completeUpload(options)),
    },
  }
}

/** A body of a client that states nothing; `digests` are what it would have checked. */
export function bodyOf(
  bytes: Buffer,
  options: { readonly chunkBytes?: number; readonly md5?: string; readonly failAt?: number } = {},
): IncomingBody {
  const chunkBytes = options.chunkBytes ?? 10_000
  const digestsNeeded: readonly ChecksumAlgorithm[] = options.md5 === undefined ? [] : ['md5']
  return {
    lengthBytes: bytes.length,
    digestsNeeded,
    pump: async (write, signal) => {
      for (let at = 0; at < bytes.length; at += chunkBytes) {
        signal.throwIfAborted()
        if (options.failAt !== undefined && at >= options.failAt) throw new Error('the client left')
        await write(Buffer.from(bytes.subarray(at, at + chunkBytes)))
      }
    },
    judge: (digests) => {
      if (options.md5 !== undefined && digests.get('md5') !== options.md5)
        throw new Error('wrong md5')
      return { checksums: [] }
    },
  }
}

/** Bytes that differ at every place and from seed to seed. */
export function pattern(sizeBytes: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(sizeBytes)
  let state = seed >>> 0
  for (let at = 0; at < sizeBytes; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    bytes[at] = state >>> 24
  }
  return bytes
}

export function md5Of(bytes: Buffer): string {
  return hashBuffer('md5', bytes)
}
