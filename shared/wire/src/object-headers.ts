import { Failure } from '@forebay/base/failure'
import type { BucketRef } from '@forebay/model/bucket'
import type { ObjectAttributes } from '@forebay/model/object'
import { encodeChecksum } from './checksum.ts'
import { encodeCustomMetadata } from './custom-metadata.ts'

/** Headers by name; a list is sent as one line per value. */
export type WireHeaders = Readonly<Record<string, string | readonly string[]>>

/** One object as the headers describe it. */
export interface WireObject {
  readonly ref: BucketRef
  readonly key: string
  readonly attributes: ObjectAttributes
}

/** What HEAD knows beyond the attributes. */
export interface WirePlacement {
  readonly nodeId: string
  /** All bytes are in the cache. */
  readonly present: boolean
  readonly mountpath?: string | undefined
  readonly lastAccessMs?: number | undefined
}

/** Properties that `HEAD ?props=` may select; `cached` and `status` exist in lists only. */
const PROPERTIES = [
  'name',
  'size',
  'version',
  'checksum',
  'atime',
  'copies',
  'ec',
  'custom',
  'location',
  'chunked',
  'last-modified',
  'etag',
] as const

export type ObjectProperty = (typeof PROPERTIES)[number]

/**
 * Reads the comma list `props` of a HEAD request.
 *
 * @throws Failure `argument-invalid` for a name that cannot be selected
 */
export function decodeObjectProperties(text: string): ReadonlySet<ObjectProperty> {
  const selected = new Set<ObjectProperty>()
  for (const word of text.split(',').map((name) => name.trim())) {
    if (word === '') continue
    const property = PROPERTIES.find((name) => name === word)
    if (property === undefined) {
      throw new Failure(
        'argument-invalid',
        `object property "${word.slice(0, 32)}" is not one of ${PROPERTIES.join(', ')}`,
      )
    }
    selected.add(property)
  }
  return selected
}

/** Headers of a GET answer that describe the object; lengths and ranges are the door's. */
export function encodeReadHeaders(object: WireObject): WireHeaders {
  const { attributes } = object
  return {
    ...checksumHeaders(attributes),
    ...versionHeader(attributes),
    ...customHeader(object),
    ...backendHeaders(attributes),
  }
}

/** Headers of a HEAD answer without `props` ("v1"): everything that is known. */
export function encodeHeadHeaders(object: WireObject, placement: WirePlacement): WireHeaders {
  const { present, mountpath } = placement
  return {
    ...encodeReadHeaders(object),
    ...nameHeaders(object),
    'Ais-Present': String(present),
    'Ais-Mirror-Copies': present ? '1' : '0',
    'Ais-Mirror-Paths': present && mountpath !== undefined ? `[${mountpath}]` : '[]',
    ...locationHeader(placement),
    ...accessHeader(placement),
  }
}

/** Headers of a HEAD answer with `props` ("v2"): what was selected, and always `Ais-Present`. */
export function encodeSelectedHeaders(
  object: WireObject,
  placement: WirePlacement,
  selected: ReadonlySet<ObjectProperty>,
): WireHeaders {
  const { attributes } = object
  const has = (name: ObjectProperty): boolean => selected.has(name)
  return {
    'Ais-Present': String(placement.present),
    ...(has('name') ? nameHeaders(object) : {}),
    ...(has('version') ? versionHeader(attributes) : {}),
    ...(has('checksum') ? checksumHeaders(attributes) : {}),
    ...(has('atime') ? accessHeader(placement) : {}),
    ...(has('copies') ? copiesHeaders(placement) : {}),
    ...(has('custom') ? customHeader(object) : {}),
    ...(has('location') ? locationHeader(placement) : {}),
    ...(has('etag') ? { ETag: `"${attributes.etag}"` } : {}),
    ...(has('etag') || has('last-modified') ? lastModifiedHeader(attributes) : {}),
  }
}

/** Headers of a PUT answer. */
export function encodeWriteHeaders(object: WireObject, atMs: number): WireHeaders {
  return {
    'Ais-Atime': nanoseconds(atMs),
    ...checksumHeaders(object.attributes),
    ...versionHeader(object.attributes),
    ...(object.attributes.validators === undefined ? {} : { ETag: object.attributes.etag }),
  }
}

function checksumHeaders(attributes: ObjectAttributes): WireHeaders {
  const checksum = encodeChecksum(attributes.checksums)
  if (checksum === undefined) return {}
  return { 'Ais-Checksum-Type': checksum.type, 'Ais-Checksum-Value': checksum.value }
}

function versionHeader(attributes: ObjectAttributes): WireHeaders {
  const version = attributes.validators?.versionId
  return version === undefined || version === '' ? {} : { 'Ais-Version': version }
}

function customHeader(object: WireObject): WireHeaders {
  const pairs = encodeCustomMetadata(object.ref, object.attributes).filter(isHeaderValue)
  return pairs.length === 0 ? {} : { 'Ais-Custom-Md': pairs }
}

/** A backend's ETag as stored, unquoted, and its date; an object of ours shows neither (AIStore). */
function backendHeaders(attributes: ObjectAttributes): WireHeaders {
  if (attributes.validators === undefined) return {}
  return { ETag: attributes.etag, ...lastModifiedHeader(attributes) }
}

function lastModifiedHeader(attributes: ObjectAttributes): WireHeaders {
  return { 'Last-Modified': new Date(attributes.lastModifiedMs).toUTCString() }
}

function nameHeaders(object: WireObject): WireHeaders {
  return {
    'Ais-Name': headerText(object.key),
    'Ais-Bucket-Name': object.ref.name,
    'Ais-Bucket-Provider': object.ref.provider,
  }
}

function locationHeader({ nodeId, mountpath }: WirePlacement): WireHeaders {
  return mountpath === undefined ? {} : { 'Ais-Location': `t[${nodeId}]:mp[${mountpath}]` }
}

function copiesHeaders({ present, mountpath }: WirePlacement): WireHeaders {
  return {
    'Ais-Mirror-Copies': present ? '1' : '0',
    ...(present && mountpath !== undefined ? { 'Ais-Mirror-Paths': mountpath } : {}),
  }
}

function accessHeader({ lastAccessMs }: WirePlacement): WireHeaders {
  return lastAccessMs === undefined ? {} : { 'Ais-Atime': nanoseconds(lastAccessMs) }
}

function nanoseconds(ms: number): string {
  return String(BigInt(Math.round(ms * 1000)) * 1000n)
}

/** UTF-8 bytes as the characters that HTTP/1.1 sends for them; control characters are dropped. */
function headerText(text: string): string {
  return Buffer.from(text, 'utf8')
    .toString('latin1')
    .replace(/[^\t\x20-\x7e\x80-\xff]/g, '')
}

/** True for what a header may hold; other metadata cannot be shown this way. */
function isHeaderValue(text: string): boolean {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(text)
}
