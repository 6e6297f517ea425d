import { LIST_PAGE_MAX } from '@forebay/base/limits'
import { compareKeys } from '@forebay/model/key'
import type { ListedUpload, ListUploadsAnswer, ListUploadsRequest } from '@forebay/peer/target-port'
import type { ObjectContext } from './context.ts'
import { checkLength } from './list.ts'
import { descriptionPrefix, parseDescription } from './multipart-record.ts'
import { SYSTEM_BUCKET_ID } from './system-bucket.ts'

/** One page of uploads in progress, by key, then by id. */
export function listNativeUploads(
  context: ObjectContext,
  request: ListUploadsRequest,
): ListUploadsAnswer {
  const pageMax = Math.min(request.pageMax, LIST_PAGE_MAX)
  checkLength(request.prefix, 'prefix')
  checkLength(request.keyMarker ?? '', 'start')
  checkLength(request.uploadIdMarker ?? '', 'upload-id-marker')
  const page = new UploadPage(request, pageMax)
  if (pageMax === 0) return page.answer(false)
  let after = startOf(request)
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

/** System key after which the page starts: behind all uploads of the marker's key, or behind one of them. */
function startOf(request: ListUploadsRequest): string {
  const { bucket, keyMarker, uploadIdMarker } = request
  if (keyMarker === undefined || keyMarker === '') return ''
  // U+0001 sorts behind the NUL that separates key and id, and before any longer key.
  const end =
    uploadIdMarker === undefined || uploadIdMarker === '' ? '\u0001' : `\0${uploadIdMarker}`
  return `${descriptionPrefix(bucket.id, keyMarker)}${end}`
}

class UploadPage {
  readonly #request: ListUploadsRequest
  readonly #pageMax: number
  readonly #uploads: ListedUpload[] = []
  readonly #prefixes: string[] = []
  #last: { readonly key: string; readonly uploadId?: string } | undefined

  constructor(request: ListUploadsRequest, pageMax: number) {
    this.#request = request
    this.#pageMax = pageMax
  }

  /** False when the page is full: the upload belongs to the next one. */
  add(upload: ListedUpload): boolean {
    const common = this.#commonPrefix(upload.key)
    if (common !== undefined && this.#prefixes.at(-1) === common) return true
    const { keyMarker } = this.#request
    // A common prefix at or before the marker was in an earlier page.
    if (common !== undefined && keyMarker !== undefined && compareKeys(common, keyMarker) <= 0)
      return true
    if (this.#uploads.length + this.#prefixes.length >= this.#pageMax) return false
    if (common === undefined) {
      const { key, uploadId, initiatedMs, storageClass, checksumAlgorithm, checksumKind } = upload
      this.#uploads.push({
        key,
        uploadId,
        initiatedMs,
        storageClass,
        checksumAlgorithm,
        checksumKind,
      })
      this.#last = { key, uploadId }
    } else {
      this.#prefixes.push(common)
      this.#last = { key: common }
    }
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

  #commonPrefix(key: string): string | undefined {
    const { delimiter, prefix } = this.#request
    if (delimiter === undefined || delimiter === '') return undefined
    const at = key.indexOf(delimiter, prefix.length)
    return at < 0 ? undefined : key.slice(0, at + delimiter.length)
  }
}
