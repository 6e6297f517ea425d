/** The bytes of a stored object. Immutable. */
export interface ByteSource {
  readonly sizeBytes: number
  /** Bytes `offset .. offset + lengthBytes - 1`; the range lies within the object. */
  slice(offset: number, lengthBytes: number): Buffer
}

/** Bytes that lie in memory; the source keeps `bytes`, which nobody may change afterwards. */
export function bytesOf(bytes: Buffer): ByteSource {
  return {
    sizeBytes: bytes.length,
    slice: (offset, lengthBytes) => bytes.subarray(offset, offset + lengthBytes),
  }
}

/**
 * Bytes that are computed when read, so that an object of 10 GiB costs no memory.
 *
 * Every aligned group of 8 bytes is its own offset xor `seed`, so a misplaced block shows.
 *
 * @param seed 0..2^32-1; another seed is another content
 */
export function patternOf(sizeBytes: number, seed: number): ByteSource {
  return {
    sizeBytes,
    slice: (offset, lengthBytes) => {
      const first = offset - (offset % 8)
      const groupCount = Math.ceil((offset + lengthBytes - first) / 8)
      const bytes = Buffer.allocUnsafe(groupCount * 8)
      for (let group = 0; group < groupCount; group++) {
        const at = first + group * 8
        bytes.writeUInt32LE((at ^ seed) >>> 0, group * 8)
        bytes.writeUInt32LE(Math.floor(at / 2 ** 32), group * 8 + 4)
      }
      return bytes.subarray(offset - first, offset - first + lengthBytes)
    },
  }
}

/** A source that reads like `source` but for one byte, whose bits are turned over. */
export function corruptAt(source: ByteSource, at: number): ByteSource {
  return {
    sizeBytes: source.sizeBytes,
    slice: (offset, lengthBytes) => {
      const bytes = source.slice(offset, lengthBytes)
      if (at < offset || at >= offset + lengthBytes) return bytes
      const copy = Buffer.from(bytes)
      copy[at - offset] = (copy[at - offset] ?? 0) ^ 0xff
      return copy
    },
  }
}
