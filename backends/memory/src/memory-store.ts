import { createHash } from 'node:crypto'
import type { Clock } from '@forebay/base/clock'
import { systemClock } from '@forebay/base/clock'
import { Failure } from '@forebay/base/failure'
import { PART_BYTES_MIN } from '@forebay/base/limits'
import type { ObjectAttributes, StoredHeaders, UserMetadata } from '@forebay/model/object'
import type { Validators } from '@forebay/model/version'
import { bytesOf, corruptAt, patternOf } from './byte-source.ts'
import { type Fault, FaultScript, type Operation } from './faults.ts'
import { MemoryBucket, type StoredVersion } from './memory-bucket.ts'

/** Requests that the log keeps; older ones are forgotten, the counts are not. */
export const LOG_MAX = 100_000

/** One request as the store saw it. */
export interface LoggedRequest {
  readonly operation: Operation
  readonly bucket: string
  readonly key: string | undefined
  /** Of a read that asked for a range. */
  readonly range: { readonly offset: number; readonly lengthBytes: number } | undefined
}

export interface StoreOptions {
  readonly clock?: Clock
  /** Numbers 0..1 for faults with a probability. */
  readonly random?: () => number
  /** What answers say about the version. Default `strong`. */
  readonly validators?: 'strong' | 'weak' | 'none'
  /** Smallest part but the last, bytes. Default 5 MiB (S3 API); tests may lower it. */
  readonly partBytesMin?: number
  /** Bytes of one chunk of an answered body. Default 64 KiB. */
  readonly chunkBytes?: number
}

export interface PutOptions {
  readonly headers?: StoredHeaders
  readonly metadata?: UserMetadata
  readonly storageClass?: string
  /** Default: the MD5 of the bytes. */
  readonly etag?: string
  /** Default: the store's clock. */
  readonly lastModifiedMs?: number
}

/**
 * An object store in memory: the "remote" that several backends share and that a test changes behind
 * their back. Follows the S3 API where stores differ.
 *
 * Methods of this class are not requests: they are not counted and no fault hits them.
 */
export class MemoryStore {
  readonly clock: Clock
  readonly partBytesMin: number
  readonly chunkBytes: number
  /** What answers say about the version; a test may change it at any time. */
  validators: 'strong' | 'weak' | 'none'
  /** Bytes of object bodies that left the store. */
  bytesRead = 0
  /** Bytes of object bodies that came in, applied or not. */
  bytesWritten = 0
  readonly #buckets = new Map<string, MemoryBucket>()
  readonly #faults: FaultScript
  readonly #counts = new Map<Operation, number>()
  #log: LoggedRequest[] = []

  constructor(options: StoreOptions = {}) {
    this.clock = options.clock ?? systemClock
    this.partBytesMin = options.partBytesMin ?? PART_BYTES_MIN
    this.chunkBytes = options.chunkBytes ?? 64 * 1024
    this.validators = options.validators ?? 'strong'
    this.#faults = new FaultScript(options.random ?? Math.random)
  }

  /** Makes an empty bucket; one that exists is left as it is. */
  createBucket(name: string, options: { readonly versioned?: boolean } = {}): MemoryBucket {
    const found = this.#buckets.get(name)
    if (found !== undefined) return found
    const versioned = options.versioned ?? false
    const bucket = new MemoryBucket(name, { versioned, createdMs: this.clock.now() })
    this.#buckets.set(name, bucket)
    return bucket
  }

  /** Removes the bucket with everything in it. */
  deleteBucket(name: string): void {
    this.#buckets.delete(name)
  }

  findBucket(name: string): MemoryBucket | undefined {
    return this.#buckets.get(name)
  }

  bucketNames(): readonly string[] {
    return [...this.#buckets.keys()].sort()
  }

  /** @throws Failure `bucket-not-found` */
  bucket(name: string): MemoryBucket {
    const found = this.#buckets.get(name)
    if (found === undefined) throw new Failure('bucket-not-found', `no bucket ${name} at the store`)
    return found
  }

  /** Writes behind the back of every backend. */
  put(
    bucket: string,
    key: string,
    content: Buffer | string | (PutOptions & { readonly bytes: Buffer | string }),
  ): StoredVersion {
    const plain = typeof content === 'string' || Buffer.isBuffer(content)
    const options = plain ? { bytes: content } : content
    const bytes = Buffer.from(options.bytes)
    const md5 = createHash('md5').update(bytes).digest('hex')
    return this.#place(bucket, key, {
      ...options,
      etag: options.etag ?? md5,
      checksums: [{ algorithm: 'md5', kind: 'whole', hex: md5 }],
      source: bytesOf(bytes),
    })
  }

  /** Writes an object of any size whose bytes are computed when read; its ETag is no MD5. */
  putPattern(
    bucket: string,
    key: string,
    options: PutOptions & { readonly sizeBytes: number; readonly seed: number },
  ): StoredVersion {
    const { sizeBytes, seed } = options
    const etag = options.etag ?? `pattern-${seed}-${sizeBytes}`
    const source = patternOf(sizeBytes, seed)
    return this.#place(bucket, key, { ...options, etag, checksums: [], source })
  }

  /** Deletes behind the back of every backend. */
  delete(bucket: string, key: string): void {
    this.bucket(bucket).delete(key)
  }

  /** Turns over one stored byte; ETag, dates and checksums go on telling of the old bytes. */
  corrupt(bucket: string, key: string, at: number): void {
    const current = this.bucket(bucket).current(key)
    if (current === undefined) throw new Failure('object-not-found', `no object ${key} to corrupt`)
    this.bucket(bucket).replaceSilently(key, corruptAt(current.source, at))
  }

  /** Current version, `undefined` when there is none. */
  get(bucket: string, key: string): StoredVersion | undefined {
    return this.bucket(bucket).current(key)
  }

  /** Bytes of the current version, `undefined` when there is none. */
  bytes(bucket: string, key: string): Buffer | undefined {
    const source = this.get(bucket, key)?.source
    return source?.slice(0, source.sizeBytes)
  }

  /** Lets something go wrong; see `Fault`. Lines add up until used or cleared. */
  addFault(fault: Fault): void {
    this.#faults.add(fault)
  }

  clearFaults(): void {
    this.#faults.clear()
  }

  /** Requests since the start or `resetCounts`, of one operation or of all. */
  requestCount(operation?: Operation): number {
    if (operation !== undefined) return this.#counts.get(operation) ?? 0
    return [...this.#counts.values()].reduce((sum, count) => sum + count, 0)
  }

  /** The last `LOG_MAX` requests, oldest first. */
  log(): readonly LoggedRequest[] {
    return this.#log
  }

  resetCounts(): void {
    this.#counts.clear()
    this.#log = []
    this.bytesRead = 0
    this.bytesWritten = 0
  }

  /** Counts a request and tells what shall go wrong with it. For backends of this store only. */
  admit(request: LoggedRequest): ReturnType<FaultScript['take']> {
    this.#counts.set(request.operation, this.requestCount(request.operation) + 1)
    this.#log.push(request)
    if (this.#log.length > LOG_MAX) this.#log = this.#log.slice(LOG_MAX / 2)
    return this.#faults.take(request.operation, request.key)
  }

  /** What an answer about this version says of it. */
  validatorsOf(version: StoredVersion): Validators {
    if (this.validators === 'none') return {}
    return {
      versionId: version.versionId,
      etag: version.etag,
      etagWeak: this.validators === 'weak',
      lastModifiedMs: wholeSeconds(version.lastModifiedMs),
      dateMs: wholeSeconds(this.clock.now()),
    }
  }

  /** The attributes that an answer about this version carries. */
  attributesOf(version: StoredVersion): ObjectAttributes {
    return {
      sizeBytes: version.source.sizeBytes,
      etag: this.validators === 'none' ? '' : version.etag,
      lastModifiedMs: wholeSeconds(version.lastModifiedMs),
      headers: version.headers,
      metadata: version.metadata,
      checksums: version.checksums,
      parts: version.parts,
      partCount: version.parts?.length,
      storageClass: version.storageClass,
      tagCount: version.tags?.length || undefined,
      validators: this.validatorsOf(version),
    }
  }

  #place(
    bucket: string,
    key: string,
    options: PutOptions & Pick<StoredVersion, 'checksums' | 'etag' | 'source'>,
  ): StoredVersion {
    return this.bucket(bucket).put(key, {
      source: options.source,
      etag: options.etag,
      lastModifiedMs: options.lastModifiedMs ?? this.clock.now(),
      headers: options.headers ?? {},
      metadata: options.metadata ?? {},
      checksums: options.checksums,
      parts: undefined,
      storageClass: options.storageClass,
    })
  }
}

function wholeSeconds(ms: number): number {
  return Math.floor(ms / 1000) * 1000
}
