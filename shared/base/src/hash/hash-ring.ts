/** The memory that the event loop and one hash worker share: control words, slot heads, slot bytes. */
import { CRC64_ENGINE_BYTES, FOLD_MARGIN_BYTES, FOLD_SPAN_BYTES } from './crc64-code.ts'
import { MD5_BLOCK_BYTES, MD5_GROUP_BYTES, MD5_LANES_MAX, MD5_STEPS } from './md5-code.ts'
import { allocateMemory, type WasmMemory } from './wasm-module.ts'

/** Slots of a ring; with their size 4 MiB a worker. */
export const RING_SLOTS = 64

/** Bytes of one slot: a chunk as sockets give it. Larger chunks are cut. */
export const RING_SLOT_BYTES = 64 * 1024

/** Slots filled so far, modulo 2^32; written by the event loop. */
export const WRITTEN = 0
/** Slots worked off so far, modulo 2^32; written by the worker. */
export const CONSUMED = 1
/** 1 while the event loop wants to hear when a slot becomes free. */
export const ROOM_WANTED = 2

const CONTROL_WORDS = 4
const HEAD_WORDS = 4

/** What a slot asks for. */
export const KIND_DATA = 0
export const KIND_FINISH = 1
export const KIND_ABANDON = 2

/** Which digests a stream wants, as bits. */
export const WANTS_MD5 = 1
export const WANTS_CRC64 = 2

/** Where things lie in the memory, bytes. */
const HEADS_AT = CONTROL_WORDS * 4

/** Where the worker's own memory lies: the steps, the states and the last blocks of MD5, CRC64. */
export const MD5_STEPS_AT = align(HEADS_AT + RING_SLOTS * HEAD_WORDS * 4)
export const MD5_STATES_AT = align(MD5_STEPS_AT + MD5_STEPS.length * 4)
export const MD5_TAIL_AT = align(MD5_STATES_AT + (MD5_LANES_MAX / 4) * MD5_GROUP_BYTES)
export const MD5_TAIL_BYTES = 2 * MD5_BLOCK_BYTES
export const CRC64_AT = align(MD5_TAIL_AT + MD5_TAIL_BYTES)

/** Zeros stand before each slot and behind it, as CRC64 wants them. */
const SLOTS_AT = align(CRC64_AT + CRC64_ENGINE_BYTES + FOLD_SPAN_BYTES)
const SLOT_STRIDE = align(RING_SLOT_BYTES + FOLD_SPAN_BYTES + FOLD_MARGIN_BYTES)

/** Views on one shared ring. */
export interface Ring {
  readonly control: Int32Array
  /** Per slot: kind, number of the stream, bytes used, digests wanted. */
  readonly heads: Int32Array
  /** The whole memory; `slotAt` says where a slot begins. */
  readonly bytes: Uint8Array
}

/** What came of one stream: lower-case hexadecimal of each digest that it wanted. */
export interface StreamDigests {
  readonly stream: number
  readonly md5: string | undefined
  readonly crc64nvme: string | undefined
}

/** What the worker posts back. */
export type WorkerMessage =
  | { readonly kind: 'room' }
  | { readonly kind: 'digests'; readonly digests: readonly StreamDigests[] }

/** Memory for one ring, zeroed. */
export function allocateRing(): WasmMemory {
  return allocateMemory(SLOTS_AT + RING_SLOTS * SLOT_STRIDE)
}

/** The views on memory from `allocateRing`. */
export function viewRing({ buffer }: WasmMemory): Ring {
  return {
    control: new Int32Array(buffer, 0, CONTROL_WORDS),
    heads: new Int32Array(buffer, HEADS_AT, RING_SLOTS * HEAD_WORDS),
    bytes: new Uint8Array(buffer),
  }
}

/** Slot of the n-th filling; the counters wrap at 2^32, a multiple of `RING_SLOTS`. */
export function slotOf(count: number): number {
  return (count >>> 0) % RING_SLOTS
}

/** Where a slot's head words begin. */
export function headAt(slot: number): number {
  return slot * HEAD_WORDS
}

/** Where a slot's bytes begin in the memory. */
export function slotAt(slot: number): number {
  return SLOTS_AT + slot * SLOT_STRIDE
}

function align(bytes: number): number {
  return Math.ceil(bytes / 16) * 16
}
