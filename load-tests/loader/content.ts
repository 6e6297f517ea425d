/** Bytes of objects, such that every one of them can be checked when it is read. */

/** One cell: eight bytes that name the object, four its version, four the number of the cell. */
const CELL_BYTES = 16
const CELL_WORDS = 4

/** Longest piece that is checked or made at once. */
export const PIECE_BYTES_MAX = 256 * 1024

/** What a body is the body of. */
export type Stamp = {
  readonly tag: readonly [number, number]
  /** From 1 on. */
  readonly version: number
}

/** A number that looks random, 0 <= x < 2^32, from three others (murmur3's last steps). */
export function mix(one: number, two: number, three: number): number {
  let state = Math.imul(one ^ 0x9e3779b9, 0x85ebca6b)
  state = Math.imul(state ^ two ^ (state >>> 13), 0xc2b2ae35)
  state = Math.imul(state ^ three ^ (state >>> 16), 0x27d4eb2f)
  state = Math.imul(state ^ (state >>> 15), 0x85ebca6b)
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35)
  return (state ^ (state >>> 16)) >>> 0
}

/** Bytes `offset` to `offset + length` of the body. A body cut short is the beginning of it. */
export function makeContent(stamp: Stamp, offset: number, length: number): Buffer {
  const skip = offset % CELL_BYTES
  const words = new Uint32Array(Math.ceil((skip + length) / CELL_BYTES) * CELL_WORDS)
  fillCells(words, stamp, (offset - skip) / CELL_BYTES)
  return Buffer.from(words.buffer, skip, length)
}

const scratch = new Uint32Array((PIECE_BYTES_MAX / CELL_BYTES + 1) * CELL_WORDS)
const scratchBytes = Buffer.from(scratch.buffer)

/** Where the bytes leave the body that they should be of, from its beginning; undefined: nowhere. */
export function firstDifference(bytes: Buffer, stamp: Stamp, offset: number): number | undefined {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES_MAX) {
    const piece = bytes.subarray(at, at + PIECE_BYTES_MAX)
    const skip = (offset + at) % CELL_BYTES
    const cells = Math.ceil((skip + piece.length) / CELL_BYTES)
    fillCells(scratch.subarray(0, cells * CELL_WORDS), stamp, (offset + at - skip) / CELL_BYTES)
    const wanted = scratchBytes.subarray(skip, skip + piece.length)
    if (wanted.equals(piece)) continue
    let same = 0
    while (wanted[same] === piece[same]) same += 1
    return offset + at + same
  }
  return undefined
}

function fillCells(words: Uint32Array, { tag, version }: Stamp, firstCell: number): void {
  const [one, two] = tag
  for (let at = 0, cell = firstCell; at < words.length; at += CELL_WORDS, cell += 1) {
    words[at] = one
    words[at + 1] = two
    words[at + 2] = version
    words[at + 3] = cell
  }
}
