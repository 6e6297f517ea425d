import { type AnswerHeaders, type HeaderValue, joined } from '@forebay/backend-transport/exchange'
import type { ObjectAttributes, UserMetadata } from '@forebay/model/object'

/** The headers of an answer that are looked at, as they came. */
export interface AnswerFields {
  readonly date: string | undefined
  readonly etag: string | undefined
  readonly lastModified: string | undefined
  readonly versionId: string | undefined
  readonly contentType: string | undefined
  readonly contentEncoding: string | undefined
  readonly contentLanguage: string | undefined
  readonly contentDisposition: string | undefined
  readonly cacheControl: string | undefined
  readonly expires: string | undefined
  readonly websiteRedirect: string | undefined
  readonly storageClass: string | undefined
  readonly taggingCount: string | undefined
  readonly checksumType: string | undefined
  readonly crc32: string | undefined
  readonly crc32c: string | undefined
  readonly crc64nvme: string | undefined
  readonly sha1: string | undefined
  readonly sha256: string | undefined
  readonly encryption: string | undefined
  readonly customerAlgorithm: string | undefined
  readonly archiveStatus: string | undefined
  readonly restore: string | undefined
  readonly metadata: UserMetadata
  /** What is handed on as it is; `undefined` where the answer has none of it, which is the common case. */
  readonly originHeaders: ObjectAttributes['originHeaders']
}

/** Most objects have none; a record without names from `Object`, as those with metadata are. */
const NO_METADATA: Record<string, string> = Object.freeze(Object.create(null))

const METADATA_PREFIX = 'x-amz-meta-'

/**
 * Reads the head of an answer by one pass over the headers that are there. Asking for each of those that
 * may be there costs several times as much: most are absent, and the heads of a store have many shapes.
 */
export function readFields(headers: AnswerHeaders): AnswerFields {
  const fields = new Fields()
  for (const name in headers) fields.set(name, headers[name])
  return fields
}

/** All fields are there from the start, so that whoever reads them always reads the same shape. */
class Fields implements AnswerFields {
  date: string | undefined = undefined
  etag: string | undefined = undefined
  lastModified: string | undefined = undefined
  versionId: string | undefined = undefined
  contentType: string | undefined = undefined
  contentEncoding: string | undefined = undefined
  contentLanguage: string | undefined = undefined
  contentDisposition: string | undefined = undefined
  cacheControl: string | undefined = undefined
  expires: string | undefined = undefined
  websiteRedirect: string | undefined = undefined
  storageClass: string | undefined = undefined
  taggingCount: string | undefined = undefined
  checksumType: string | undefined = undefined
  crc32: string | undefined = undefined
  crc32c: string | undefined = undefined
  crc64nvme: string | undefined = undefined
  sha1: string | undefined = undefined
  sha256: string | undefined = undefined
  encryption: string | undefined = undefined
  customerAlgorithm: string | undefined = undefined
  archiveStatus: string | undefined = undefined
  restore: string | undefined = undefined
  metadata: Record<string, string> = NO_METADATA
  originHeaders: Record<string, string> | undefined = undefined

  /** Takes in what HTTP has for every resource. */
  set(name: string, value: HeaderValue): void {
    switch (name) {
      case 'date':
        this.date = joined(value)
        break
      case 'etag':
        this.etag = joined(value)
        break
      case 'last-modified':
        this.lastModified = joined(value)
        break
      case 'content-type':
        this.contentType = joined(value)
        break
      case 'content-encoding':
        this.contentEncoding = joined(value)
        break
      case 'content-language':
        this.contentLanguage = joined(value)
        break
      case 'content-disposition':
        this.contentDisposition = joined(value)
        break
      case 'cache-control':
        this.cacheControl = joined(value)
        break
      case 'expires':
        this.expires = joined(value)
        break
      default:
        this.#setOwn(name, value)
    }
  }

  /** Takes in what is S3's own. */
  #setOwn(name: string, value: HeaderValue): void {
    switch (name) {
      case 'x-amz-storage-class':
        this.storageClass = joined(value)
        break
      case 'x-amz-version-id':
        this.versionId = joined(value)
        break
      case 'x-amz-checksum-type':
        this.checksumType = joined(value)
        break
      case 'x-amz-checksum-crc32':
        this.crc32 = joined(value)
        break
      case 'x-amz-checksum-crc32c':
        this.crc32c = joined(value)
        break
      case 'x-amz-checksum-crc64nvme':
        this.crc64nvme = joined(value)
        break
      case 'x-amz-checksum-sha1':
        this.sha1 = joined(value)
        break
      case 'x-amz-checksum-sha256':
        this.sha256 = joined(value)
        break
      case 'x-amz-tagging-count':
        this.taggingCount = joined(value)
        break
      case 'x-amz-website-redirect-location':
        this.websiteRedirect = joined(value)
        break
      case 'x-amz-server-side-encryption-customer-algorithm':
        this.customerAlgorithm = joined(value)
        break
      case 'x-amz-server-side-encryption':
        this.encryption = joined(value)
        this.#handOn(name, value)
        break
      case 'x-amz-restore':
        this.restore = joined(value)
        this.#handOn(name, value)
        break
      case 'x-amz-archive-status':
        this.archiveStatus = joined(value)
        this.#handOn(name, value)
        break
      case 'x-amz-server-side-encryption-aws-kms-key-id':
      case 'x-amz-server-side-encryption-bucket-key-enabled':
      case 'x-amz-expiration':
      case 'x-amz-replication-status':
      case 'x-amz-object-lock-mode':
      case 'x-amz-object-lock-retain-until-date':
      case 'x-amz-object-lock-legal-hold':
        this.#handOn(name, value)
        break
      default:
        if (name.startsWith(METADATA_PREFIX)) {
          if (this.metadata === NO_METADATA) this.metadata = Object.create(null)
          this.metadata[name.slice(METADATA_PREFIX.length)] = joined(value) ?? ''
        }
    }
  }

  #handOn(name: string, value: HeaderValue): void {
    this.originHeaders ??= {}
    this.originHeaders[name] = joined(value) ?? ''
  }
}
