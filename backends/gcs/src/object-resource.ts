import { Failure } from '@forebay/base/failure'
import type { StoredHeaders, UserMetadata } from '@forebay/model/object'

/** An object as the JSON API describes it; the fields that are asked for. */
export interface ObjectResource {
  readonly name: string
  readonly generation: string
  readonly sizeBytes: number
  /** Base64; absent for composite objects. */
  readonly md5Hash: string | undefined
  /** Base64 of the big-endian number. */
  readonly crc32c: string | undefined
  /** Milliseconds since 1970, whole seconds as in Last-Modified. */
  readonly updatedMs: number
  readonly storageClass: string | undefined
}

/** Fields of an object that `parseObject` reads. */
export const OBJECT_FIELDS = 'name,generation,size,md5Hash,crc32c,updated,storageClass'

/**
 * A document of the JSON API.
 *
 * @throws Failure `backend-corrupt` when the text is none
 */
export function parseDocument(text: string, what: string): Readonly<Record<string, unknown>> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new Failure('backend-corrupt', `${what}: the answer is no JSON`, { cause })
  }
  if (!isRecord(value)) throw new Failure('backend-corrupt', `${what}: the answer is no document`)
  return value
}

/** @throws Failure `backend-corrupt` for an object without generation or size */
export function parseObject(value: unknown, what: string): ObjectResource {
  const document = isRecord(value) ? value : {}
  const generation = textOf(document['generation']) ?? ''
  const size = textOf(document['size']) ?? ''
  if (!/^\d{1,20}$/.test(generation) || !/^\d{1,16}$/.test(size)) {
    throw new Failure('backend-corrupt', `${what}: an object has no generation or no size`)
  }
  return {
    name: textOf(document['name']) ?? '',
    generation,
    sizeBytes: Number(size),
    md5Hash: textOf(document['md5Hash']),
    crc32c: textOf(document['crc32c']),
    updatedMs: dateMsOf(document['updated']) ?? 0,
    storageClass: textOf(document['storageClass']),
  }
}

/** Milliseconds since 1970 of a date of the JSON API, whole seconds. */
export function dateMsOf(value: unknown): number | undefined {
  const ms = Date.parse(textOf(value) ?? '')
  return Number.isNaN(ms) ? undefined : Math.floor(ms / 1000) * 1000
}

/** The texts of a list; whatever is none is left out. */
export function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((entry) => typeof entry === 'string') : []
}

export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** What describes an object, as a request of the JSON API states it. */
export function describingResource(described: {
  readonly headers: StoredHeaders
  readonly metadata: UserMetadata
  readonly storageClass?: string | undefined
}): Readonly<Record<string, unknown>> {
  const { headers, metadata, storageClass } = described
  return {
    contentType: headers.contentType ?? CONTENT_TYPE_DEFAULT,
    contentEncoding: headers.contentEncoding,
    contentLanguage: headers.contentLanguage,
    contentDisposition: headers.contentDisposition,
    cacheControl: headers.cacheControl,
    storageClass,
    metadata: Object.fromEntries(
      Object.entries(metadata).map(([name, value]) => [name, fromHeader(value)]),
    ),
  }
}

/** What the store would name it by itself, stated so that every store does. */
const CONTENT_TYPE_DEFAULT = 'application/octet-stream'

/** Values come as headers have them, one character per byte; JSON has text. */
function fromHeader(value: string): string {
  const bytes = Buffer.from(value, 'latin1')
  const text = bytes.toString('utf8')
  // Bytes that are no UTF-8 keep one character each.
  return Buffer.from(text).equals(bytes) ? text : value
}
