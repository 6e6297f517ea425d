import { Failure, isFailure } from '@forebay/base/failure'
import type { Tag, Tags } from '@forebay/model/object'
import { percentDecode } from './percent.ts'
import { header, type RequestHeaders } from './request-headers.ts'
import { badArgument, verbatim } from './verbatim.ts'
import { childrenOf, malformed, parseXml, requiredTextOf, type XmlElement } from './xml-read.ts'
import { xmlDocument, xmlElement } from './xml-write.ts'

/** Tags of one object (S3 API). */
export const OBJECT_TAGS_MAX = 10

/** Tags of one bucket (S3 API). */
export const BUCKET_TAGS_MAX = 50

/** Characters of a tag's key; it has one at least (S3 API). */
export const TAG_KEY_LENGTH_MAX = 128

/** Characters of a tag's value (S3 API). */
export const TAG_VALUE_LENGTH_MAX = 256

/** Body of PutObjectTagging or PutBucketTagging, bytes: 50 tags of the longest texts, escaped, fit. */
export const TAGGING_BYTES_MAX = 256 * 1024

/** Letters, digits and white space of any script, and `+ - = . _ : / @` (S3 API). */
const ALLOWED = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u

/** What may be tagged. */
export type Tagged = 'object' | 'bucket'

/**
 * Reads the body of PutObjectTagging or PutBucketTagging.
 *
 * @throws Failure `xml-malformed` | `message-too-large` | `tags-too-many` | `tag-invalid`
 */
export function parseTagging(body: Uint8Array, tagged: Tagged): Tags {
  const root = parseXml(body, 'Tagging', TAGGING_BYTES_MAX)
  const [set, second] = childrenOf(root, 'TagSet')
  if (set === undefined || second !== undefined) throw malformed('it has not one TagSet')
  return parseTagSet(set, tagged)
}

/** The tags below an element. @throws Failure as `parseTagging` */
export function parseTagSet(set: XmlElement, tagged: Tagged): Tags {
  const tags = childrenOf(set, 'Tag').map((tag) => ({
    key: requiredTextOf(tag, 'Key'),
    value: requiredTextOf(tag, 'Value'),
  }))
  checkCount(tags, tagged)
  const keys = new Set<string>()
  for (const tag of tags) {
    checkTag(tag)
    if (keys.has(tag.key)) {
      throw verbatim('tag-invalid', 'Cannot provide multiple Tags with the same key', {
        tagKey: tag.key,
      })
    }
    keys.add(tag.key)
  }
  return tags
}

/**
 * The tags that a PUT, a copy or a new upload states in `x-amz-tagging`: `key=value&key=value`, URL
 * encoded. Empty pairs are skipped.
 *
 * @returns `undefined` where the header is absent
 * @throws Failure `argument-invalid` | `tag-invalid` | `tags-too-many`
 */
export function parseTaggingHeader(headers: RequestHeaders): Tags | undefined {
  const value = header(headers, 'x-amz-tagging')
  if (value === undefined) return undefined
  const tags: Tag[] = []
  const keys = new Set<string>()
  for (const pair of value.split('&')) {
    if (pair === '') continue
    const equals = pair.indexOf('=')
    const key = decode(equals === -1 ? pair : pair.slice(0, equals))
    const tag = { key, value: equals === -1 ? '' : decode(pair.slice(equals + 1)) }
    if (key === '' || keys.has(key)) throw badTagging()
    checkTag(tag)
    keys.add(key)
    tags.push(tag)
  }
  checkCount(tags, 'object')
  // A query has no order; sorted, every reader sees the same.
  return tags.sort((one, other) => (one.key < other.key ? -1 : 1))
}

/** The tags as the value of `x-amz-tagging`. */
export function formatTaggingHeader(tags: Tags): string {
  return tags
    .map(({ key, value }) => `${encodeURIComponent(key)}=${encodeURIComponent(value)}`)
    .join('&')
}

/** The answer of GetObjectTagging and GetBucketTagging. */
export function renderTagging(tags: Tags): string {
  const set = tags.map(
    ({ key, value }) => `<Tag>${xmlElement('Key', key)}${xmlElement('Value', value)}</Tag>`,
  )
  return xmlDocument('Tagging', `<TagSet>${set.join('')}</TagSet>`)
}

function checkCount(tags: Tags, tagged: Tagged): void {
  if (tagged === 'object' && tags.length > OBJECT_TAGS_MAX) {
    throw verbatim('tags-too-many', `Object tags cannot be greater than ${OBJECT_TAGS_MAX}`)
  }
  if (tagged === 'bucket' && tags.length > BUCKET_TAGS_MAX) {
    throw verbatim('tags-too-many', `Bucket tag count cannot be greater than ${BUCKET_TAGS_MAX}`)
  }
}

function checkTag({ key, value }: Tag): void {
  if (key === '' || [...key].length > TAG_KEY_LENGTH_MAX || !ALLOWED.test(key)) {
    throw verbatim('tag-invalid', 'The TagKey you have provided is invalid', { tagKey: key })
  }
  if ([...value].length > TAG_VALUE_LENGTH_MAX || !ALLOWED.test(value)) {
    const facts = { tagKey: key, tagValue: value }
    throw verbatim('tag-invalid', 'The TagValue you have provided is invalid', facts)
  }
}

function decode(text: string): string {
  try {
    return percentDecode(text.replaceAll('+', ' '))
  } catch (error) {
    if (!isFailure(error)) throw error
    throw badTagging(error)
  }
}

function badTagging(cause?: unknown): Failure {
  const failure = badArgument(
    "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.",
    'x-amz-tagging',
    undefined,
  )
  return new Failure(failure.code, failure.message, { facts: failure.facts, cause })
}
