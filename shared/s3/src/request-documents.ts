import { Failure, isFailure } from '@forebay/base/failure'
import { DELETE_KEYS_MAX, PARTS_MAX } from '@forebay/base/limits'
import type { Checksum } from '@forebay/model/checksum'
import type { Tags } from '@forebay/model/object'
import { algorithmWord, parseChecksum, S3_ALGORITHMS } from './checksum-headers.ts'
import { unquoteTag } from './conditions.ts'
import { parseTagSet } from './tagging.ts'
import { badArgument } from './verbatim.ts'
import {
  childrenOf,
  malformed,
  numberOf,
  parseXml,
  requiredTextOf,
  textOf,
  type XmlElement,
} from './xml-read.ts'

/** One key of DeleteObjects; not checked, because each key fails on its own. */
export interface KeyToDelete {
  readonly key: string
  readonly versionId: string | undefined
  /** Delete only this version; without quotes, or `*`. */
  readonly etag: string | undefined
  /** A condition that is not implemented stands with it. */
  readonly otherCondition: boolean
}

/** What DeleteObjects is asked to do. */
export interface DeleteList {
  readonly keys: readonly KeyToDelete[]
  readonly quiet: boolean
}

/** Reads the body of DeleteObjects. @throws Failure `xml-malformed` | `message-too-large` */
export function parseDeleteList(body: Uint8Array): DeleteList {
  const root = parseXml(body, 'Delete')
  const objects = childrenOf(root, 'Object')
  if (objects.length === 0) throw malformed('it names no object')
  if (objects.length > DELETE_KEYS_MAX) {
    throw malformed(`it names more than ${DELETE_KEYS_MAX} objects`)
  }
  return {
    quiet: textOf(root, 'Quiet')?.trim().toLowerCase() === 'true',
    keys: objects.map((object) => {
      const etag = textOf(object, 'ETag')
      return {
        key: requiredTextOf(object, 'Key'),
        versionId: textOf(object, 'VersionId') || undefined,
        etag: etag === undefined ? undefined : unquoteTag(etag),
        otherCondition:
          textOf(object, 'LastModifiedTime') !== undefined || textOf(object, 'Size') !== undefined,
      }
    }),
  }
}

/** Body of CompleteMultipartUpload, bytes: 10,000 parts with a tag and a SHA-256 each fit. */
export const COMPLETION_BYTES_MAX = 3 * 1024 ** 2

/** One part as CompleteMultipartUpload names it. */
export interface NamedPart {
  readonly partNumber: number
  readonly etag: string
  readonly checksums: readonly Checksum[]
}

/**
 * Reads the body of CompleteMultipartUpload.
 *
 * @throws Failure `xml-malformed` | `message-too-large` | `part-invalid` | `part-order-invalid` |
 *   `bad-request` for a checksum that is none
 */
export function parseCompletion(body: Uint8Array): readonly NamedPart[] {
  const root = parseXml(body, 'CompleteMultipartUpload', COMPLETION_BYTES_MAX)
  const parts = childrenOf(root, 'Part')
  if (parts.length === 0) throw malformed('it names no part')
  if (parts.length > PARTS_MAX) throw malformed(`it names more than ${PARTS_MAX} parts`)
  let previous = 0
  return parts.map((part) => {
    const partNumber = numberOf(part, 'PartNumber')
    if (partNumber === undefined) throw malformed('a part has no PartNumber')
    if (partNumber < 1) {
      throw badArgument('PartNumber must be >= 1', 'PartNumber', String(partNumber))
    }
    if (partNumber > PARTS_MAX) {
      throw new Failure('part-invalid', `there is no part ${partNumber}`)
    }
    if (partNumber <= previous) {
      throw new Failure('part-order-invalid', 'the parts are not in ascending order')
    }
    previous = partNumber
    return {
      partNumber,
      etag: unquoteTag(requiredTextOf(part, 'ETag')),
      checksums: readChecksums(part),
    }
  })
}

/** What CreateBucket asks for besides a name. */
export interface BucketConfiguration {
  readonly region?: string | undefined
  readonly tags?: Tags | undefined
}

/**
 * Reads the body of CreateBucket, which may be empty.
 *
 * @throws Failure `xml-malformed` | `tag-invalid` | `tags-too-many` | `not-implemented` for directory
 *   buckets and zones
 */
export function parseBucketConfiguration(body: Uint8Array): BucketConfiguration {
  if (body.byteLength === 0) return {}
  const root = parseXml(body, 'CreateBucketConfiguration')
  for (const name of ['Location', 'Bucket']) {
    if (childrenOf(root, name).length === 0) continue
    throw new Failure('not-implemented', `${name} of a new bucket is not implemented`)
  }
  const [tags] = childrenOf(root, 'Tags')
  return {
    region: textOf(root, 'LocationConstraint')?.trim() || undefined,
    tags: tags === undefined ? undefined : parseTagSet(tags, 'bucket'),
  }
}

function readChecksums(part: XmlElement): readonly Checksum[] {
  const stated = S3_ALGORITHMS.flatMap((algorithm) => {
    const value = textOf(part, `Checksum${algorithmWord(algorithm)}`)
    return value === undefined ? [] : [{ algorithm, value }]
  })
  const [first] = stated
  if (first === undefined) return []
  try {
    if (stated.length === 1) return [parseChecksum(first.algorithm, first.value)]
  } catch (error) {
    if (!isFailure(error, 'bad-request')) throw error
  }
  throw badArgument(
    'Invalid Base64 or multiple checksums present in request',
    'Checksum',
    stated.length === 1
      ? first.value
      : stated.map(({ algorithm, value }) => `${algorithmWord(algorithm)}:${value};`).join(''),
  )
}
