import type { PackPlace } from './pack-place.ts'
import { roundToUnit } from './store-context.ts'

/** Allocation units with which packs are used, bytes. */
export const UNIT_BYTES_MAX = 64 * 1024

/** Where a write puts its objects: whole blocks, from `start` on. */
export interface PackLayout {
  readonly start: number
  readonly end: number
  readonly places: readonly PackPlace[]
  readonly buffers: readonly Buffer[]
}

/** Lays objects one behind the other at the end of a pack. */
export function layOut(
  pack: { readonly file: string; readonly sizeBytes: number },
  objects: readonly { readonly bytes: Buffer }[],
  unitBytes: number,
): PackLayout {
  const start = roundToUnit(pack.sizeBytes, unitBytes)
  const places: PackPlace[] = []
  const buffers: Buffer[] = []
  let end = start
  for (const { bytes } of objects) {
    const offset = roundToUnit(end, unitBytes)
    if (offset > end) buffers.push(PADDING.subarray(0, offset - end))
    buffers.push(bytes)
    places.push({ file: pack.file, offset, allocatedBytes: roundToUnit(bytes.length, unitBytes) })
    end = offset + bytes.length
  }
  return { start, end, places, buffers }
}

/** Between objects that do not end with a block. */
const PADDING = Buffer.alloc(UNIT_BYTES_MAX)
