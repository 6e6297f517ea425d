import type { Checksum } from '@forebay/model/checksum'
import type { Conditions } from '@forebay/model/conditions'
import type {
  ListedObject,
  ObjectAttributes,
  StoredHeaders,
  Tags,
  UserMetadata,
} from '@forebay/model/object'
import type { Pin } from '@forebay/model/version'

/**
 * What an object store can do. Callers ask; an adapter never emulates.
 */
export interface Capabilities {
  /** GET with a byte range. */
  readonly rangedRead: boolean
  /** GET that fails unless the version is the pinned one. */
  readonly pinnedRead: boolean
  /** If-Match / If-None-Match decided by the store on the request that commits. */
  readonly conditionalWrite: boolean
  readonly conditionalDelete: boolean
  /** `native`: parts go to the store as they come. */
  readonly multipart: 'native' | 'none'
  readonly serverSideCopy: boolean
  readonly write: boolean
  /** Names in one page of a listing. */
  readonly listPageMax: number
  /** Largest body of one PUT, bytes. */
  readonly putBytesMax: number
}

/** Every operation takes one; aborting it ends the operation and its connection. */
export interface Call {
  readonly signal: AbortSignal
}

/**
 * The bytes of an answer. Exactly one consumer; it must end in `pump` settling or in `discard`.
 */
export interface BackendBody {
  /** Bytes that will come, when the backend said so. */
  readonly lengthBytes: number | undefined
  /**
   * Hands every chunk to `write`, in order, waiting for each promise it returns.
   *
   * Resolves after the last byte. The body is refused as `backend-corrupt` when it is shorter or
   * longer than announced, `backend-unreachable` when the connection breaks.
   */
  pump(write: (chunk: Buffer) => void | Promise<void>): Promise<void>
  /** Ends the transfer; bytes still to come are thrown away with their connection. */
  discard(): void
}

/** Where a body that is written comes from. `read` returns at most `lengthBytes` bytes at `offset`. */
export interface UploadBody {
  /** Known before the first byte goes out: S3 wants it. */
  readonly lengthBytes: number
  /**
   * Produces the bytes in order, from `offset` 0; ends after exactly `lengthBytes`.
   *
   * May wait between chunks (the withheld tail). When it throws, the request is cut before its end,
   * so that the store never commits. Buffers are the consumer's until the next call.
   */
  chunks(): AsyncIterable<Buffer>
  /** True when `chunks` may be called again for a retry. */
  readonly repeatable: boolean
}

export interface ReadOptions extends Call {
  readonly key: string
  /** Bytes wanted; absent: the whole object. Sent only where `rangedRead`. */
  readonly range?: { readonly offset: number; readonly lengthBytes: number } | undefined
  /** The version wanted; the answer is checked against it whatever the store did with the header. */
  readonly pin?: Pin | undefined
  /** Bytes that the pinned version has; an answer about an object of another size is `changed`. */
  readonly pinnedSizeBytes?: number | undefined
  /** Revalidation: answer `not-modified` when the version is still this one. */
  readonly unless?: Pin | undefined
}

export type ReadResult =
  | {
      readonly kind: 'found'
      readonly attributes: ObjectAttributes
      /** The bytes that `body` holds: may be the whole object although a range was asked for. */
      readonly range: { readonly offset: number; readonly lengthBytes: number | undefined }
      /** Size of the whole object where known. */
      readonly sizeBytes: number | undefined
      readonly body: BackendBody
    }
  | { readonly kind: 'not-modified' }
  | { readonly kind: 'absent' }
  /** The object is there in another version than the pinned one. */
  | { readonly kind: 'changed' }

export type HeadResult =
  | {
      readonly kind: 'found'
      readonly attributes: ObjectAttributes
      /** True when the bytes must be restored before they can be read. */
      readonly archived?: boolean | undefined
    }
  | { readonly kind: 'absent' }

export interface WriteOptions extends Call {
  readonly key: string
  readonly headers: StoredHeaders
  readonly metadata: UserMetadata
  readonly conditions: Conditions
  /** Checksums known before the body goes out; passed on so that the store verifies them. */
  readonly checksums: readonly Checksum[]
  readonly contentMd5Hex?: string | undefined
  readonly storageClass?: string | undefined
  /** Stated only where the backend has `tagging`. */
  readonly tags?: Tags | undefined
}

/** What a store said about the version that it committed. */
export interface WriteResult {
  readonly etag: string | undefined
  readonly versionId?: string | undefined
  readonly generation?: string | undefined
  readonly checksums: readonly Checksum[]
  /** As in `ObjectAttributes`. */
  readonly originHeaders?: ObjectAttributes['originHeaders']
  /** The store's clock where it said so (Date header). */
  readonly dateMs?: number | undefined
}

export interface CopyOptions extends WriteOptions {
  readonly sourceBucket: string
  readonly sourceKey: string
  readonly sourcePin?: Pin | undefined
  readonly sourceConditions: Conditions
  /** True: headers and metadata of this request replace the source's. */
  readonly replaceMetadata: boolean
  /** True: `tags` replace the source's; stated only where the backend has `tagging`. */
  readonly replaceTags?: boolean | undefined
  /** The checksum that the copy is to have. */
  readonly checksumAlgorithm?: string | undefined
}

export interface ListOptions extends Call {
  readonly prefix: string
  readonly delimiter?: string | undefined
  /** Names after this one, exclusive. */
  readonly startAfter?: string | undefined
  readonly continuationToken?: string | undefined
  readonly pageMax: number
}

export interface ListResult {
  readonly objects: readonly ListedObject[]
  readonly commonPrefixes: readonly string[]
  readonly nextToken: string | undefined
}

export interface PartOptions extends Call {
  readonly key: string
  readonly uploadId: string
  readonly partNumber: number
  readonly checksums: readonly Checksum[]
  readonly contentMd5Hex?: string | undefined
}

export interface CompletedPart {
  readonly partNumber: number
  readonly etag: string
  readonly checksum?: Checksum | undefined
}

export interface CompleteOptions extends Call {
  readonly key: string
  readonly uploadId: string
  readonly parts: readonly CompletedPart[]
  readonly conditions: Conditions
  readonly checksum?: Checksum | undefined
}

export interface PartCopyOptions extends PartOptions {
  readonly sourceBucket: string
  readonly sourceKey: string
  readonly sourcePin?: Pin | undefined
  readonly sourceConditions: Conditions
  /** Both inclusive; absent: the whole source. */
  readonly sourceRange?: { readonly first: number; readonly last: number } | undefined
}

export interface PartListing {
  readonly parts: readonly {
    readonly partNumber: number
    readonly sizeBytes: number
    readonly etag: string
    readonly lastModifiedMs: number
    readonly checksums: readonly Checksum[]
  }[]
  /** Part number after which the next page starts. */
  readonly nextPartNumber: number | undefined
  readonly checksumAlgorithm?: string | undefined
  readonly checksumKind?: string | undefined
  readonly storageClass?: string | undefined
}

export interface UploadListOptions extends Call {
  readonly prefix: string
  readonly delimiter?: string | undefined
  readonly keyMarker?: string | undefined
  readonly uploadIdMarker?: string | undefined
  readonly pageMax: number
}

export interface UploadListing {
  readonly uploads: readonly {
    readonly key: string
    readonly uploadId: string
    readonly initiatedMs: number
    readonly storageClass?: string | undefined
    readonly checksumAlgorithm?: string | undefined
    readonly checksumKind?: string | undefined
  }[]
  readonly commonPrefixes: readonly string[]
  readonly truncated: boolean
  readonly nextKeyMarker?: string | undefined
  readonly nextUploadIdMarker?: string | undefined
}

export interface BucketInfo {
  readonly name: string
  readonly createdMs: number | undefined
  readonly region: string | undefined
}

/**
 * One bucket of an object store, as Forebay uses it.
 *
 * Operations are stateless and atomic: a reader sees the old object or the new one, never a part.
 * Failures are `backend-*` codes: `backend-denied`, `backend-throttled`, `backend-unreachable` (also
 * resets and broken answers), `backend-timeout`, `backend-refused` (any other 4xx), `object-archived`,
 * `precondition-failed`, `bucket-not-found`. An aborted operation throws its signal's reason. `isUndecided` tells whether a failed mutation may have
 * been applied.
 */
export interface Backend {
  readonly name: string
  readonly capabilities: Capabilities
  readonly mutations: MutationOperations | undefined
  /** Absent where the store has no tags. */
  readonly tagging?: TaggingOperations | undefined
  /** Absent where the store has no versions that a reader can list. */
  readonly versioning?: VersioningOperations | undefined

  /**
   * The object or a part of it; `range` beyond its end is shortened. `attributes.etag` is empty where
   * the store names no tag, `attributes.sizeBytes` 0 where it names no size (`sizeBytes` is undefined).
   *
   * @throws Failure; an absent object is a result, an absent bucket `bucket-not-found`, a range
   * without a byte of the object `range-not-satisfiable`
   */
  read(options: ReadOptions): Promise<ReadResult>
  /**
   * An absent bucket may come out as an absent object: HEAD has no error document. `versionId` is the
   * store's own, `null` included; a version that is not there is `version-not-found` or absent.
   */
  head(
    options: { readonly key: string; readonly versionId?: string | undefined } & Call,
  ): Promise<HeadResult>
  list(options: ListOptions): Promise<ListResult>
  /** The bucket itself; `undefined` when there is none. */
  headBucket(call: Call): Promise<BucketInfo | undefined>
  /** Ends all connections, with what is under way on them. */
  close(): Promise<void>
}

/** Present where `capabilities.write`. A mutation is committed at the store when its promise resolves. */
export interface MutationOperations {
  write(options: WriteOptions, body: UploadBody): Promise<WriteResult>
  copy(options: CopyOptions): Promise<WriteResult & { readonly lastModifiedMs: number | undefined }>
  /** Resolves whether or not the object existed. */
  delete(options: { readonly key: string; readonly conditions: Conditions } & Call): Promise<void>

  createUpload(
    options: WriteOptions & {
      readonly checksumAlgorithm?: string | undefined
      readonly checksumKind?: string | undefined
    },
  ): Promise<{ readonly uploadId: string }>
  writePart(options: PartOptions, body: UploadBody): Promise<WriteResult>
  completeUpload(options: CompleteOptions): Promise<WriteResult>
  abortUpload(options: { readonly key: string; readonly uploadId: string } & Call): Promise<void>

  copyPart(
    options: PartCopyOptions,
  ): Promise<WriteResult & { readonly lastModifiedMs: number | undefined }>
  listParts(
    options: {
      readonly key: string
      readonly uploadId: string
      readonly afterPart: number
      readonly pageMax: number
    } & Call,
  ): Promise<PartListing>
  listUploads(options: UploadListOptions): Promise<UploadListing>
}

/** An object's current version, or the one that is named. */
export interface TaggedObject extends Call {
  readonly key: string
  readonly versionId?: string | undefined
}

/** Tags, kept by the store. An absent object is the failure `object-not-found`. */
export interface TaggingOperations {
  get(
    options: TaggedObject,
  ): Promise<{ readonly tags: Tags; readonly versionId?: string | undefined }>
  /** Replaces all tags of the object; none removes them. Its bytes, ETag and dates stay. */
  put(
    options: TaggedObject & { readonly tags: Tags },
  ): Promise<{ readonly versionId?: string | undefined }>
  /** Tags of the bucket; `undefined` when it has none. */
  getOfBucket(call: Call): Promise<Tags | undefined>
  /** Replaces all tags of the bucket; none removes them. */
  putOfBucket(options: { readonly tags: Tags } & Call): Promise<void>
}

export interface VersionListOptions extends Call {
  readonly prefix: string
  readonly delimiter?: string | undefined
  readonly keyMarker?: string | undefined
  readonly versionIdMarker?: string | undefined
  readonly pageMax: number
}

/** One page of versions and delete markers, by name, then newest first. */
export interface VersionListing {
  readonly versions: readonly {
    readonly key: string
    /** `null` for an object written without versions. */
    readonly versionId: string
    readonly isLatest: boolean
    readonly lastModifiedMs: number
    /** Absent for a delete marker. */
    readonly object?: Pick<ListedObject, 'etag' | 'sizeBytes' | 'storageClass'> | undefined
  }[]
  readonly commonPrefixes: readonly string[]
  readonly truncated: boolean
  readonly nextKeyMarker?: string | undefined
  readonly nextVersionIdMarker?: string | undefined
}

/** Versions, kept by the store. */
export interface VersioningOperations {
  /** `undefined` where the bucket never had versions. */
  status(call: Call): Promise<'Enabled' | 'Suspended' | undefined>
  list(options: VersionListOptions): Promise<VersionListing>
}
