import { Buffer } from 'node:buffer'
import { Failure } from '@forebay/base/failure'
import { CHECKSUM_ALGORITHMS, type Checksum } from '@forebay/model/checksum'
import type {
  ListedObject,
  ObjectAttributes,
  StoredHeaders,
  StoredPart,
} from '@forebay/model/object'
import type { Pin, Validators } from '@forebay/model/version'
import { Packr } from 'msgpackr'
import type { BlockTable, ObjectRecord } from './contract.ts'
import { BYTES_A_UNIT_MAX, MsgpackWriter } from './msgpack-writer.ts'

/**
 * A record as bytes, the same in index and journal: a header at fixed offsets, so that a listing
 * reads four numbers and two short texts and nothing else, then texts, then a msgpack tail.
 */
export const RECORD_FORMAT = 1

const FLAG_PARTIAL = 1
const FLAG_SYNCED = 2
const FLAG_XXH64 = 4
const FLAG_STORAGE_CLASS = 8
/** Beside the number of the algorithm: the checksum is one of checksums. */
const COMPOSITE = 0x80

const AT = {
  version: 0,
  flags: 1,
  etagBytes: 2,
  storageClassBytes: 4,
  algorithm: 5,
  pathBytes: 6,
  sizeBytes: 8,
  lastModifiedMs: 16,
  mapVersion: 24,
  counter: 32,
  ownedSince: 40,
  validatedMs: 48,
  validSequence: 56,
  sequence: 64,
  inode: 72,
  allocatedBytes: 80,
  mountpath: 88,
  storedSeconds: 92,
  xxh64: 96,
  texts: 104,
} as const

/** What the store keeps of a record beyond what its callers see. */
export interface RecordFacts {
  /** Counter when this state of the record was journalled: decides what an unclean boot drops. */
  readonly sequence: number
  /** Counter when `validatedMs` was stated: older than an unclean boot means suspect. */
  readonly validSequence: number
  /** The commit waited for the disk. */
  readonly synced: boolean
  /** Bytes on disk that the record stands for. */
  readonly allocatedBytes: number
}

/** The facts of an encoded record that space, recovery and eviction need, without its tail. */
export interface RecordHeader extends RecordFacts {
  readonly sizeBytes: number
  readonly mapVersion: number
  readonly counter: number
  readonly inode: number
  readonly mountpath: number
  readonly partial: boolean
  readonly path: string
  /** Wall clock, ms; of an entry without a time of its own when it was last confirmed. */
  readonly storedMs: number
}

type Tail = readonly [
  headers: StoredHeaders,
  metadata: readonly (readonly [string, string])[],
  checksums: readonly Checksum[],
  parts: readonly (readonly [number, number, Checksum?])[] | undefined,
  partCount: number | undefined,
  validators: Validators | undefined,
  pin: Pin,
  blocks: readonly [blockBytes: number, present: Uint8Array, crcs: Uint8Array] | undefined,
  /** What came after the first release; absent in most records. */
  extra?: Extra,
]

type Extra = Pick<ObjectAttributes, 'tags' | 'tagCount' | 'originHeaders'> &
  Pick<ObjectRecord, 'damaged'>

/** Reads what `writer` writes, and what it wrote itself before there was one. */
const packr = new Packr({ useRecords: false, copyBuffers: true })

const writer = new MsgpackWriter()

/**
 * Encodes a record; `decodeRecord` gives it back.
 *
 * @throws Failure `backend-corrupt` for an ETag or storage class that is longer than the header can say:
 *   ours never are
 */
export function encodeRecord(record: ObjectRecord, facts: RecordFacts): Buffer {
  const { attributes, location } = record
  const { etag, storageClass = '' } = attributes
  writer.begin(AT.texts)
  const { texts } = AT
  writer.ensure(BYTES_A_UNIT_MAX * (etag.length + storageClass.length + location.path.length))
  const etagBytes = writer.raw(etag, texts)
  const storageClassBytes = writer.raw(storageClass, texts + etagBytes)
  const pathBytes = writer.raw(location.path, texts + etagBytes + storageClassBytes)
  writeFacts(writer.view, record, facts)
  // A length that wraps would make a path of what stands before it.
  if (etagBytes > 0xffff || storageClassBytes > 0xff || pathBytes > 0xffff)
    throw tooLong(record.key)
  writer.view.setUint16(AT.etagBytes, etagBytes, true)
  writer.view.setUint8(AT.storageClassBytes, storageClassBytes)
  writer.view.setUint16(AT.pathBytes, pathBytes, true)
  if (record.contentXxh64 === undefined) writer.bytes.fill(0, AT.xxh64, AT.texts)
  else writer.bytes.write(record.contentXxh64, AT.xxh64, 'hex')
  writer.at = texts + etagBytes + storageClassBytes + pathBytes
  writer.value(tailOf(record))
  return writer.take()
}

function tooLong(key: string): Failure {
  const message = `${key}: ETag, storage class or path is longer than an object's may be`
  return new Failure('backend-corrupt', message)
}

/** What has its place in the header, but for texts. */
function writeFacts(view: DataView, record: ObjectRecord, facts: RecordFacts): void {
  const { attributes, stamp, location } = record
  const [checksum] = attributes.checksums
  view.setUint8(AT.version, RECORD_FORMAT)
  view.setUint8(AT.flags, flagsOf(record, facts))
  view.setUint8(AT.algorithm, checksum === undefined ? 0 : codeOf(checksum))
  view.setFloat64(AT.sizeBytes, attributes.sizeBytes, true)
  view.setFloat64(AT.lastModifiedMs, attributes.lastModifiedMs, true)
  view.setFloat64(AT.mapVersion, stamp.mapVersion, true)
  view.setFloat64(AT.counter, stamp.counter, true)
  view.setFloat64(AT.ownedSince, record.ownedSince, true)
  view.setFloat64(AT.validatedMs, record.validatedMs, true)
  view.setFloat64(AT.validSequence, facts.validSequence, true)
  view.setFloat64(AT.sequence, facts.sequence, true)
  view.setFloat64(AT.inode, location.inode, true)
  view.setFloat64(AT.allocatedBytes, facts.allocatedBytes, true)
  view.setUint32(AT.mountpath, location.mountpath, true)
  view.setUint32(AT.storedSeconds, (record.storedMs ?? 0) / 1000, true)
}

function flagsOf(record: ObjectRecord, facts: RecordFacts): number {
  return (
    (record.blocks === undefined ? 0 : FLAG_PARTIAL) |
    (facts.synced ? FLAG_SYNCED : 0) |
    (record.contentXxh64 === undefined ? 0 : FLAG_XXH64) |
    (record.attributes.storageClass === undefined ? 0 : FLAG_STORAGE_CLASS)
  )
}

function codeOf({ algorithm, kind }: Checksum): number {
  return (CHECKSUM_ALGORITHMS.indexOf(algorithm) + 1) | (kind === 'composite' ? COMPOSITE : 0)
}

/**
 * Decodes a record. The result shares no memory with `bytes`.
 *
 * @returns undefined for bytes that are no record of this format: the caller counts it as corrupt
 */
export function decodeRecord(
  name: { readonly bucketId: number; readonly key: string },
  bytes: Buffer,
): ObjectRecord | undefined {
  const length = bytes.length
  if (length < AT.texts || bytes[AT.version] !== RECORD_FORMAT) return undefined
  const flags = bytes[AT.flags] ?? 0
  const etagEnd = AT.texts + bytes.readUInt16LE(AT.etagBytes)
  const classEnd = etagEnd + (bytes[AT.storageClassBytes] ?? 0)
  const pathEnd = classEnd + bytes.readUInt16LE(AT.pathBytes)
  if (pathEnd >= length) return undefined
  const tail = unpackTail(bytes.subarray(pathEnd, length))
  if (tail === undefined) return undefined
  const storageClass =
    (flags & FLAG_STORAGE_CLASS) === 0 ? undefined : bytes.toString('utf8', etagEnd, classEnd)
  const attributes = attributesOf(tail, {
    sizeBytes: bytes.readDoubleLE(AT.sizeBytes),
    etag: bytes.toString('utf8', AT.texts, etagEnd),
    lastModifiedMs: bytes.readDoubleLE(AT.lastModifiedMs),
    storageClass,
  })
  return Object.freeze<ObjectRecord>({
    bucketId: name.bucketId,
    key: name.key,
    stamp: Object.freeze({
      mapVersion: bytes.readDoubleLE(AT.mapVersion),
      counter: bytes.readDoubleLE(AT.counter),
    }),
    ownedSince: bytes.readDoubleLE(AT.ownedSince),
    attributes,
    location: Object.freeze({
      mountpath: bytes.readUInt32LE(AT.mountpath),
      path: bytes.toString('utf8', classEnd, pathEnd),
      inode: bytes.readDoubleLE(AT.inode),
    }),
    contentXxh64:
      (flags & FLAG_XXH64) === 0 ? undefined : bytes.toString('hex', AT.xxh64, AT.xxh64 + 8),
    pin: Object.freeze(tail[6]),
    validatedMs: bytes.readDoubleLE(AT.validatedMs),
    storedMs: bytes.readUInt32LE(AT.storedSeconds) * 1000 || undefined,
    blocks: tail[7] === undefined ? undefined : decodeBlocks(tail[7]),
    damaged: tail[8]?.damaged,
  })
}

/** The header alone. @returns undefined for bytes that are no record of this format */
export function decodeHeader(bytes: Buffer): RecordHeader | undefined {
  if (bytes.length < AT.texts || bytes[AT.version] !== RECORD_FORMAT) return undefined
  const flags = bytes[AT.flags] ?? 0
  const classEnd = AT.texts + bytes.readUInt16LE(AT.etagBytes) + (bytes[AT.storageClassBytes] ?? 0)
  return {
    sizeBytes: bytes.readDoubleLE(AT.sizeBytes),
    mapVersion: bytes.readDoubleLE(AT.mapVersion),
    counter: bytes.readDoubleLE(AT.counter),
    inode: bytes.readDoubleLE(AT.inode),
    mountpath: bytes.readUInt32LE(AT.mountpath),
    storedMs: bytes.readUInt32LE(AT.storedSeconds) * 1000 || bytes.readDoubleLE(AT.validatedMs),
    partial: (flags & FLAG_PARTIAL) !== 0,
    path: bytes.toString('utf8', classEnd, classEnd + bytes.readUInt16LE(AT.pathBytes)),
    sequence: bytes.readDoubleLE(AT.sequence),
    validSequence: bytes.readDoubleLE(AT.validSequence),
    synced: (flags & FLAG_SYNCED) !== 0,
    allocatedBytes: bytes.readDoubleLE(AT.allocatedBytes),
  }
}

/** What a record counts for. @returns undefined for bytes that are no record of this format */
export function decodeCounted(
  bytes: Buffer,
): Pick<RecordHeader, 'mountpath' | 'allocatedBytes'> | undefined {
  if (bytes.length < AT.texts || bytes[AT.version] !== RECORD_FORMAT) return undefined
  return {
    mountpath: bytes.readUInt32LE(AT.mountpath),
    allocatedBytes: bytes.readDoubleLE(AT.allocatedBytes),
  }
}

/** One name of a listing, from the header alone. */
export function decodeListed(key: string, bytes: Buffer): ListedObject {
  const etagEnd = AT.texts + bytes.readUInt16LE(AT.etagBytes)
  const flags = bytes[AT.flags] ?? 0
  const checksum = bytes[AT.algorithm] ?? 0
  const algorithm = checksum & ~COMPOSITE
  return {
    key,
    sizeBytes: bytes.readDoubleLE(AT.sizeBytes),
    etag: bytes.toString('utf8', AT.texts, etagEnd),
    lastModifiedMs: bytes.readDoubleLE(AT.lastModifiedMs),
    storageClass:
      (flags & FLAG_STORAGE_CLASS) === 0
        ? undefined
        : bytes.toString('utf8', etagEnd, etagEnd + (bytes[AT.storageClassBytes] ?? 0)),
    checksumAlgorithm: algorithm === 0 ? undefined : CHECKSUM_ALGORITHMS[algorithm - 1],
    checksumKind:
      algorithm === 0 ? undefined : (checksum & COMPOSITE) === 0 ? 'whole' : 'composite',
  }
}

function tailOf(record: ObjectRecord): Tail {
  const { attributes, blocks } = record
  return [
    attributes.headers,
    // Pairs, not an object: a decoder must not meet `__proto__` as a property name.
    Object.entries(attributes.metadata),
    attributes.checksums,
    attributes.parts?.map(({ partNumber, sizeBytes, checksum }) =>
      checksum === undefined ? [partNumber, sizeBytes] : [partNumber, sizeBytes, checksum],
    ),
    attributes.partCount,
    attributes.validators,
    record.pin,
    blocks === undefined ? undefined : encodeBlocks(blocks),
    ...extraOf(record),
  ]
}

function extraOf({ attributes, damaged }: ObjectRecord): [] | [Extra] {
  const { tags, tagCount, originHeaders } = attributes
  if ((tags ?? tagCount ?? originHeaders ?? damaged) === undefined) return []
  return [{ tags, tagCount, originHeaders, damaged }]
}

function unpackTail(bytes: Buffer): Tail | undefined {
  try {
    const value: unknown = packr.unpack(bytes)
    // A codec: the frame around these bytes was checked by crc32c, its writer is `tailOf`.
    return Array.isArray(value) && value.length >= 8 ? (value as unknown as Tail) : undefined
  } catch {
    // Bytes that are no msgpack are corrupt, which is what undefined says.
    return undefined
  }
}

function attributesOf(
  tail: Tail,
  fixed: Pick<ObjectAttributes, 'sizeBytes' | 'etag' | 'lastModifiedMs' | 'storageClass'>,
): ObjectAttributes {
  const [headers, metadata, checksums, parts, partCount, validators] = tail
  const extra = tail[8]
  return Object.freeze<ObjectAttributes>({
    ...fixed,
    headers: Object.freeze(headers),
    metadata: Object.freeze(Object.fromEntries(metadata)),
    checksums: Object.freeze(checksums),
    parts: parts?.map(
      ([partNumber, sizeBytes, checksum]): StoredPart =>
        checksum === undefined ? { partNumber, sizeBytes } : { partNumber, sizeBytes, checksum },
    ),
    partCount,
    validators: validators === undefined ? undefined : Object.freeze(validators),
    ...(extra === undefined ? undefined : frozenExtra(extra)),
  })
}

function frozenExtra({ tags, tagCount, originHeaders }: Extra): Partial<ObjectAttributes> {
  return {
    tags: tags === undefined ? undefined : Object.freeze(tags.map((tag) => Object.freeze(tag))),
    tagCount,
    originHeaders: originHeaders === undefined ? undefined : Object.freeze(originHeaders),
  }
}

function encodeBlocks({ blockBytes, crcs }: BlockTable): Tail[7] {
  const present = new Uint8Array(Math.ceil(crcs.length / 8))
  const values = Buffer.alloc(crcs.length * 4)
  crcs.forEach((crc, at) => {
    if (crc < 0) return
    present[at >> 3] = (present[at >> 3] ?? 0) | (1 << (at & 7))
    values.writeUInt32LE(crc, at * 4)
  })
  return [blockBytes, present, values]
}

function decodeBlocks([blockBytes, present, values]: NonNullable<Tail[7]>): BlockTable {
  const view = new DataView(values.buffer, values.byteOffset, values.byteLength)
  const crcs = new Float64Array(values.byteLength / 4)
  for (let at = 0; at < crcs.length; at++) {
    const there = ((present[at >> 3] ?? 0) & (1 << (at & 7))) !== 0
    crcs[at] = there ? view.getUint32(at * 4, true) : -1
  }
  return Object.freeze({ blockBytes, crcs })
}
