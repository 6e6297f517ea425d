/** What the list encoder needs of MessagePack: maps, arrays, strings, unsigned integers, nil. */
export type Packable = null | number | string | readonly Packable[] | ReadonlyMap<string, Packable>

/** First size of the buffer, bytes: a page of 1,000 short names. */
const BUFFER_BYTES_START = 64 * 1024

/** Encodes a value; strings become `str`, numbers must be whole and 0..2^53 - 1. */
export function encodeMsgpack(value: Packable): Buffer {
  const writer = new Writer()
  writer.write(value)
  return writer.finish()
}

class Writer {
  #buffer = Buffer.allocUnsafe(BUFFER_BYTES_START)
  #length = 0

  finish(): Buffer {
    return this.#buffer.subarray(0, this.#length)
  }

  write(value: Packable): void {
    if (value === null) this.#byte(0xc0)
    else if (typeof value === 'number') this.#integer(value)
    else if (typeof value === 'string') this.#text(value)
    else if (isMap(value)) {
      this.#head(value.size, { short: 0x80, wide: 0xde })
      for (const [key, item] of value) {
        this.#text(key)
        this.write(item)
      }
    } else {
      this.#head(value.length, { short: 0x90, wide: 0xdc })
      for (const item of value) this.write(item)
    }
  }

  #integer(value: number): void {
    if (value < 0x80) this.#byte(value)
    else if (value <= 0xffff) {
      this.#byte(0xcd)
      this.#length = this.#reserve(2).writeUInt16BE(value, this.#length)
    } else if (value <= 0xffff_ffff) {
      this.#byte(0xce)
      this.#length = this.#reserve(4).writeUInt32BE(value, this.#length)
    } else {
      this.#byte(0xcf)
      this.#length = this.#reserve(8).writeBigUInt64BE(BigInt(value), this.#length)
    }
  }

  #text(text: string): void {
    const lengthBytes = Buffer.byteLength(text)
    if (lengthBytes < 32) this.#byte(0xa0 | lengthBytes)
    else if (lengthBytes <= 0xff) {
      this.#byte(0xd9)
      this.#byte(lengthBytes)
    } else {
      this.#byte(0xdb)
      this.#length = this.#reserve(4).writeUInt32BE(lengthBytes, this.#length)
    }
    this.#length += this.#reserve(lengthBytes).write(text, this.#length)
  }

  /** Head of a map or array: up to 15 in one byte, else 16 or 32 bits. */
  #head(count: number, tags: { readonly short: number; readonly wide: number }): void {
    if (count < 16) this.#byte(tags.short | count)
    else if (count <= 0xffff) {
      this.#byte(tags.wide)
      this.#length = this.#reserve(2).writeUInt16BE(count, this.#length)
    } else {
      this.#byte(tags.wide + 1)
      this.#length = this.#reserve(4).writeUInt32BE(count, this.#length)
    }
  }

  #byte(value: number): void {
    this.#length = this.#reserve(1).writeUInt8(value, this.#length)
  }

  /** The buffer, with room for `moreBytes`. */
  #reserve(moreBytes: number): Buffer {
    if (this.#length + moreBytes > this.#buffer.length) {
      const grown = Buffer.allocUnsafe((this.#length + moreBytes) * 2)
      this.#buffer.copy(grown, 0, 0, this.#length)
      this.#buffer = grown
    }
    return this.#buffer
  }
}

function isMap(
  value: readonly Packable[] | ReadonlyMap<string, Packable>,
): value is ReadonlyMap<string, Packable> {
  return value instanceof Map
}
