import { join } from 'node:path'
import type { Clock } from '@forebay/base/clock'
import { Failure } from '@forebay/base/failure'
import { KeyedLock } from '@forebay/base/keyed-lock'
import {
  type BucketRecord,
  type BucketRef,
  formatBucket,
  type Provider,
} from '@forebay/model/bucket'
import type { BucketProperties } from '@forebay/model/bucket-properties'
import { checkProperties } from '@forebay/model/property-list'
import {
  addToRanges,
  type BucketDocument,
  decodeBucketDocument,
  encodeBucketDocument,
  sameBucket,
} from './bucket-document.ts'
import { checkAlias, checkBackend, checkRef } from './bucket-names.ts'
import { mergeBucketS3 } from './bucket-s3-codec.ts'
import type { BucketChange, BucketOptions, BucketTable } from './bucket-table.ts'
import { compareDocuments } from './document.ts'
import { prepareDirectory, readText, replaceFile } from './durable-file.ts'

/** Buckets of one table: S3's own limit for an account; a change then writes about 5 MiB. */
export const BUCKETS_MAX = 10_000

/** Names that one bucket may have besides its own. */
export const ALIASES_MAX = 100

/**
 * Ids skipped when the newest version was lost: one that it had given out must not come back, because
 * objects of that bucket may lie on the disks. A version gives out one id at most.
 */
const IDS_SKIPPED_AFTER_LOSS = 1000

/** How the table was found at start; anything but `current` and `new` is worth a line in the log. */
export type TableStart =
  | { readonly kind: 'new' }
  | { readonly kind: 'current' }
  /** The newest version could not be read; the one before it is used, and the last change is lost. */
  | { readonly kind: 'previous'; readonly why: string }

export interface EmbeddedTableOptions {
  readonly dataDir: string
  readonly clusterId: string
  readonly clock: Clock
}

/**
 * The bucket table of a cluster of one node: a durable document in the data directory.
 *
 * `buckets.json` is the newest version, `buckets.previous.json` the one before. A change writes the
 * previous copy first, then the newest, each atomically, so at any instant one of them is whole and
 * no change that was acknowledged is lost to a crash.
 */
export class EmbeddedBucketTable implements BucketTable {
  readonly start: TableStart
  readonly #path: string
  readonly #previousPath: string
  readonly #clock: Clock
  readonly #lock = new KeyedLock()
  #view: View
  /** Versions and ids that a failed write may have brought to disk are not used again. */
  #versionUsed: number
  #idUsed: number

  /**
   * Reads the table, or makes a new one where there is none.
   *
   * @throws Failure `format-newer`; `disk-error` when no copy can be read, saying what to do;
   * `setting-invalid` when the directory belongs to another cluster
   */
  static async open(options: EmbeddedTableOptions): Promise<EmbeddedBucketTable> {
    const paths = tablePaths(options.dataDir)
    await prepareDirectory(options.dataDir, [paths.newest, paths.previous])
    const found = await findNewest(paths)
    if (found === undefined) {
      const first = encodeBucketDocument(firstDocument(options.clusterId))
      await replaceFile(paths.newest, first.text, 'bucket-table.newest')
      return new EmbeddedBucketTable(options, first.document, { kind: 'new' })
    }
    const { document, start } = found
    if (document.clusterId !== options.clusterId) {
      throw new Failure(
        'setting-invalid',
        `the bucket table in ${options.dataDir} is of cluster ${document.clusterId}, this node of ${options.clusterId}; choose another dataDir`,
      )
    }
    if (start.kind === 'current') return new EmbeddedBucketTable(options, document, start)
    // A new epoch outranks the lost version, should it turn up again somewhere.
    const next = encodeBucketDocument({
      ...document,
      epoch: document.epoch + 1,
      version: document.version + 1,
      parentHash: document.hash,
      nextId: document.nextId + IDS_SKIPPED_AFTER_LOSS,
    })
    await replaceFile(paths.newest, next.text, 'bucket-table.newest')
    return new EmbeddedBucketTable(options, next.document, start)
  }

  private constructor(options: EmbeddedTableOptions, document: BucketDocument, start: TableStart) {
    const paths = tablePaths(options.dataDir)
    this.#path = paths.newest
    this.#previousPath = paths.previous
    this.#clock = options.clock
    this.#view = new View(document)
    this.#versionUsed = document.version
    this.#idUsed = document.nextId - 1
    this.start = start
  }

  get version(): number {
    return this.#view.document.version
  }

  /** The present version as a document, for other nodes and for `forebay fsck`. */
  get document(): BucketDocument {
    return this.#view.document
  }

  get(name: string, provider?: Provider): readonly BucketRecord[] {
    const found = this.#view.byName.get(name) ?? NONE
    if (provider === undefined || found.length === 0) return found
    return found.filter((bucket) => bucket.ref.provider === provider)
  }

  find(ref: BucketRef): BucketRecord | undefined {
    return this.#view.byRef.get(formatBucket(ref))
  }

  byId(id: number): BucketRecord | undefined {
    return this.#view.byId.get(id)
  }

  list(): readonly BucketRecord[] {
    return this.#view.document.buckets
  }

  create(ref: BucketRef, options: BucketOptions = {}): Promise<BucketRecord> {
    return this.#change((document) => {
      checkRef(ref)
      if (options.backend !== undefined) checkBackend(options.backend)
      const properties = stated(options.properties ?? {})
      const aliases = checkAliases(options.aliases ?? [])
      this.#checkFree(ref, aliases)
      if (document.buckets.length >= BUCKETS_MAX) {
        throw new Failure(
          'bad-request',
          `there are ${BUCKETS_MAX} buckets already, the most there may be`,
        )
      }
      this.#idUsed += 1
      const created = freezeBucket({
        id: this.#idUsed,
        ref,
        aliases,
        createdMs: this.#clock.now(),
        ...(options.backend === undefined ? {} : { backend: options.backend }),
        properties,
      })
      return {
        result: created,
        buckets: [...document.buckets, created],
        destroyed: document.destroyed,
      }
    })
  }

  update(id: number, change: BucketChange): Promise<BucketRecord> {
    return this.#change((document) => {
      const before = this.#view.byId.get(id)
      if (before === undefined)
        throw new Failure('bucket-not-found', `there is no bucket with id ${id}`)
      const aliases = change.aliases === undefined ? before.aliases : checkAliases(change.aliases)
      this.#checkFree(before.ref, aliases, before)
      const after = freezeBucket({
        ...before,
        aliases,
        properties: stated({ ...before.properties, ...change.properties }),
        s3: mergeBucketS3(before.s3, change.s3),
      })
      if (sameBucket(before, after)) return { result: before }
      const buckets = document.buckets.map((bucket) => (bucket.id === id ? after : bucket))
      return { result: after, buckets, destroyed: document.destroyed }
    })
  }

  rename(id: number, ref: BucketRef): Promise<BucketRecord> {
    return this.#change((document) => {
      const before = this.#view.byId.get(id)
      if (before === undefined)
        throw new Failure('bucket-not-found', `there is no bucket with id ${id}`)
      checkRef(ref)
      this.#checkFree(ref, before.aliases, before)
      const after = freezeBucket({ ...before, ref })
      if (sameBucket(before, after)) return { result: before }
      const buckets = document.buckets.map((bucket) => (bucket.id === id ? after : bucket))
      return { result: after, buckets, destroyed: document.destroyed }
    })
  }

  destroy(id: number): Promise<boolean> {
    return this.#change<boolean>((document) => {
      if (!this.#view.byId.has(id)) return { result: false }
      const buckets = document.buckets.filter((bucket) => bucket.id !== id)
      return { result: true, buckets, destroyed: addToRanges(document.destroyed, id) }
    })
  }

  /** Applies one change after the other; memory follows only when the disk has it. */
  #change<T>(plan: (document: BucketDocument) => Planned<T>): Promise<T> {
    return this.#lock.hold('table', async () => {
      const { document } = this.#view
      const planned = plan(document)
      if (planned.buckets === undefined) return planned.result
      this.#versionUsed += 1
      const next = encodeBucketDocument({
        clusterId: document.clusterId,
        epoch: document.epoch,
        version: this.#versionUsed,
        parentHash: document.hash,
        nextId: this.#idUsed + 1,
        destroyed: planned.destroyed,
        buckets: Object.freeze(planned.buckets),
      })
      const present = encodeBucketDocument(document)
      await replaceFile(this.#previousPath, present.text, 'bucket-table.previous')
      await replaceFile(this.#path, next.text, 'bucket-table.newest')
      this.#view = new View(next.document)
      return planned.result
    })
  }

  #checkFree(ref: BucketRef, aliases: readonly string[], self?: BucketRecord): void {
    const taken = this.find(ref)
    if (taken !== undefined && taken !== self) {
      throw new Failure('bucket-exists', `bucket ${formatBucket(ref)} exists already`)
    }
    const owner = this.get(ref.name).find((bucket) => bucket.aliases.includes(ref.name))
    if (owner !== undefined && owner !== self && isGlobal(ref)) {
      throw new Failure(
        'bucket-exists',
        `"${ref.name}" is an alias of ${formatBucket(owner.ref)}; remove the alias or choose another name`,
      )
    }
    for (const alias of aliases) {
      const holder = this.get(alias).find((bucket) => bucket !== self)
      if (holder !== undefined || (isGlobal(ref) && alias === ref.name)) {
        throw new Failure(
          'bucket-exists',
          `alias "${alias}" is taken by ${formatBucket(holder?.ref ?? ref)}`,
        )
      }
    }
  }
}

type Planned<T> =
  | { readonly result: T; readonly buckets?: undefined }
  | {
      readonly result: T
      readonly buckets: readonly BucketRecord[]
      readonly destroyed: BucketDocument['destroyed']
    }

const NONE: readonly BucketRecord[] = Object.freeze([])

/** Look-ups over one version. */
class View {
  readonly document: BucketDocument
  readonly byId: ReadonlyMap<number, BucketRecord>
  readonly byRef: ReadonlyMap<string, BucketRecord>
  /** By name or alias, of the global namespace only; `ais` first. */
  readonly byName: ReadonlyMap<string, readonly BucketRecord[]>

  constructor(document: BucketDocument) {
    this.document = document
    this.byId = new Map(document.buckets.map((bucket) => [bucket.id, bucket]))
    this.byRef = new Map(document.buckets.map((bucket) => [formatBucket(bucket.ref), bucket]))
    const byName = new Map<string, BucketRecord[]>()
    for (const bucket of document.buckets) {
      const names = isGlobal(bucket.ref) ? [bucket.ref.name, ...bucket.aliases] : bucket.aliases
      for (const name of names) {
        const held = byName.get(name)
        if (held === undefined) byName.set(name, [bucket])
        else if (bucket.ref.provider === 'ais') held.unshift(bucket)
        else held.push(bucket)
      }
    }
    for (const held of byName.values()) Object.freeze(held)
    this.byName = byName
  }
}

interface Paths {
  readonly newest: string
  readonly previous: string
}

function tablePaths(dataDir: string): Paths {
  return { newest: join(dataDir, 'buckets.json'), previous: join(dataDir, 'buckets.previous.json') }
}

async function findNewest(
  paths: Paths,
): Promise<{ readonly document: BucketDocument; readonly start: TableStart } | undefined> {
  const newestText = await readText(paths.newest)
  const previousText = await readText(paths.previous)
  if (newestText === undefined && previousText === undefined) return undefined
  const absent = { kind: 'corrupt', why: 'it is missing' } as const
  const newest = newestText === undefined ? absent : decodeBucketDocument(newestText)
  const previous = previousText === undefined ? absent : decodeBucketDocument(previousText)
  if (newest.kind === 'valid') {
    const newer =
      previous.kind === 'valid' && compareDocuments(previous.document, newest.document) > 0
    // Only a copy put back by hand can make the previous one the newer.
    return newer
      ? { document: previous.document, start: { kind: 'previous', why: 'it is the older one' } }
      : { document: newest.document, start: { kind: 'current' } }
  }
  if (previous.kind === 'valid') {
    return { document: previous.document, start: { kind: 'previous', why: newest.why } }
  }
  throw new Failure(
    'disk-error',
    `the bucket table cannot be read: ${paths.newest}: ${newest.why}; ${paths.previous}: ${previous.why}`,
    {
      hint: 'Put a copy of buckets.json back. Without one, move both files away and add the buckets again; objects of native buckets stay on the disks but are no longer reachable.',
    },
  )
}

function firstDocument(clusterId: string): Omit<BucketDocument, 'hash'> {
  return Object.freeze({
    clusterId,
    epoch: 1,
    version: 1,
    parentHash: '',
    nextId: 1,
    destroyed: [],
    buckets: Object.freeze([]),
  })
}

function checkAliases(aliases: readonly string[]): readonly string[] {
  if (aliases.length > ALIASES_MAX) {
    throw new Failure('argument-invalid', `a bucket has at most ${ALIASES_MAX} aliases`)
  }
  aliases.forEach(checkAlias)
  return [...new Set(aliases)]
}

/** The properties that have a value, checked. */
function stated(properties: Partial<BucketProperties>): Partial<BucketProperties> {
  checkProperties(properties)
  return Object.freeze(
    Object.fromEntries(Object.entries(properties).filter(([, value]) => value !== undefined)),
  )
}

function freezeBucket(bucket: BucketRecord): BucketRecord {
  const { ref, backend } = bucket
  return Object.freeze<BucketRecord>({
    ...bucket,
    ref: Object.freeze({ ...ref, namespace: Object.freeze({ ...ref.namespace }) }),
    aliases: Object.freeze([...bucket.aliases]),
    ...(backend === undefined ? {} : { backend: Object.freeze({ ...backend }) }),
  })
}

function isGlobal(ref: BucketRef): boolean {
  return ref.namespace.uuid === '' && ref.namespace.name === ''
}
