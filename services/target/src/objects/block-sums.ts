import { type CrcAlgorithm, combineCrcs } from '@forebay/base/hash/combine-crc'
import { Crc64Nvme } from '@forebay/base/hash/crc64-nvme'
import type { Checksum } from '@forebay/model/checksum'
import { crc32 } from '@node-rs/crc32'
import type { BlockMap } from './block-map.ts'

/** The sum of one block that is coming in. */
export interface RunningSum {
  update(bytes: Buffer): void
  /** Lower-case hexadecimal of full width. */
  hex(): string
}

/**
 * Sums of blocks in the algorithm in which the backend states the sum of the whole: blocks may then
 * come in any order, and nothing is read again to verify the object.
 */
export class BlockSums {
  readonly algorithm: CrcAlgorithm
  readonly #map: BlockMap
  readonly #hexes: (string | undefined)[] = []

  private constructor(map: BlockMap, algorithm: CrcAlgorithm) {
    this.#map = map
    this.algorithm = algorithm
  }

  /** undefined where the sums of parts do not make the sum of the whole. */
  static of(map: BlockMap, stated: Checksum | undefined): BlockSums | undefined {
    switch (stated?.algorithm) {
      case 'crc32':
      case 'crc32c':
      case 'crc64nvme':
        return new BlockSums(map, stated.algorithm)
      default:
        return undefined
    }
  }

  /** A sum for the next block; undefined where the block's own crc32c is what is wanted. */
  start(): RunningSum | undefined {
    switch (this.algorithm) {
      case 'crc32c':
        return undefined
      case 'crc32':
        return startCrc32()
      case 'crc64nvme': {
        const crc = new Crc64Nvme()
        return { update: (bytes) => crc.update(bytes), hex: () => crc.digest() }
      }
      default:
        return this.algorithm satisfies never
    }
  }

  set(index: number, hex: string): void {
    this.#hexes[index] = hex
  }

  /** The sum of the whole; undefined while a block is missing or came without its sum. */
  whole(): string | undefined {
    const parts: { readonly hex: string; readonly sizeBytes: number }[] = []
    for (let index = 0; index < this.#map.blockCount; index++) {
      const hex = this.algorithm === 'crc32c' ? this.#crc32cOf(index) : this.#hexes[index]
      if (hex === undefined) return undefined
      parts.push({ hex, sizeBytes: this.#map.endOf(index) - this.#map.startOf(index) })
    }
    return combineCrcs(this.algorithm, parts)
  }

  #crc32cOf(index: number): string | undefined {
    const crc = this.#map.crcOf(index)
    return crc === undefined ? undefined : hex32(crc)
  }
}

function startCrc32(): RunningSum {
  let crc = 0
  return {
    update: (bytes) => {
      crc = crc32(bytes, crc)
    },
    hex: () => hex32(crc),
  }
}

function hex32(crc: number): string {
  return crc.toString(16).padStart(8, '0')
}
