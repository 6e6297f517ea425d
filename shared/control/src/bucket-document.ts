import { isDeepStrictEqual } from 'node:util'
import { isFailure } from '@forebay/base/failure'
import type {
  BackendBinding,
  BackendProvider,
  BucketRecord,
  BucketRef,
  Provider,
} from '@forebay/model/bucket'
import { formatProperties, parseProperties } from '@forebay/model/property-list'
import { decodeBucketS3 } from './bucket-s3-codec.ts'
import { DOCUMENT_FORMAT, openDocument, sealDocument } from './document.ts'

/** Word for the document in its file and in messages. */
export const BUCKET_TABLE_KIND = 'bucket table'

/** Ids `first..last`, both included. */
export type IdRange = readonly [first: number, last: number]

/** One version of the bucket table. Frozen. */
export interface BucketDocument {
  readonly clusterId: string
  readonly epoch: number
  readonly version: number
  readonly parentHash: string
  /** Hash of this version. */
  readonly hash: string
  /** Every id below was given out once. */
  readonly nextId: number
  /** Ids of buckets that are gone: what still carries one of them is rubbish. Sorted, not touching. */
  readonly destroyed: readonly IdRange[]
  /** Sorted by id. */
  readonly buckets: readonly BucketRecord[]
}

/** The text of a version and the version with its hash. */
export function encodeBucketDocument(document: Omit<BucketDocument, 'hash'>): {
  readonly text: string
  readonly document: BucketDocument
} {
  const { clusterId, epoch, version, parentHash, nextId, destroyed, buckets } = document
  const { text, hash } = sealDocument(
    { format: DOCUMENT_FORMAT, kind: BUCKET_TABLE_KIND, clusterId, epoch, version, parentHash },
    { nextId, destroyed, buckets: buckets.map(encodeBucket) },
  )
  return { text, document: Object.freeze({ ...document, hash }) }
}

export type DecodedBucketDocument =
  | { readonly kind: 'valid'; readonly document: BucketDocument }
  | { readonly kind: 'corrupt'; readonly why: string }

/** @throws Failure `format-newer` */
export function decodeBucketDocument(text: string): DecodedBucketDocument {
  const opened = openDocument(text, BUCKET_TABLE_KIND)
  if (opened.kind === 'corrupt') return opened
  const { head, hash, fields } = opened
  const nextId = fields.get('nextId')
  const destroyed = fields.get('destroyed')
  const buckets = fields.get('buckets')
  if (typeof nextId !== 'number' || !isRanges(destroyed) || !Array.isArray(buckets)) {
    return { kind: 'corrupt', why: 'a field is missing' }
  }
  try {
    const { clusterId, epoch, version, parentHash } = head
    const records = Object.freeze(buckets.map(decodeBucket))
    return {
      kind: 'valid',
      document: Object.freeze({
        clusterId,
        epoch,
        version,
        parentHash,
        hash,
        nextId,
        destroyed,
        buckets: records,
      }),
    }
  } catch (error) {
    if (isFailure(error, 'property-invalid') || error instanceof BadField) {
      return { kind: 'corrupt', why: error.message }
    }
    throw error
  }
}

/** The ranges with one more id in them. */
export function addToRanges(ranges: readonly IdRange[], id: number): readonly IdRange[] {
  const all = [...ranges, [id, id] as const].sort((a, b) => a[0] - b[0])
  const merged: IdRange[] = []
  for (const [first, last] of all) {
    const previous = merged.at(-1)
    if (previous !== undefined && first <= previous[1] + 1) {
      merged[merged.length - 1] = [previous[0], Math.max(previous[1], last)]
    } else {
      merged.push([first, last])
    }
  }
  return merged
}

/** True for a bucket that says the same; used to leave the version alone when nothing changes. */
export function sameBucket(a: BucketRecord, b: BucketRecord): boolean {
  return isDeepStrictEqual(encodeBucket(a), encodeBucket(b))
}

class BadField extends Error {}

function encodeBucket(bucket: BucketRecord): Readonly<Record<string, unknown>> {
  const { id, ref, aliases, createdMs, backend, properties, s3 } = bucket
  return { id, ref, aliases, createdMs, backend, properties: formatProperties(properties), s3 }
}

function decodeBucket(value: unknown): BucketRecord {
  const fields = fieldsOf(value, 'bucket')
  const backend = fields.get('backend')
  return Object.freeze<BucketRecord>({
    id: number(fields, 'id'),
    ref: decodeRef(fields.get('ref')),
    aliases: Object.freeze(texts(fields.get('aliases'))),
    createdMs: number(fields, 'createdMs'),
    ...(backend === undefined ? {} : { backend: decodeBackend(backend) }),
    properties: parseProperties(fields.get('properties')),
    ...decodeS3(fields.get('s3')),
  })
}

function decodeS3(value: unknown): Pick<BucketRecord, 's3'> {
  if (value === undefined) return {}
  const s3 = decodeBucketS3(value)
  if (s3 === undefined) throw new BadField('what the S3 API keeps with a bucket is damaged')
  return { s3 }
}

function decodeRef(value: unknown): BucketRef {
  const fields = fieldsOf(value, 'ref')
  const namespace = fieldsOf(fields.get('namespace'), 'namespace')
  return Object.freeze<BucketRef>({
    provider: decodeProvider(fields.get('provider')),
    namespace: Object.freeze({ uuid: text(namespace, 'uuid'), name: text(namespace, 'name') }),
    name: text(fields, 'name'),
  })
}

const PROVIDERS: readonly Provider[] = ['ais', 'aws', 'gcp', 'azure']

function decodeProvider(value: unknown): Provider {
  const provider = PROVIDERS.find((known) => known === value)
  if (provider === undefined) throw new BadField('a provider is not known')
  return provider
}

const BACKEND_PROVIDERS: readonly BackendProvider[] = ['aws', 'gcp', 'azure', 'http', 'memory']

function decodeBackend(value: unknown): BackendBinding {
  const fields = fieldsOf(value, 'backend')
  const provider = BACKEND_PROVIDERS.find((known) => known === fields.get('provider'))
  if (provider === undefined) throw new BadField('the provider of a backend is not known')
  const forcePathStyle = fields.get('forcePathStyle')
  return Object.freeze<BackendBinding>({
    provider,
    bucket: text(fields, 'bucket'),
    ...optionalText(fields, 'endpoint'),
    ...optionalText(fields, 'region'),
    ...optionalText(fields, 'profile'),
    ...(typeof forcePathStyle === 'boolean' ? { forcePathStyle } : {}),
  })
}

function fieldsOf(value: unknown, what: string): ReadonlyMap<string, unknown> {
  if (typeof value !== 'object' || value === null) throw new BadField(`a ${what} is no object`)
  return new Map<string, unknown>(Object.entries(value))
}

function text(fields: ReadonlyMap<string, unknown>, name: string): string {
  const value = fields.get(name)
  if (typeof value !== 'string') throw new BadField(`field ${name} is no text`)
  return value
}

function optionalText(fields: ReadonlyMap<string, unknown>, name: string): Record<string, string> {
  return fields.get(name) === undefined ? {} : { [name]: text(fields, name) }
}

function texts(value: unknown): readonly string[] {
  if (!Array.isArray(value)) throw new BadField('a list is missing')
  return value.map((entry: unknown) => {
    if (typeof entry !== 'string') throw new BadField('an entry of a list is no text')
    return entry
  })
}

function number(fields: ReadonlyMap<string, unknown>, name: string): number {
  const value = fields.get(name)
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) {
    throw new BadField(`field ${name} is no whole number`)
  }
  return value
}

function isRanges(value: unknown): value is readonly IdRange[] {
  return (
    Array.isArray(value) &&
    value.every(
      (range: unknown) =>
        Array.isArray(range) && range.length === 2 && range.every((id) => Number.isSafeInteger(id)),
    )
  )
}
