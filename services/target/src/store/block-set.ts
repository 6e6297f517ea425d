import type { PackPlace } from './pack-place.ts'

/** Blocks of a pack, bytes: every place begins with one and is whole ones. */
export const BLOCK_BYTES = 4096

/** No pack has more of them: what is said to lie beyond is nowhere. */
const BLOCKS_MAX = 2 ** 20

const BITS = 8

/** Which blocks of a pack somebody has, a bit for each: 2 KiB for a pack of 64 MiB, whatever is in it. */
export class BlockSet {
  #bytes = new Uint8Array(64)
  #count = 0

  get isEmpty(): boolean {
    return this.#count === 0
  }

  get sizeBytes(): number {
    return this.#count * BLOCK_BYTES
  }

  /** Whether it has the first block of a place. */
  has({ offset }: Pick<PackPlace, 'offset'>): boolean {
    return this.#has(offset / BLOCK_BYTES)
  }

  add(place: PackPlace): void {
    const { first, end } = blocksOf(place)
    if (end > BLOCKS_MAX) return
    this.#growTo(end)
    for (let block = first; block < end; block++) {
      if (this.#has(block)) continue
      this.#flip(block)
      this.#count += 1
    }
  }

  delete(place: PackPlace): void {
    const { first, end } = blocksOf(place)
    for (let block = first; block < end; block++) {
      if (!this.#has(block)) continue
      this.#flip(block)
      this.#count -= 1
    }
  }

  copy(): BlockSet {
    const copy = new BlockSet()
    copy.#bytes = this.#bytes.slice()
    copy.#count = this.#count
    return copy
  }

  /** What it has not of the first `sizeBytes`, whole blocks. */
  gaps(sizeBytes: number): readonly { readonly offset: number; readonly lengthBytes: number }[] {
    const gaps: { readonly offset: number; readonly lengthBytes: number }[] = []
    const end = Math.ceil(sizeBytes / BLOCK_BYTES)
    for (let block = 0; block < end; block++) {
      if (this.#has(block)) continue
      const first = block
      while (block < end && !this.#has(block)) block += 1
      gaps.push({ offset: first * BLOCK_BYTES, lengthBytes: (block - first) * BLOCK_BYTES })
    }
    return gaps
  }

  #has(block: number): boolean {
    return (((this.#bytes[Math.floor(block / BITS)] ?? 0) >> (block % BITS)) & 1) === 1
  }

  #flip(block: number): void {
    const at = Math.floor(block / BITS)
    this.#bytes[at] = (this.#bytes[at] ?? 0) ^ (1 << (block % BITS))
  }

  #growTo(blocks: number): void {
    if (blocks <= this.#bytes.length * BITS) return
    const grown = new Uint8Array(Math.max(Math.ceil(blocks / BITS), 2 * this.#bytes.length))
    grown.set(this.#bytes)
    this.#bytes = grown
  }
}

function blocksOf({ offset, allocatedBytes }: PackPlace): {
  readonly first: number
  readonly end: number
} {
  const first = Math.floor(offset / BLOCK_BYTES)
  return { first, end: first + Math.ceil(allocatedBytes / BLOCK_BYTES) }
}
