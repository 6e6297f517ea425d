/** The memory that the event loop and one hash worker share: control words, slot heads, slot bytes. */

/** Slots of a ring; with their size 4 MiB a worker. */
export const RING_SLOTS = 16

/** Bytes of one slot; larger chunks are cut. */
export const RING_SLOT_BYTES = 256 * 1024

/** Slots filled so far, modulo 2^32; written by the event loop. */
export const WRITTEN = 0
/** Slots worked off so far, modulo 2^32; written by the worker. */
export const CONSUMED = 1
/** 1 while the event loop wants to hear when a slot becomes free. */
export const ROOM_WANTED = 2

const CONTROL_WORDS = 4
const HEAD_WORDS = 3

/** What a slot asks for. */
export const KIND_DATA = 0
export const KIND_FINISH = 1
export const KIND_ABANDON = 2

/** Views on one shared ring. */
export interface Ring {
  readonly control: Int32Array
  /** Per slot: kind, number of the stream, bytes used. */
  readonly heads: Int32Array
  readonly bytes: Uint8Array
}

/** What the worker posts back. */
export type WorkerMessage =
  | { readonly kind: 'room' }
  | { readonly kind: 'digest'; readonly stream: number; readonly hex: string }

/** Memory for one ring, zeroed. */
export function allocateRing(): SharedArrayBuffer {
  const words = CONTROL_WORDS + RING_SLOTS * HEAD_WORDS
  return new SharedArrayBuffer(words * 4 + RING_SLOTS * RING_SLOT_BYTES)
}

/** The views on memory from `allocateRing`. */
export function viewRing(memory: SharedArrayBuffer): Ring {
  const headsAt = CONTROL_WORDS * 4
  const bytesAt = headsAt + RING_SLOTS * HEAD_WORDS * 4
  return {
    control: new Int32Array(memory, 0, CONTROL_WORDS),
    heads: new Int32Array(memory, headsAt, RING_SLOTS * HEAD_WORDS),
    bytes: new Uint8Array(memory, bytesAt, RING_SLOTS * RING_SLOT_BYTES),
  }
}

/** Slot of the n-th filling; the counters wrap at 2^32, a multiple of `RING_SLOTS`. */
export function slotOf(count: number): number {
  return (count >>> 0) % RING_SLOTS
}

/** Where a slot's three head words begin. */
export function headAt(slot: number): number {
  return slot * HEAD_WORDS
}
