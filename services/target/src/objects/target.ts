import { Failure } from '@forebay/base/failure'
import type { BucketRecord } from '@forebay/model/bucket'
import type { ChecksumAlgorithm } from '@forebay/model/checksum'
import { checkKey, checkPortableKey } from '@forebay/model/key'
import type { Tags } from '@forebay/model/object'
import type {
  BucketCall,
  ChangeNotice,
  CompleteRequest,
  CopyPartRequest,
  CopyRequest,
  CreateUploadRequest,
  DeleteRequest,
  Explanation,
  HeadAnswer,
  ListAnswer,
  ListPartsAnswer,
  ListRequest,
  ListUploadsAnswer,
  ListUploadsRequest,
  ListVersionsAnswer,
  ListVersionsRequest,
  Noticed,
  ObjectAddress,
  PartAnswer,
  ReadAnswer,
  ReadRequest,
  TagsRequest,
  TargetPort,
  UploadAddress,
  WarmAnswer,
  WarmRequest,
  WriteAnswer,
  WritePartRequest,
  WriteRequest,
} from '@forebay/peer/target-port'
import type { NowState } from '../inventory/changes.ts'
import { listedOf } from '../inventory/list-inventory.ts'
import { checkWritable, keyIdOf, mutationsOf, type ObjectContext } from './context.ts'
import { copiesInside, copyObject, openSource } from './copy.ts'
import { deleteObject, evictObject } from './delete.ts'
import { explainObject } from './explain.ts'
import { headObject } from './head.ts'
import { listObjects } from './list.ts'
import { listNativeUploads } from './list-uploads.ts'
import { listVersions } from './list-versions.ts'
import {
  abortBackendUpload,
  completeBackendUpload,
  copyBackendPart,
  createBackendUpload,
  writeBackendPart,
} from './multipart-backend.ts'
import { completeNativeUpload } from './multipart-complete.ts'
import {
  abortNativeUpload,
  checkPartNumber,
  createNativeUpload,
  listNativeParts,
  writeNativePart,
} from './multipart-native.ts'
import { completeStagedUpload } from './multipart-staged.ts'
import { noticeChange } from './notice-change.ts'
import { readObject } from './read.ts'
import { incomingFrom } from './source-body.ts'
import { getTags, putTags, taggingOf } from './tags.ts'
import { warmObject } from './warm.ts'
import { writeObject } from './write.ts'

/** The target in the same process: chooses the flow by the kind of bucket, and nothing else. */
export class Target implements TargetPort {
  readonly #context: ObjectContext

  constructor(context: ObjectContext) {
    this.#context = context
  }

  read(request: ReadRequest): Promise<ReadAnswer> {
    return readObject(this.#context, request)
  }

  head(request: ReadRequest): Promise<HeadAnswer> {
    return headObject(this.#context, request)
  }

  write(request: WriteRequest): Promise<WriteAnswer> {
    return this.#making(request, () => writeObject(this.#context, request), written)
  }

  delete(request: DeleteRequest): Promise<{ readonly existed: boolean | undefined }> {
    return this.#changing(request, () => deleteObject(this.#context, request), gone)
  }

  copy(request: CopyRequest): Promise<WriteAnswer> {
    return this.#making(request, () => copyObject(this.#context, request), made)
  }

  getTags(request: TagsRequest): ReturnType<TargetPort['getTags']> {
    return getTags(this.#context, request)
  }

  putTags(request: TagsRequest & { readonly tags: Tags }): ReturnType<TargetPort['putTags']> {
    return putTags(this.#context, request)
  }

  async getBucketTags(request: BucketCall): Promise<Tags | undefined> {
    return taggingOf(this.#context, request.bucket).getOfBucket(request)
  }

  async putBucketTags(request: BucketCall & { readonly tags: Tags }): Promise<void> {
    return taggingOf(this.#context, request.bucket).putOfBucket(request)
  }

  async versioningOf(request: BucketCall): ReturnType<TargetPort['versioningOf']> {
    return this.#context.backendOf(request.bucket).versioning?.status(request)
  }

  listVersions(request: ListVersionsRequest): Promise<ListVersionsAnswer> {
    return listVersions(this.#context, request)
  }

  list(request: ListRequest): Promise<ListAnswer> {
    return listObjects(this.#context, request)
  }

  async createUpload(request: CreateUploadRequest): Promise<{ readonly uploadId: string }> {
    checkWritable(this.#context, request.bucket)
    this.#checkNewKey(request.key)
    return this.#keepsParts(request.bucket)
      ? createNativeUpload(this.#context, request)
      : createBackendUpload(this.#context, request)
  }

  async writePart(request: WritePartRequest): Promise<PartAnswer> {
    checkPartNumber(request.partNumber)
    return this.#keepsParts(request.bucket)
      ? writeNativePart(this.#context, request)
      : writeBackendPart(this.#context, request)
  }

  async copyPart(request: CopyPartRequest): Promise<PartAnswer> {
    checkPartNumber(request.partNumber)
    const { source: from, bucket: to } = request
    if (!this.#keepsParts(to) && copiesInside(this.#context, from.bucket, to)) {
      return copyBackendPart(this.#context, request)
    }
    const source = await openSource(this.#context, request)
    try {
      const { bucket, key, uploadId, partNumber, signal } = request
      const body = incomingFrom(source.body, [])
      return await this.writePart({ bucket, key, uploadId, partNumber, stated: [], body, signal })
    } finally {
      source.body.close()
    }
  }

  completeUpload(request: CompleteRequest): Promise<WriteAnswer> {
    return this.#making(request, () => this.#complete(request), made)
  }

  #complete(request: CompleteRequest): Promise<WriteAnswer> {
    if (!this.#keepsParts(request.bucket)) return completeBackendUpload(this.#context, request)
    return request.bucket.backend === undefined
      ? completeNativeUpload(this.#context, request)
      : completeStagedUpload(this.#context, request)
  }

  abortUpload(request: UploadAddress): Promise<void> {
    return this.#keepsParts(request.bucket)
      ? abortNativeUpload(this.#context, request)
      : abortBackendUpload(this.#context, request)
  }

  async listParts(
    request: UploadAddress & { readonly afterPart: number; readonly pageMax: number },
  ): Promise<ListPartsAnswer> {
    if (this.#keepsParts(request.bucket)) return listNativeParts(this.#context, request)
    const { key, uploadId, afterPart, pageMax, signal } = request
    const page = await mutationsOf(this.#context, request.bucket).listParts({
      key,
      uploadId,
      afterPart,
      pageMax,
      signal,
    })
    return { ...page, ...checksumTerms(page) }
  }

  async listUploads(request: ListUploadsRequest): Promise<ListUploadsAnswer> {
    if (this.#keepsParts(request.bucket)) return listNativeUploads(this.#context, request)
    const page = await mutationsOf(this.#context, request.bucket).listUploads(request)
    return {
      ...page,
      uploads: page.uploads.map((upload) => ({ ...upload, ...checksumTerms(upload) })),
    }
  }

  async warm(request: WarmRequest): Promise<WarmAnswer> {
    checkKey(request.key)
    return warmObject(this.#context, request)
  }

  evict(request: DeleteRequest): Promise<boolean> {
    return evictObject(this.#context, request)
  }

  async explain(request: ReadRequest): Promise<Explanation> {
    await this.#context.fills.publication(keyIdOf(request.bucket, request.key))
    return explainObject(this.#context, request)
  }

  noticeChange(notice: ChangeNotice): Promise<Noticed> {
    const { inventories } = this.#context
    const { bucket, key } = notice
    if (key === undefined) inventories?.of(bucket.id)?.changes.lose()
    if (key === undefined || this.#isNoted(notice)) return noticeChange(this.#context, notice)
    return this.#changing({ bucket, key }, () => noticeChange(this.#context, notice), unknown)
  }

  async sealIfEmpty(bucket: BucketRecord): Promise<boolean> {
    const { store } = this.#context
    // A bucket in use is not disturbed by somebody who tries.
    if (!store.isEmpty(bucket.id)) return false
    await store.sealBucket(bucket.id)
    if (store.isEmpty(bucket.id)) return true
    store.unsealBucket(bucket.id)
    return false
  }

  async unseal(bucket: BucketRecord): Promise<void> {
    this.#context.store.unsealBucket(bucket.id)
  }

  async dropBucket(bucket: BucketRecord): Promise<void> {
    await this.#context.store.dropBucket(bucket)
    await this.#context.inventories?.drop(bucket.id)
  }

  /** Ends fills; then nothing of objects is under way but what doors still send. */
  shutdown(): Promise<void> {
    return this.#context.fills.cancelAll(
      new Failure('unavailable', 'the node is shutting down', { retryAfterSeconds: 5 }),
    )
  }

  /** A change that may bring a key into being. */
  async #making<T>(
    address: ObjectAddress,
    act: () => Promise<T>,
    nowOf: (key: string, answer: T) => NowState,
  ): Promise<T> {
    this.#checkNewKey(address.key)
    return this.#changing(address, act, nowOf)
  }

  #checkNewKey(key: string): void {
    if (this.#context.portableKeys === true) checkPortableKey(key)
  }

  /** The inventory of the bucket is told of a change before it is made and when it is known. */
  async #changing<T>(
    address: ObjectAddress,
    act: () => Promise<T>,
    nowOf: (key: string, answer: T) => NowState,
  ): Promise<T> {
    const { bucket, key } = address
    // Jobs make keys of parts, and stores have their own: the index of a disk is lost to one that is too long.
    checkKey(key)
    const ended = this.#context.inventories?.begin(bucket.id, key)
    if (ended === undefined) return act()
    let now: NowState = 'unknown'
    try {
      const answer = await act()
      now = nowOf(key, answer)
      return answer
    } finally {
      ended(now)
    }
  }

  /** The event of a write of our own: the inventory has it. */
  #isNoted({ bucket, key, now }: ChangeNotice): boolean {
    if (key === undefined) return false
    const noted = this.#context.inventories?.of(bucket.id)?.changes.get(key)
    if (now.kind !== 'version') return now.kind === 'gone' && noted === 'gone'
    return typeof noted === 'object' && noted.etag === now.validators.etag
  }

  /** True where the parts of uploads wait here: native buckets, and backends without such uploads. */
  #keepsParts(bucket: BucketRecord): boolean {
    if (bucket.backend === undefined) return true
    return this.#context.backendOf(bucket).capabilities.multipart === 'none'
  }
}

function written(key: string, { attributes }: WriteAnswer): NowState {
  return listedOf(key, attributes)
}

/** What a store makes by itself it does not tell the size of: 0 may be any. */
function made(key: string, answer: WriteAnswer): NowState {
  return answer.attributes.sizeBytes === 0 ? 'unknown' : written(key, answer)
}

function gone(): NowState {
  return 'gone'
}

function unknown(): NowState {
  return 'unknown'
}

/** A backend's words for checksums, as far as they are ours. */
function checksumTerms(listed: {
  readonly checksumAlgorithm?: string | undefined
  readonly checksumKind?: string | undefined
}): {
  readonly checksumAlgorithm: ChecksumAlgorithm | undefined
  readonly checksumKind: 'whole' | 'composite' | undefined
} {
  const name = listed.checksumAlgorithm?.toLowerCase()
  const kind = listed.checksumKind?.toUpperCase()
  const algorithm = (['crc32', 'crc32c', 'crc64nvme', 'sha1', 'sha256'] as const).find(
    (known) => known === name,
  )
  return {
    checksumAlgorithm: algorithm,
    checksumKind: kind === undefined ? undefined : kind === 'COMPOSITE' ? 'composite' : 'whole',
  }
}
