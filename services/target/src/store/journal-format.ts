import { Buffer } from 'node:buffer'
import { crc32c } from '@forebay/base/digest'
import { Packr } from 'msgpackr'
import { MsgpackWriter } from './msgpack-writer.ts'

/**
 * A journal segment is a run of frames: magic, payload length, crc32c of the payload, payload
 * (msgpack). A frame that does not check is either the torn tail of a crash or damage; the reader
 * tells them apart by looking for a good frame behind it.
 */
export const JOURNAL_FORMAT = 1

const MAGIC = 0x4a59_4246 // "FBYJ" in the file
export const FRAME_HEADER_BYTES = 12
/** Largest payload, bytes: a record with 10,000 parts and a block table stays below. */
export const FRAME_BYTES_MAX = 64 * 1024 ** 2

interface Named {
  readonly bucketId: number
  readonly key: string
  /** The counter of this act: of two acts on one key the larger one is later. */
  readonly sequence: number
}

export type JournalEntry =
  | (Named & {
      readonly kind: 'put'
      /** As `encodeRecord` writes it. */
      readonly record: Buffer
      /** Where the file lies until it is renamed, relative to the mountpath; `''`: it stays where it is. */
      readonly from: string
      readonly settle: boolean
    })
  /** The put of this sequence never happened. */
  | (Named & { readonly kind: 'void' })
  | (Named & {
      readonly kind: 'remove'
      readonly path: string
      readonly inode: number
      readonly why: string
      readonly settle: boolean
    })
  | (Named & {
      readonly kind: 'blocks'
      /** Stamp counter of the version that the blocks belong to. */
      readonly counter: number
      /** Block index, crc32c, block index, crc32c, ... */
      readonly blocks: readonly number[]
    })
  | (Named & { readonly kind: 'unsettled' })
  | (Named & { readonly kind: 'settled' })
  | { readonly kind: 'drop-bucket'; readonly bucketId: number; readonly sequence: number }
  /** First in every segment. */
  | { readonly kind: 'segment'; readonly format: number }

const KINDS = [
  'put',
  'void',
  'remove',
  'blocks',
  'unsettled',
  'settled',
  'drop-bucket',
  'segment',
] as const

const packr = new Packr({ useRecords: false, copyBuffers: true })

const writer = new MsgpackWriter()

/** One frame, ready to be written. */
export function encodeFrame(entry: JournalEntry): Buffer {
  writer.begin(FRAME_HEADER_BYTES)
  writer.value(entry)
  const frame = writer.take()
  frame.writeUInt32LE(MAGIC, 0)
  frame.writeUInt32LE(frame.length - FRAME_HEADER_BYTES, 4)
  frame.writeUInt32LE(crc32c(frame.subarray(FRAME_HEADER_BYTES)), 8)
  return frame
}

export type FrameRead =
  | { readonly kind: 'entry'; readonly entry: JournalEntry; readonly end: number }
  /** Not all of a frame is here; more bytes may complete it. */
  | { readonly kind: 'short' }
  | { readonly kind: 'damaged' }

/** Reads the frame that starts at `at`. */
export function readFrame(bytes: Buffer, at: number): FrameRead {
  if (bytes.length - at < FRAME_HEADER_BYTES) return { kind: 'short' }
  if (bytes.readUInt32LE(at) !== MAGIC) return { kind: 'damaged' }
  const length = bytes.readUInt32LE(at + 4)
  if (length > FRAME_BYTES_MAX) return { kind: 'damaged' }
  const start = at + FRAME_HEADER_BYTES
  if (bytes.length - start < length) return { kind: 'short' }
  const payload = bytes.subarray(start, start + length)
  if (crc32c(payload) !== bytes.readUInt32LE(at + 8)) return { kind: 'damaged' }
  const entry = entryOf(packr.unpack(payload))
  return entry === undefined ? { kind: 'damaged' } : { kind: 'entry', entry, end: start + length }
}

/** Offset of the next place after `at` that looks like a frame, or -1. */
export function findFrame(bytes: Buffer, at: number): number {
  const magic = Buffer.alloc(4)
  magic.writeUInt32LE(MAGIC)
  return bytes.indexOf(magic, at)
}

function entryOf(value: unknown): JournalEntry | undefined {
  if (typeof value !== 'object' || value === null || !('kind' in value)) return undefined
  // A codec: the payload passed its crc32c and was written by `encodeFrame`.
  return isKind(value.kind) ? (value as JournalEntry) : undefined
}

function isKind(kind: unknown): boolean {
  return KINDS.some((known) => known === kind)
}
