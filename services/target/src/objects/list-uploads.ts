import { Failure } from '@forebay/base/failure'
import { LIST_PAGE_MAX } from '@forebay/base/limits'
import { compareKeys } from '@forebay/model/key'
import type { ListedUpload, ListUploadsAnswer, ListUploadsRequest } from '@forebay/peer/target-port'
import type { ObjectContext } from './context.ts'
import { checkLength } from './list.ts'
import {
  descriptionKey,
  descriptionPrefix,
  isUploadId,
  parseDescription,
  parseDescriptionKey,
} from './multipart-record.ts'
import { SYSTEM_BUCKET_ID } from './system-bucket.ts'

/**
 * One page of uploads in progress, by key, then by id.
 *
 * A common prefix at the end of a page is marked by the upload that it was met with: where others of
 * it follow that one, the next page begins with the same prefix.
 *
 * @throws Failure `argument-invalid` for an upload-id-marker that is no id of ours, or of another key
 */
export function listNativeUploads(
  context: ObjectContext,
  request: ListUploadsRequest,
): ListUploadsAnswer {
  const pageMax = Math.min(request.pageMax, LIST_PAGE_MAX)
  checkLength(request.prefix, 'prefix')
  checkLength(request.keyMarker ?? '', 'start')
  checkLength(request.uploadIdMarker ?? '', 'upload-id-marker')
  const start = startOf(context, request)
  const page = new UploadPage(request, { pageMax, resumes: start.resumes })
  if (pageMax === 0) return page.answer(false)
  let { after } = start
  for (;;) {
    const scanned = context.store.scan({
      bucketId: SYSTEM_BUCKET_ID,
      prefix: descriptionPrefix(request.bucket.id, request.prefix),
      delimiter: undefined,
      after,
      pageMax: LIST_PAGE_MAX,
    })
    for (const { key } of scanned.objects) {
      const record = context.store.get(SYSTEM_BUCKET_ID, key)
      if (record === undefined) continue
      const upload = parseDescription(record)
      if (upload.completing?.done === true) continue
      if (!page.add(upload)) return page.answer(true)
    }
    if (scanned.next === undefined) return page.answer(false)
    after = scanned.next
  }
}

/** Where a page starts. */
interface Start {
  /** System key behind which it does. */
  readonly after: string
  /** True where the common prefix that the key marker names may go on. */
  readonly resumes: boolean
}

function startOf(context: ObjectContext, request: ListUploadsRequest): Start {
  const { bucket, keyMarker = '', uploadIdMarker = '' } = request
  if (keyMarker === '') return { after: '', resumes: false }
  if (uploadIdMarker === '') return { after: behindKey(request), resumes: false }
  if (!isUploadId(uploadIdMarker)) throw invalidMarker(uploadIdMarker)
  const own = descriptionKey({ bucketId: bucket.id, key: keyMarker, uploadId: uploadIdMarker })
  if (context.store.get(SYSTEM_BUCKET_ID, own) === undefined) {
    const resumes = commonPrefixOf(request, keyMarker) === keyMarker
    const marked = findMarked(context, request, resumes)
    if (marked !== undefined) return { after: marked, resumes }
  }
  // An upload that has ended since the page that named it still marks where the next one starts.
  return { after: own, resumes: false }
}

/** Behind all uploads of the marker's key: U+0001 sorts behind the NUL before an id, and before any longer key. */
function behindKey({ bucket, keyMarker = '' }: ListUploadsRequest): string {
  return `${descriptionPrefix(bucket.id, keyMarker)}\u0001`
}

/**
 * The upload that the id marker names, where the key marker names none: one of the first key behind
 * it, or one under it where it is a common prefix. Looks through one page of uploads at most.
 */
function findMarked(
  context: ObjectContext,
  request: ListUploadsRequest,
  isPrefix: boolean,
): string | undefined {
  const { bucket, prefix, keyMarker = '', uploadIdMarker = '' } = request
  const { objects } = context.store.scan({
    bucketId: SYSTEM_BUCKET_ID,
    prefix: descriptionPrefix(bucket.id, prefix),
    delimiter: undefined,
    after: behindKey(request),
    pageMax: LIST_PAGE_MAX,
  })
  let first: string | undefined
  for (const { key: systemKey } of objects) {
    const { key, uploadId } = parseDescriptionKey(bucket.id, systemKey)
    first ??= key
    if (uploadId !== uploadIdMarker) continue
    if (key === first || (isPrefix && key.startsWith(keyMarker))) return systemKey
    throw invalidMarker(uploadIdMarker)
  }
  return undefined
}

function invalidMarker(uploadIdMarker: string): Failure {
  return new Failure('argument-invalid', 'Invalid uploadId marker', {
    facts: {
      verbatim: true,
      argumentName: 'upload-id-marker',
      argumentValue: uploadIdMarker,
    },
  })
}

/** What a key is rolled up to; undefined when it stands for itself. */
function commonPrefixOf(
  { delimiter, prefix }: Pick<ListUploadsRequest, 'delimiter' | 'prefix'>,
  key: string,
): string | undefined {
  if (delimiter === undefined || delimiter === '') return undefined
  const at = key.indexOf(delimiter, prefix.length)
  return at < 0 ? undefined : key.slice(0, at + delimiter.length)
}

class UploadPage {
  readonly #request: ListUploadsRequest
  readonly #pageMax: number
  readonly #resumes: boolean
  readonly #uploads: ListedUpload[] = []
  readonly #prefixes: string[] = []
  #last: { readonly key: string; readonly uploadId: string } | undefined

  constructor(
    request: ListUploadsRequest,
    { pageMax, resumes }: { readonly pageMax: number; readonly resumes: boolean },
  ) {
    this.#request = request
    this.#pageMax = pageMax
    this.#resumes = resumes
  }

  /** False when the page is full: the upload belongs to the next one. */
  add(upload: ListedUpload): boolean {
    const common = commonPrefixOf(this.#request, upload.key)
    if (common !== undefined && this.#prefixes.at(-1) === common) return true
    if (common !== undefined && this.#isBehind(common)) return true
    if (this.#uploads.length + this.#prefixes.length >= this.#pageMax) return false
    const { key, uploadId, initiatedMs, storageClass, checksumAlgorithm, checksumKind } = upload
    if (common === undefined) {
      this.#uploads.push({
        key,
        uploadId,
        initiatedMs,
        storageClass,
        checksumAlgorithm,
        checksumKind,
      })
    } else {
      this.#prefixes.push(common)
    }
    this.#last = { key: common ?? key, uploadId }
    return true
  }

  answer(truncated: boolean): ListUploadsAnswer {
    return {
      uploads: this.#uploads,
      commonPrefixes: this.#prefixes,
      truncated,
      nextKeyMarker: truncated ? this.#last?.key : undefined,
      nextUploadIdMarker: truncated ? this.#last?.uploadId : undefined,
    }
  }

  /** True for a common prefix of an earlier page: one at or before the key marker. */
  #isBehind(common: string): boolean {
    const { keyMarker } = this.#request
    if (keyMarker === undefined || (this.#resumes && common === keyMarker)) return false
    return compareKeys(common, keyMarker) <= 0
  }
}
