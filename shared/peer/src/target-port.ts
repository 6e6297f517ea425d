import type { BucketRecord } from '@forebay/model/bucket'
import type { Checksum, ChecksumAlgorithm } from '@forebay/model/checksum'
import type { Conditions } from '@forebay/model/conditions'
import type {
  ListedObject,
  ObjectAttributes,
  StoredHeaders,
  Tags,
  UserMetadata,
} from '@forebay/model/object'
import type { ByteRange, RangeRequest } from '@forebay/model/range'
import type { Validators } from '@forebay/model/version'
import type { BodyVerdict, IncomingBody, ObjectBody } from './bodies.ts'

/** A question to the backend of a bucket about the bucket itself. */
export interface BucketCall {
  readonly bucket: BucketRecord
  readonly signal: AbortSignal
}

/** How an answer came about; the value of the `Forebay-Cache` header. */
export type CacheStatus = 'hit' | 'miss' | 'partial' | 'stale' | 'revalidated' | 'bypass'

/** One object; the bucket is the row that the caller authorised against. */
export interface ObjectAddress {
  readonly bucket: BucketRecord
  readonly key: string
}

export interface ReadRequest extends ObjectAddress {
  readonly range?: RangeRequest | undefined
  /** One part of a multipart object, 1..10,000; excludes `range`. */
  readonly partNumber?: number | undefined
  /** A version by the id that its backend gave it, or `null`; absent: the current one. */
  readonly versionId?: string | undefined
  readonly conditions: Conditions
  /** Ask the backend first whatever the freshness (AIStore's `latest-ver`). */
  readonly latest?: boolean | undefined
  readonly signal: AbortSignal
}

/** Facts of the cache about an answer. */
export interface CacheFacts {
  readonly status: CacheStatus
  /** Whole seconds since the backend last confirmed this version; 0 for native buckets. */
  readonly ageSeconds: number
}

export type ReadAnswer =
  | {
      readonly kind: 'found'
      readonly attributes: ObjectAttributes
      /** The bytes in `body`; absent: all of them (200 instead of 206). */
      readonly range: ByteRange | undefined
      /** With `partNumber`: how many parts there are. */
      readonly partCount?: number | undefined
      readonly body: ObjectBody
      readonly cache: CacheFacts
    }
  | {
      readonly kind: 'not-modified'
      readonly attributes: ObjectAttributes
      readonly cache: CacheFacts
    }
  | { readonly kind: 'precondition-failed' }
  | { readonly kind: 'unsatisfiable'; readonly sizeBytes: number }
  | { readonly kind: 'absent' }

export type HeadAnswer =
  | {
      readonly kind: 'found'
      readonly attributes: ObjectAttributes
      readonly range: ByteRange | undefined
      readonly partCount?: number | undefined
      /** Bytes of the object on local disks, 0..`sizeBytes`. */
      readonly cachedBytes: number
      readonly cache: CacheFacts
    }
  | Exclude<ReadAnswer, { kind: 'found' }>

/**
 * What a mutation may change, beyond its conditions: those go by tags alone, and an object that is
 * written anew with the same bytes has the same tag. Held under the key's lock, right before the commit;
 * what does not hold is Failure `precondition-failed`, or `object-not-found`, and changes nothing.
 */
export interface Guard {
  /** The version that is to be there, as a list or HEAD told it; `absent`: none. */
  readonly version?:
    | 'absent'
    | { readonly etag: string; readonly lastModifiedMs: number }
    | undefined
  /** Wall clock of this node, ms: what is there must surely have been there before. */
  readonly beforeMs?: number | undefined
  /** Called last, without I/O after it but the commit; what it throws is the mutation's failure. */
  readonly check?: (() => void) | undefined
}

export interface WriteRequest extends ObjectAddress {
  readonly headers: StoredHeaders
  readonly metadata: UserMetadata
  readonly conditions: Conditions
  readonly storageClass?: string | undefined
  readonly tags?: Tags | undefined
  /** Stated before the body, to be passed on to a backend that verifies them too. */
  readonly stated: readonly Checksum[]
  readonly contentMd5Hex?: string | undefined
  /** True: the ETag is the MD5 of the body (S3). False: an ETag with a dash, no MD5 (`/v1`). */
  readonly md5: boolean
  readonly guard?: Guard | undefined
  readonly body: IncomingBody
  readonly signal: AbortSignal
}

export interface WriteAnswer {
  readonly attributes: ObjectAttributes
  readonly versionId?: string | undefined
}

export interface DeleteRequest extends ObjectAddress {
  readonly conditions: Conditions
  /** Of an evict: the version that is cached; another one stays. */
  readonly guard?: Guard | undefined
  readonly signal: AbortSignal
}

export interface CopyRequest extends ObjectAddress {
  readonly source: ObjectAddress
  readonly sourceConditions: Conditions
  /** As the caller knows it: what a store does not copy at once goes in parts. */
  readonly sourceSizeBytes?: number | undefined
  readonly conditions: Conditions
  /** Absent: headers and metadata of the source are kept. */
  readonly replace?:
    | { readonly headers: StoredHeaders; readonly metadata: UserMetadata }
    | undefined
  /** Absent: the tags of the source are kept. */
  readonly replaceTags?: Tags | undefined
  readonly checksumAlgorithm?: ChecksumAlgorithm | undefined
  /** Of the destination. */
  readonly guard?: Guard | undefined
  /**
   * True: where neither tag nor checksum of the copy will tell of which version it is, its metadata
   * `forebay-source-etag` does.
   */
  readonly noteSource?: boolean | undefined
  readonly signal: AbortSignal
}

/** The tags of an object, or of one version of it. */
export interface TagsRequest extends ObjectAddress {
  /** As in `ReadRequest`. */
  readonly versionId?: string | undefined
  readonly signal: AbortSignal
}

export interface ListRequest {
  readonly bucket: BucketRecord
  readonly prefix: string
  /** Any non-empty string. */
  readonly delimiter?: string | undefined
  /** Names and common prefixes after this one, exclusive, by bytes of UTF-8. */
  readonly after?: string | undefined
  /** A token of an earlier answer of the same bucket; wins over `after`. */
  readonly token?: string | undefined
  /** Names and common prefixes together, 0..1,000. */
  readonly pageMax: number
  /** Only what is in the cache, without asking the backend. */
  readonly cachedOnly?: boolean | undefined
  /** From the bucket's inventory where there is one that is not too old. */
  readonly inventory?: boolean | undefined
  readonly signal: AbortSignal
}

export interface ListAnswer {
  readonly objects: readonly ListedObject[]
  readonly commonPrefixes: readonly string[]
  /** Absent on the last page. */
  readonly nextToken: string | undefined
}

export interface CreateUploadRequest extends ObjectAddress {
  readonly headers: StoredHeaders
  readonly metadata: UserMetadata
  readonly tags?: Tags | undefined
  readonly storageClass?: string | undefined
  readonly checksumAlgorithm?: ChecksumAlgorithm | undefined
  readonly checksumKind?: 'whole' | 'composite' | undefined
  readonly signal: AbortSignal
}

export interface UploadAddress extends ObjectAddress {
  readonly uploadId: string
  readonly signal: AbortSignal
}

export interface WritePartRequest extends UploadAddress {
  readonly partNumber: number
  readonly stated: readonly Checksum[]
  readonly contentMd5Hex?: string | undefined
  readonly body: IncomingBody
}

export interface CopyPartRequest extends UploadAddress {
  readonly partNumber: number
  readonly source: ObjectAddress
  readonly sourceConditions: Conditions
  /** Both ends given and inside the source, or absent for all of it. */
  readonly sourceRange?: { readonly first: number; readonly last: number } | undefined
}

export interface PartAnswer {
  readonly etag: string
  readonly checksums: readonly Checksum[]
  readonly lastModifiedMs: number
}

export interface CompleteRequest extends UploadAddress {
  /** In the order of the request; must ascend by number. */
  readonly parts: readonly {
    readonly partNumber: number
    readonly etag: string
    readonly checksums: readonly Checksum[]
  }[]
  readonly conditions: Conditions
  /** The checksum of the whole object as the client states it. */
  readonly checksum?: Checksum | undefined
  /** The kind of checksum that the client takes the upload to have. */
  readonly checksumKind?: Checksum['kind'] | undefined
  /** The size of the whole object as the client states it. */
  readonly sizeBytes?: number | undefined
}

export interface ListedPart {
  readonly partNumber: number
  readonly sizeBytes: number
  readonly etag: string
  readonly lastModifiedMs: number
  readonly checksums: readonly Checksum[]
}

export interface ListPartsAnswer {
  readonly parts: readonly ListedPart[]
  /** Part number after which the next page starts; absent on the last page. */
  readonly nextPartNumber: number | undefined
  readonly checksumAlgorithm?: ChecksumAlgorithm | undefined
  readonly checksumKind?: 'whole' | 'composite' | undefined
  readonly storageClass?: string | undefined
}

export interface ListedUpload {
  readonly key: string
  readonly uploadId: string
  readonly initiatedMs: number
  readonly storageClass?: string | undefined
  readonly checksumAlgorithm?: ChecksumAlgorithm | undefined
  readonly checksumKind?: 'whole' | 'composite' | undefined
}

export interface ListUploadsRequest {
  readonly bucket: BucketRecord
  readonly prefix: string
  readonly delimiter?: string | undefined
  readonly keyMarker?: string | undefined
  readonly uploadIdMarker?: string | undefined
  readonly pageMax: number
  readonly signal: AbortSignal
}

export interface ListUploadsAnswer {
  readonly uploads: readonly ListedUpload[]
  readonly commonPrefixes: readonly string[]
  readonly truncated: boolean
  readonly nextKeyMarker?: string | undefined
  readonly nextUploadIdMarker?: string | undefined
}

/** One version of an object, or the mark of its deletion. */
export interface ListedVersion {
  readonly key: string
  /** `null` for an object written without versions. */
  readonly versionId: string
  readonly isLatest: boolean
  readonly lastModifiedMs: number
  /** Absent for a delete marker. */
  readonly object?: Pick<ListedObject, 'etag' | 'sizeBytes' | 'storageClass'> | undefined
}

export interface ListVersionsRequest {
  readonly bucket: BucketRecord
  readonly prefix: string
  readonly delimiter?: string | undefined
  /** Names after this one; of it itself the versions after `versionIdMarker` where that is given. */
  readonly keyMarker?: string | undefined
  readonly versionIdMarker?: string | undefined
  readonly pageMax: number
  readonly signal: AbortSignal
}

export interface ListVersionsAnswer {
  readonly versions: readonly ListedVersion[]
  readonly commonPrefixes: readonly string[]
  readonly truncated: boolean
  readonly nextKeyMarker?: string | undefined
  readonly nextVersionIdMarker?: string | undefined
}

/** What the cache knows about one key, for `forebay explain`. */
export interface Explanation {
  readonly state: 'absent' | 'whole' | 'partial' | 'filling'
  readonly unsettled: boolean
  readonly fresh: boolean
  readonly sizeBytes: number
  readonly cachedBytes: number
  readonly mountpath?: string | undefined
  readonly path?: string | undefined
  readonly etag?: string | undefined
  readonly pin?: string | undefined
  readonly ageSeconds?: number | undefined
  readonly freshForSeconds?: number | undefined
  readonly lastAccessMs?: number | undefined
  /** Sentences, most telling first. */
  readonly reasons: readonly string[]
}

/** An object that is to be in the cache before anybody reads it. */
export interface WarmRequest extends ObjectAddress {
  /** As a list of the store just told it: an entry of that version is current without asking. */
  readonly listed?: { readonly etag: string; readonly sizeBytes?: number | undefined } | undefined
  /** Ask the backend about an entry however fresh it is. */
  readonly latest?: boolean | undefined
  /** Read the bytes of an entry and compare them with its checksum; fetch again what is wrong. */
  readonly verify?: boolean | undefined
  /**
   * Fetch over several connections whatever the size, over so many at most, >= 1; the node's bound holds
   * in any case.
   */
  readonly connectionsMax?: number | undefined
  /** What one of several connections asks for at a time, bytes; in whole blocks of the bucket. */
  readonly segmentBytes?: number | undefined
  /** Called right before the first request to the backend; what it throws ends the matter. */
  readonly check?: (() => void) | undefined
  /**
   * Told of the bytes of bodies as they come; the next ones wait for what it returns, unless somebody
   * else reads the object by then.
   */
  readonly moved?: ((bytes: number) => Promise<void> | undefined) | undefined
  readonly signal: AbortSignal
}

export type WarmAnswer =
  /** `bytes` came from the backend: fewer than the object has where a part was there. */
  | { readonly kind: 'fetched'; readonly bytes: number }
  /** It was there, whole and current. */
  | { readonly kind: 'cached' }
  /** The bucket's settings or policy do not keep it. */
  | { readonly kind: 'not-kept' }
  | { readonly kind: 'absent' }

/**
 * A target as a gateway sees it: the owner of a key. In the same process it is the target itself;
 * between hosts an HTTP adapter stands here.
 *
 * Every mutation is durable as its bucket promises and visible to every later read when its promise
 * resolves. Failures are `Failure`s of the catalogue.
 */
/** What the store says a key has now. */
export type ToldState =
  /** `copied`: by a copy, which may be of the object onto itself, with other metadata. */
  | { readonly kind: 'version'; readonly validators: Validators; readonly copied: boolean }
  | { readonly kind: 'gone' }
  /** The same bytes and version with other metadata. */
  | { readonly kind: 'metadata' }
  /** Something else; the store did not say what. */
  | { readonly kind: 'unknown' }

/** News of a change at the backend, as an event of the store tells it. */
export interface ChangeNotice {
  /** With a backend. */
  readonly bucket: BucketRecord
  /** Absent: anything in the bucket may have changed. */
  readonly key: string | undefined
  readonly now: ToldState
  readonly signal: AbortSignal
}

/** `current`: what is cached is the version told of. `stale`: the backend is asked before the next answer. */
export type Noticed = 'current' | 'stale'

export interface TargetPort {
  read(request: ReadRequest): Promise<ReadAnswer>
  head(request: ReadRequest): Promise<HeadAnswer>
  write(request: WriteRequest): Promise<WriteAnswer>
  /** Resolves `existed: undefined` where nobody knows (a backend that does not say). */
  delete(request: DeleteRequest): Promise<{ readonly existed: boolean | undefined }>
  copy(request: CopyRequest): Promise<WriteAnswer>
  list(request: ListRequest): Promise<ListAnswer>
  /** @throws Failure `object-not-found` | `version-not-found` | `not-implemented` | `backend-*` */
  getTags(
    request: TagsRequest,
  ): Promise<{ readonly tags: Tags; readonly versionId?: string | undefined }>
  /** Replaces all tags; none removes them. Bytes, ETag and dates stay. @throws Failure as `getTags` */
  putTags(
    request: TagsRequest & { readonly tags: Tags },
  ): Promise<{ readonly versionId?: string | undefined }>
  /** Tags that a bucket has at its backend; `undefined` for none. */
  getBucketTags(request: BucketCall): Promise<Tags | undefined>
  putBucketTags(request: BucketCall & { readonly tags: Tags }): Promise<void>
  /** Whether the bucket keeps versions at its backend; `undefined`: it never did. */
  versioningOf(request: BucketCall): Promise<'Enabled' | 'Suspended' | undefined>
  listVersions(request: ListVersionsRequest): Promise<ListVersionsAnswer>

  createUpload(request: CreateUploadRequest): Promise<{ readonly uploadId: string }>
  writePart(request: WritePartRequest): Promise<PartAnswer>
  copyPart(request: CopyPartRequest): Promise<PartAnswer>
  completeUpload(request: CompleteRequest): Promise<WriteAnswer>
  abortUpload(request: UploadAddress): Promise<void>
  listParts(
    request: UploadAddress & { readonly afterPart: number; readonly pageMax: number },
  ): Promise<ListPartsAnswer>
  listUploads(request: ListUploadsRequest): Promise<ListUploadsAnswer>

  /**
   * Brings the current version of an object whole into the cache: joins a fetch that is under way, or
   * fetches as for a reader, and hands out no bytes. Ends quietly with its signal.
   *
   * @throws Failure `bucket-not-remote` | `out-of-space` | `slow-down` (soon again) | `backend-*`
   */
  warm(request: WarmRequest): Promise<WarmAnswer>
  /** Removes the local copy only. @returns false when there was none. Refused for native buckets. */
  evict(request: DeleteRequest): Promise<boolean>
  explain(request: ReadRequest): Promise<Explanation>
  /**
   * Takes note of a change at the backend. A read that begins after it resolved is never answered with
   * a version older than the one told of.
   *
   * @throws Failure `object-busy`, or the signal's reason: the event must come again
   */
  noticeChange(notice: ChangeNotice): Promise<Noticed>
  /**
   * Closes a native bucket to writes if it holds no object; false leaves it as it is. What is written
   * meanwhile waits for the caller, who destroys the bucket and drops it, or unseals it.
   */
  sealIfEmpty(bucket: BucketRecord): Promise<boolean>
  /** Opens a sealed bucket again: it was not destroyed. */
  unseal(bucket: BucketRecord): Promise<void>
  /** Forgets everything stored for a bucket id that was destroyed; its writes fail from now on. */
  dropBucket(bucket: BucketRecord): Promise<void>
}

export type { BodyVerdict }
