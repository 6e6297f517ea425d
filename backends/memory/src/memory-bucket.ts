import { Failure } from '@forebay/base/failure'
import type { Checksum } from '@forebay/model/checksum'
import { compareKeys } from '@forebay/model/key'
import type { StoredHeaders, StoredPart, Tags, UserMetadata } from '@forebay/model/object'
import type { ByteSource } from './byte-source.ts'

/** What is stored with the bytes of one version. Immutable. */
export interface VersionContent {
  readonly source: ByteSource
  /** Without quotes; a plain MD5 for a single PUT, `md5-N` for a multipart upload (S3 API). */
  readonly etag: string
  readonly lastModifiedMs: number
  readonly headers: StoredHeaders
  readonly metadata: UserMetadata
  readonly checksums: readonly Checksum[]
  readonly parts: readonly StoredPart[] | undefined
  readonly storageClass: string | undefined
  readonly tags?: Tags | undefined
}

export interface StoredVersion extends VersionContent {
  /** Absent in a bucket without versions. */
  readonly versionId: string | undefined
}

interface DeleteMarker {
  readonly deleted: true
}

export interface PendingPart {
  readonly source: ByteSource
  readonly etag: string
  readonly lastModifiedMs: number
  readonly checksums: readonly Checksum[]
}

export interface PendingUpload {
  readonly key: string
  readonly initiatedMs: number
  readonly headers: StoredHeaders
  readonly metadata: UserMetadata
  readonly storageClass: string | undefined
  readonly tags: Tags | undefined
  readonly checksumKind: string | undefined
  readonly checksumAlgorithm: string | undefined
  readonly parts: Map<number, PendingPart>
}

/** The state of one bucket. Every change is one synchronous step, so readers see old or new. */
export class MemoryBucket {
  readonly name: string
  readonly versioned: boolean
  readonly createdMs: number
  readonly #versions = new Map<string, (StoredVersion | DeleteMarker)[]>()
  /** Tags of the bucket itself. */
  tags: Tags | undefined
  readonly #uploads = new Map<string, PendingUpload>()
  #sorted: readonly string[] | undefined
  #counter = 0

  constructor(name: string, options: { readonly versioned: boolean; readonly createdMs: number }) {
    this.name = name
    this.versioned = options.versioned
    this.createdMs = options.createdMs
  }

  /** The version that a plain read gets. */
  current(key: string): StoredVersion | undefined {
    const last = this.#versions.get(key)?.at(-1)
    return last === undefined || 'deleted' in last ? undefined : last
  }

  version(key: string, versionId: string): StoredVersion | undefined {
    const found = this.#versions
      .get(key)
      ?.find((version) => !('deleted' in version) && version.versionId === versionId)
    return found === undefined || 'deleted' in found ? undefined : found
  }

  put(key: string, content: VersionContent): StoredVersion {
    const versionId = this.versioned ? `v${++this.#counter}` : undefined
    const version: StoredVersion = Object.freeze({ ...content, versionId })
    if (this.current(key) === undefined) this.#sorted = undefined
    const older = this.versioned ? (this.#versions.get(key) ?? []) : []
    this.#versions.set(key, [...older, version])
    return version
  }

  /** Puts other content in the place of the current version, which keeps its names and dates. */
  replaceSilently(key: string, source: ByteSource): void {
    const current = this.current(key)
    if (current === undefined) throw new Failure('object-not-found', `no object ${key} to corrupt`)
    const older = this.#versions.get(key)?.slice(0, -1) ?? []
    this.#versions.set(key, [...older, Object.freeze({ ...current, source })])
  }

  /** Gives one version other tags; false where there is no such version. */
  tag(key: string, versionId: string | undefined, tags: Tags | undefined): boolean {
    const versions = this.#versions.get(key)
    const wanted =
      versionId === undefined || versionId === 'null'
        ? this.current(key)
        : this.version(key, versionId)
    if (versions === undefined || wanted === undefined) return false
    const changed = versions.map((one) => (one === wanted ? Object.freeze({ ...one, tags }) : one))
    this.#versions.set(key, changed)
    return true
  }

  delete(key: string): void {
    const versions = this.#versions.get(key)
    if (versions === undefined || this.current(key) === undefined) return
    this.#sorted = undefined
    if (this.versioned) this.#versions.set(key, [...versions, { deleted: true }])
    else this.#versions.delete(key)
  }

  /** Keys of current versions, by bytes of UTF-8. */
  sortedKeys(): readonly string[] {
    this.#sorted ??= [...this.#versions.keys()]
      .filter((key) => this.current(key) !== undefined)
      .sort(compareKeys)
    return this.#sorted
  }

  createUpload(upload: Omit<PendingUpload, 'parts'>): string {
    // Padded, so that ids of one key sort as they were made.
    const uploadId = `upload-${String(++this.#counter).padStart(12, '0')}`
    this.#uploads.set(uploadId, { ...upload, parts: new Map() })
    return uploadId
  }

  /** @throws Failure `upload-not-found` */
  upload(key: string, uploadId: string): PendingUpload {
    const upload = this.#uploads.get(uploadId)
    if (upload === undefined || upload.key !== key) {
      throw new Failure('upload-not-found', `no upload ${uploadId} of ${key}`)
    }
    return upload
  }

  endUpload(uploadId: string): void {
    this.#uploads.delete(uploadId)
  }

  /** Open uploads by key (bytes of UTF-8), then in the order of their making. */
  sortedUploads(): readonly { readonly uploadId: string; readonly upload: PendingUpload }[] {
    return [...this.#uploads]
      .map(([uploadId, upload]) => ({ uploadId, upload }))
      .sort(
        (a, b) => compareKeys(a.upload.key, b.upload.key) || compareKeys(a.uploadId, b.uploadId),
      )
  }
}
