import { type Checksum, checksumToBase64 } from '@forebay/model/checksum'
import type { ObjectAttributes } from '@forebay/model/object'
import type { ListPartsAnswer } from '@forebay/peer/target-port'
import { algorithmWord, checksumKindWord, shownChecksums } from './checksum-headers.ts'
import { formatIsoDate } from './dates.ts'
import type { Owner } from './list-documents.ts'
import { percentEncode } from './percent.ts'
import { xmlDocument, xmlElement } from './xml-write.ts'

/** Checksums as elements: `ChecksumCRC32`, and the type when `withType`. */
export function renderChecksums(checksums: readonly Checksum[], withType = true): string {
  let content = ''
  let kind: Checksum['kind'] | undefined
  for (const checksum of shownChecksums(checksums)) {
    content += xmlElement(
      `Checksum${algorithmWord(checksum.algorithm)}`,
      checksumToBase64(checksum),
    )
    kind = checksum.kind
  }
  if (withType && kind !== undefined) content += xmlElement('ChecksumType', checksumKindWord(kind))
  return content
}

/** An ETag as an element. */
export function renderEtag(etag: string): string {
  return xmlElement('ETag', `"${etag}"`)
}

function renderOwner(name: string, owner: Owner): string {
  return `<${name}>${xmlElement('ID', owner.id)}${xmlElement('DisplayName', owner.displayName)}</${name}>`
}

/** One bucket as ListBuckets names it. */
export interface NamedBucket {
  readonly name: string
  readonly createdMs: number
}

/** The answer of ListBuckets. */
export function renderBuckets(page: {
  readonly buckets: readonly NamedBucket[]
  readonly owner: Owner
  readonly region: string
  readonly prefix: string | undefined
  readonly nextToken: string | undefined
}): string {
  const buckets = page.buckets.map(
    ({ name, createdMs }) =>
      `<Bucket>${xmlElement('Name', name)}<CreationDate>${formatIsoDate(createdMs)}</CreationDate>${xmlElement('BucketRegion', page.region)}</Bucket>`,
  )
  return xmlDocument(
    'ListAllMyBucketsResult',
    renderOwner('Owner', page.owner) +
      `<Buckets>${buckets.join('')}</Buckets>` +
      xmlElement('Prefix', page.prefix) +
      xmlElement('ContinuationToken', page.nextToken),
  )
}

/** The answer of GetBucketLocation; us-east-1 is written as nothing (S3 API). */
export function renderLocation(region: string): string {
  return xmlDocument('LocationConstraint', region === 'us-east-1' ? '' : region)
}

/** The answer of CopyObject, or of UploadPartCopy with that root. */
export function renderCopy(
  root: 'CopyObjectResult' | 'CopyPartResult',
  copied: {
    readonly etag: string
    readonly lastModifiedMs: number
    readonly checksums: readonly Checksum[]
  },
): string {
  return xmlDocument(
    root,
    renderEtag(copied.etag) +
      xmlElement('LastModified', formatIsoDate(copied.lastModifiedMs)) +
      renderChecksums(copied.checksums, root === 'CopyObjectResult'),
  )
}

/** The answer of CreateMultipartUpload. */
export function renderUploadCreated(bucket: string, key: string, uploadId: string): string {
  return xmlDocument(
    'InitiateMultipartUploadResult',
    xmlElement('Bucket', bucket) + xmlElement('Key', key) + xmlElement('UploadId', uploadId),
  )
}

/** The answer of CompleteMultipartUpload. */
export function renderUploadCompleted(object: {
  readonly location: string
  readonly bucket: string
  readonly key: string
  readonly attributes: ObjectAttributes
}): string {
  return xmlDocument(
    'CompleteMultipartUploadResult',
    xmlElement('Location', object.location) +
      xmlElement('Bucket', object.bucket) +
      xmlElement('Key', object.key) +
      renderEtag(object.attributes.etag) +
      renderChecksums(object.attributes.checksums),
  )
}

/** The answer of ListParts. */
export function renderParts(page: {
  readonly bucket: string
  readonly key: string
  readonly uploadId: string
  readonly afterPart: number
  readonly pageMax: number
  readonly urlEncoded: boolean
  readonly owner: Owner
  readonly answer: ListPartsAnswer
}): string {
  const { answer, owner } = page
  const { checksumAlgorithm, checksumKind } = answer
  let content =
    xmlElement('Bucket', page.bucket) +
    (page.urlEncoded ? xmlElement('EncodingType', 'url') : '') +
    xmlElement('Key', page.urlEncoded ? percentEncode(page.key) : page.key) +
    xmlElement('UploadId', page.uploadId) +
    renderOwner('Initiator', owner) +
    renderOwner('Owner', owner) +
    xmlElement('StorageClass', answer.storageClass ?? 'STANDARD') +
    xmlElement('PartNumberMarker', page.afterPart) +
    xmlElement('NextPartNumberMarker', answer.nextPartNumber) +
    xmlElement('MaxParts', page.pageMax) +
    xmlElement('IsTruncated', answer.nextPartNumber !== undefined) +
    // S3 writes this word where the upload was begun without one.
    xmlElement('ChecksumAlgorithm', checksumAlgorithm ? algorithmWord(checksumAlgorithm) : 'null') +
    xmlElement('ChecksumType', checksumKind ? checksumKindWord(checksumKind) : 'null')
  for (const part of answer.parts) {
    content +=
      '<Part>' +
      xmlElement('PartNumber', part.partNumber) +
      xmlElement('LastModified', formatIsoDate(part.lastModifiedMs)) +
      renderEtag(part.etag) +
      xmlElement('Size', part.sizeBytes) +
      renderChecksums(part.checksums, false) +
      '</Part>'
  }
  return xmlDocument('ListPartsResult', content)
}

/** What became of one key of DeleteObjects. */
export type DeleteOutcome =
  | { readonly kind: 'deleted'; readonly key: string }
  | {
      readonly kind: 'failed'
      readonly key: string
      readonly code: string
      readonly message: string
    }

/** The answer of DeleteObjects. @param quiet names failures only */
export function renderDeleted(outcomes: readonly DeleteOutcome[], quiet: boolean): string {
  let content = ''
  for (const outcome of outcomes) {
    if (outcome.kind === 'failed') {
      content += `<Error>${xmlElement('Key', outcome.key)}${xmlElement('Code', outcome.code)}${xmlElement('Message', outcome.message)}</Error>`
    } else if (!quiet) {
      content += `<Deleted>${xmlElement('Key', outcome.key)}</Deleted>`
    }
  }
  return xmlDocument('DeleteResult', content)
}
