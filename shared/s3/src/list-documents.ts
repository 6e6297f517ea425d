import type { ListedObject } from '@forebay/model/object'
import type {
  ListAnswer,
  ListedVersion,
  ListUploadsAnswer,
  ListVersionsAnswer,
} from '@forebay/peer/target-port'
import { algorithmWord, checksumKindWord } from './checksum-headers.ts'
import { formatIsoDate } from './dates.ts'
import { percentEncode } from './percent.ts'
import { xmlDocument, xmlElement, xmlText } from './xml-write.ts'

/** Whom a listing names as the owner of everything. */
export interface Owner {
  readonly id: string
  readonly displayName: string
}

/** What a listing repeats of its request. */
interface Echo {
  readonly bucket: string
  readonly prefix: string
  readonly delimiter: string | undefined
  readonly urlEncoded: boolean
  readonly pageMax: number
}

export interface ListPageV1 extends Echo {
  readonly marker: string
  readonly nextMarker: string | undefined
  readonly truncated: boolean
  readonly answer: ListAnswer
  readonly owner: Owner
}

export interface ListPageV2 extends Echo {
  readonly startAfter: string | undefined
  /** As the client sent it. */
  readonly continuationToken: string | undefined
  /** As the client is to send it back. */
  readonly nextContinuationToken: string | undefined
  readonly answer: ListAnswer
  /** Absent unless it was asked for. */
  readonly owner: Owner | undefined
}

export interface UploadsPage extends Echo {
  readonly keyMarker: string | undefined
  readonly uploadIdMarker: string | undefined
  readonly answer: ListUploadsAnswer
  readonly owner: Owner
}

export interface VersionsPage extends Echo {
  readonly keyMarker: string | undefined
  readonly versionIdMarker: string | undefined
  readonly answer: ListVersionsAnswer
  readonly owner: Owner
}

type Write = (value: string) => string

const writePlain: Write = xmlText
/** What `percentEncode` yields needs no escaping. */
const writeEncoded: Write = percentEncode

/** The answer of ListObjects. */
export function renderListV1(page: ListPageV1): string {
  const write = page.urlEncoded ? writeEncoded : writePlain
  return xmlDocument(
    'ListBucketResult',
    renderEcho(page, write) +
      `<Marker>${write(page.marker)}</Marker>` +
      optional('NextMarker', page.nextMarker, write) +
      `<MaxKeys>${page.pageMax}</MaxKeys><IsTruncated>${page.truncated}</IsTruncated>` +
      renderContents(page.answer.objects, write, page.owner) +
      renderPrefixes(page.answer.commonPrefixes, write),
  )
}

/** The answer of ListObjectsV2. */
export function renderListV2(page: ListPageV2): string {
  const write = page.urlEncoded ? writeEncoded : writePlain
  const { answer } = page
  return xmlDocument(
    'ListBucketResult',
    renderEcho(page, write) +
      optional('StartAfter', page.startAfter, write) +
      xmlElement('ContinuationToken', page.continuationToken) +
      xmlElement('NextContinuationToken', page.nextContinuationToken) +
      `<KeyCount>${answer.objects.length + answer.commonPrefixes.length}</KeyCount>` +
      `<MaxKeys>${page.pageMax}</MaxKeys>` +
      `<IsTruncated>${page.nextContinuationToken !== undefined}</IsTruncated>` +
      renderContents(answer.objects, write, page.owner) +
      renderPrefixes(answer.commonPrefixes, write),
  )
}

/** The answer of ListMultipartUploads. */
export function renderUploads(page: UploadsPage): string {
  const write = page.urlEncoded ? writeEncoded : writePlain
  const { answer, owner } = page
  const person = `<ID>${xmlText(owner.id)}</ID><DisplayName>${xmlText(owner.displayName)}</DisplayName>`
  let content =
    xmlElement('Bucket', page.bucket) +
    `<KeyMarker>${write(page.keyMarker ?? '')}</KeyMarker>` +
    `<UploadIdMarker>${xmlText(page.uploadIdMarker ?? '')}</UploadIdMarker>` +
    optional('NextKeyMarker', answer.nextKeyMarker, write) +
    xmlElement('NextUploadIdMarker', answer.nextUploadIdMarker) +
    `<Prefix>${write(page.prefix)}</Prefix>` +
    optional('Delimiter', page.delimiter, write) +
    (page.urlEncoded ? '<EncodingType>url</EncodingType>' : '') +
    `<MaxUploads>${page.pageMax}</MaxUploads><IsTruncated>${answer.truncated}</IsTruncated>`
  for (const upload of answer.uploads) {
    const { checksumAlgorithm, checksumKind } = upload
    content +=
      `<Upload><Key>${write(upload.key)}</Key>` +
      xmlElement('UploadId', upload.uploadId) +
      `<Initiator>${person}</Initiator><Owner>${person}</Owner>` +
      xmlElement('StorageClass', upload.storageClass ?? 'STANDARD') +
      `<Initiated>${formatIsoDate(upload.initiatedMs)}</Initiated>` +
      xmlElement('ChecksumAlgorithm', checksumAlgorithm && algorithmWord(checksumAlgorithm)) +
      xmlElement('ChecksumType', checksumKind && checksumKindWord(checksumKind)) +
      '</Upload>'
  }
  return xmlDocument(
    'ListMultipartUploadsResult',
    content + renderPrefixes(answer.commonPrefixes, write),
  )
}

/** The answer of ListObjectVersions. */
export function renderVersions(page: VersionsPage): string {
  const write = page.urlEncoded ? writeEncoded : writePlain
  const { answer } = page
  return xmlDocument(
    'ListVersionsResult',
    renderEcho(page, write) +
      `<KeyMarker>${write(page.keyMarker ?? '')}</KeyMarker>` +
      `<VersionIdMarker>${xmlText(page.versionIdMarker ?? '')}</VersionIdMarker>` +
      optional('NextKeyMarker', answer.nextKeyMarker, write) +
      xmlElement('NextVersionIdMarker', answer.nextVersionIdMarker) +
      `<MaxKeys>${page.pageMax}</MaxKeys><IsTruncated>${answer.truncated}</IsTruncated>` +
      answer.versions.map((version) => renderVersion(version, write, page.owner)).join('') +
      renderPrefixes(answer.commonPrefixes, write),
  )
}

function renderVersion(version: ListedVersion, write: Write, owner: Owner): string {
  const { key, versionId, isLatest, lastModifiedMs, object } = version
  const named =
    `<Key>${write(key)}</Key><VersionId>${xmlText(versionId)}</VersionId>` +
    `<IsLatest>${isLatest}</IsLatest><LastModified>${formatIsoDate(lastModifiedMs)}</LastModified>`
  const person = `<Owner><ID>${xmlText(owner.id)}</ID><DisplayName>${xmlText(owner.displayName)}</DisplayName></Owner>`
  if (object === undefined) return `<DeleteMarker>${named}${person}</DeleteMarker>`
  const { etag, sizeBytes, storageClass } = object
  return (
    `<Version>${named}<ETag>&quot;${xmlText(etag)}&quot;</ETag><Size>${sizeBytes}</Size>${person}` +
    `<StorageClass>${xmlText(storageClass ?? 'STANDARD')}</StorageClass></Version>`
  )
}

function renderEcho(echo: Echo, write: Write): string {
  return (
    xmlElement('Name', echo.bucket) +
    `<Prefix>${write(echo.prefix)}</Prefix>` +
    optional('Delimiter', echo.delimiter, write) +
    (echo.urlEncoded ? '<EncodingType>url</EncodingType>' : '')
  )
}

/** The hot loop of a listing: plain concatenation, dates cached by the second (datapath 6). */
function renderContents(
  objects: readonly ListedObject[],
  write: Write,
  owner: Owner | undefined,
): string {
  const person =
    owner === undefined
      ? ''
      : `<Owner><ID>${xmlText(owner.id)}</ID><DisplayName>${xmlText(owner.displayName)}</DisplayName></Owner>`
  let content = ''
  for (const object of objects) {
    content += `<Contents><Key>${write(object.key)}</Key><LastModified>${formatIsoDate(
      object.lastModifiedMs,
    )}</LastModified><ETag>&quot;${xmlText(object.etag)}&quot;</ETag>`
    if (object.checksumAlgorithm !== undefined) {
      content += xmlElement('ChecksumAlgorithm', algorithmWord(object.checksumAlgorithm))
      content += xmlElement(
        'ChecksumType',
        object.checksumKind && checksumKindWord(object.checksumKind),
      )
    }
    content += `<Size>${object.sizeBytes}</Size>${person}<StorageClass>${xmlText(
      object.storageClass ?? 'STANDARD',
    )}</StorageClass></Contents>`
  }
  return content
}

function renderPrefixes(prefixes: readonly string[], write: Write): string {
  let content = ''
  for (const prefix of prefixes) {
    content += `<CommonPrefixes><Prefix>${write(prefix)}</Prefix></CommonPrefixes>`
  }
  return content
}

function optional(name: string, value: string | undefined, write: Write): string {
  return value === undefined ? '' : `<${name}>${write(value)}</${name}>`
}
