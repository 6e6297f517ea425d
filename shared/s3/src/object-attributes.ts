import { Failure } from '@forebay/base/failure'
import type { ObjectAttributes } from '@forebay/model/object'
import { renderChecksums } from './documents.ts'
import { header, type RequestHeaders } from './request-headers.ts'
import { verbatim } from './verbatim.ts'
import { xmlDocument, xmlElement } from './xml-write.ts'

const NAMES = ['ETag', 'Checksum', 'ObjectParts', 'StorageClass', 'ObjectSize'] as const

type AttributeName = (typeof NAMES)[number]

/**
 * The attributes that GetObjectAttributes is asked for; SDKs separate them by commas with and without
 * spaces, or repeat the header.
 *
 * @throws Failure `bad-request` for none, `argument-invalid` for a name that S3 does not know
 */
export function parseObjectAttributes(headers: RequestHeaders): ReadonlySet<AttributeName> {
  const wanted = new Set<AttributeName>()
  for (const part of (header(headers, 'x-amz-object-attributes') ?? '').split(',')) {
    const word = part.trim()
    if (word === '') continue
    const name = NAMES.find((known) => known === word)
    if (name === undefined)
      throw new Failure('argument-invalid', 'invalid attribute name specified')
    wanted.add(name)
  }
  if (wanted.size === 0) {
    throw verbatim(
      'bad-request',
      'The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty',
    )
  }
  return wanted
}

/** A page of the parts that GetObjectAttributes names. */
export interface PartsPage {
  readonly afterPart: number
  readonly pageMax: number
}

/** The answer of GetObjectAttributes: what was asked for and is known. */
export function renderObjectAttributes(
  attributes: ObjectAttributes,
  wanted: ReadonlySet<AttributeName>,
  page: PartsPage,
): string {
  const { checksums } = attributes
  const whole = renderChecksums(checksums)
  return xmlDocument(
    'GetObjectAttributesResponse',
    (wanted.has('ETag') ? xmlElement('ETag', attributes.etag) : '') +
      (wanted.has('Checksum') && whole !== '' ? `<Checksum>${whole}</Checksum>` : '') +
      (wanted.has('ObjectParts') ? renderObjectParts(attributes, page) : '') +
      (wanted.has('StorageClass')
        ? xmlElement('StorageClass', attributes.storageClass ?? 'STANDARD')
        : '') +
      (wanted.has('ObjectSize') ? xmlElement('ObjectSize', attributes.sizeBytes) : ''),
  )
}

/** S3 lists parts one by one only where each has a checksum; otherwise it only counts them. */
function renderObjectParts(attributes: ObjectAttributes, page: PartsPage): string {
  const parts = attributes.parts ?? []
  const count = attributes.parts?.length ?? attributes.partCount
  if (count === undefined || count === 0) return ''
  let content = xmlElement('PartsCount', count)
  if (parts.length > 0 && parts.every((part) => part.checksum !== undefined)) {
    const rest = parts.filter((part) => part.partNumber > page.afterPart)
    const shown = rest.slice(0, page.pageMax)
    const truncated = rest.length > shown.length
    content +=
      xmlElement('PartNumberMarker', page.afterPart) +
      xmlElement('NextPartNumberMarker', shown.at(-1)?.partNumber ?? page.afterPart) +
      xmlElement('MaxParts', page.pageMax) +
      xmlElement('IsTruncated', truncated)
    for (const part of shown) {
      const checksums = part.checksum === undefined ? [] : [part.checksum]
      content += `<Part>${xmlElement('PartNumber', part.partNumber)}${xmlElement('Size', part.sizeBytes)}${renderChecksums(checksums, false)}</Part>`
    }
  }
  return `<ObjectParts>${content}</ObjectParts>`
}
