/**
 * MessagePack of small plain values, written into one buffer of the thread: record and journal entry
 * of every object that is stored, for which msgpackr takes three times as long. msgpackr reads it.
 */
import { Buffer } from 'node:buffer'

/** Of the buffer at first, bytes; it grows with what is written. */
const ROOM_BYTES = 64 * 1024

/** Room that the buffer keeps at most: one huge record must not hold its memory for ever. */
const ROOM_BYTES_MAX = 4 * 1024 ** 2

/** Texts up to this length are written here, longer ones by the platform, whose call costs more. */
const SHORT_TEXT = 48

/** UTF-8 of one UTF-16 unit. */
export const BYTES_A_UNIT_MAX = 3

/** Type and length of a value, or a number. */
const HEADER_BYTES_MAX = 9

/** Writes values one behind the other from an offset on; one owner at a time, nothing asynchronous in between. */
export class MsgpackWriter {
  /** Where the next byte goes. */
  at = 0
  #bytes = Buffer.allocUnsafeSlow(ROOM_BYTES)
  #view = new DataView(this.#bytes.buffer)

  /** Begins anew, and leaves `headBytes` free for the caller. */
  begin(headBytes: number): void {
    if (this.#bytes.length > ROOM_BYTES_MAX) this.#resize(ROOM_BYTES)
    this.at = 0
    this.ensure(headBytes)
    this.at = headBytes
  }

  /** The buffer as it is now; valid until the next write. */
  get view(): DataView {
    return this.#view
  }

  get bytes(): Buffer {
    return this.#bytes
  }

  /** A copy of everything so far. */
  take(): Buffer {
    const taken = Buffer.allocUnsafe(this.at)
    this.#bytes.copy(taken, 0, 0, this.at)
    return taken
  }

  /** Makes sure that so many bytes fit. */
  ensure(moreBytes: number): void {
    const wanted = this.at + moreBytes
    if (wanted > this.#bytes.length) this.#resize(2 * wanted)
  }

  /**
   * A text, number, boolean, `Uint8Array`, or a list or plain object of such. Properties that are
   * undefined are left out; elsewhere it is msgpackr's own `undefined`.
   */
  value(value: unknown): void {
    switch (typeof value) {
      case 'string':
        this.text(value)
        break
      case 'number':
        this.#number(value)
        break
      case 'boolean':
        this.#byte(value ? 0xc3 : 0xc2)
        break
      case 'undefined':
        this.#undefined()
        break
      case 'object':
        if (value instanceof Uint8Array) this.#binary(value)
        else if (Array.isArray(value)) this.#list(value)
        else if (value !== null) this.#map(value)
        else throw new TypeError('null is no part of a record')
        break
      default:
        throw new TypeError(`a ${typeof value} is no part of a record`)
    }
  }

  /** Text as MessagePack. */
  text(text: string): void {
    const { length } = text
    this.ensure(HEADER_BYTES_MAX + BYTES_A_UNIT_MAX * length)
    if (length < 32 && this.#ascii(text, this.at + 1)) {
      this.#view.setUint8(this.at, 0xa0 | length)
      this.at += 1 + length
      return
    }
    // The longest header that the text may need decides where it begins.
    const header = 3 * length < 0x100 ? 2 : 3 * length < 0x10000 ? 3 : 5
    const bytes = this.raw(text, this.at + header)
    const view = this.#view
    if (header === 2) {
      view.setUint8(this.at, 0xd9)
      view.setUint8(this.at + 1, bytes)
    } else if (header === 3) {
      view.setUint8(this.at, 0xda)
      view.setUint16(this.at + 1, bytes)
    } else {
      view.setUint8(this.at, 0xdb)
      view.setUint32(this.at + 1, bytes)
    }
    this.at += header + bytes
  }

  /** UTF-8 of a text without a header; there must be room. @returns its bytes; `at` stays */
  raw(text: string, at: number): number {
    if (text.length <= SHORT_TEXT && this.#ascii(text, at)) return text.length
    return this.#bytes.write(text, at, 'utf8')
  }

  /** @returns false, with anything written, for what is not ASCII */
  #ascii(text: string, at: number): boolean {
    const bytes = this.#bytes
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index)
      if (code >= 0x80) return false
      bytes[at + index] = code
    }
    return true
  }

  #byte(byte: number): void {
    this.ensure(1)
    this.#bytes[this.at++] = byte
  }

  #number(value: number): void {
    this.ensure(HEADER_BYTES_MAX)
    const view = this.#view
    if (Number.isInteger(value) && value >= 0 && value <= 0xffffffff && !Object.is(value, -0)) {
      if (value < 0x80) {
        view.setUint8(this.at, value)
        this.at += 1
      } else {
        view.setUint8(this.at, 0xce)
        view.setUint32(this.at + 1, value)
        this.at += 5
      }
      return
    }
    view.setUint8(this.at, 0xcb)
    view.setFloat64(this.at + 1, value)
    this.at += 9
  }

  #binary(value: Uint8Array): void {
    const { length } = value
    this.ensure(HEADER_BYTES_MAX + length)
    this.#view.setUint8(this.at, 0xc6)
    this.#view.setUint32(this.at + 1, length)
    this.#bytes.set(value, this.at + 5)
    this.at += 5 + length
  }

  #list(values: readonly unknown[]): void {
    this.#count(values.length, 0x90, 0xdc)
    for (const value of values) this.value(value)
  }

  #map(value: object): void {
    // A codec: an interface has no index, and its names are those that `in` gives.
    const properties = value as Readonly<Record<string, unknown>>
    let count = 0
    for (const name in properties) if (properties[name] !== undefined) count += 1
    this.#count(count, 0x80, 0xde)
    for (const name in properties) {
      const property = properties[name]
      if (property === undefined) continue
      this.text(name)
      this.value(property)
    }
  }

  /** @param short type of up to 15 elements @param long type of a 16-bit count, followed by that of 32 bits */
  #count(count: number, short: number, long: number): void {
    this.ensure(HEADER_BYTES_MAX)
    const view = this.#view
    if (count < 16) {
      view.setUint8(this.at, short | count)
      this.at += 1
    } else if (count < 0x10000) {
      view.setUint8(this.at, long)
      view.setUint16(this.at + 1, count)
      this.at += 3
    } else {
      view.setUint8(this.at, long + 1)
      view.setUint32(this.at + 1, count)
      this.at += 5
    }
  }

  /** An extension of msgpackr: type 0 with a byte 0. */
  #undefined(): void {
    this.ensure(HEADER_BYTES_MAX)
    this.#view.setUint8(this.at, 0xd4)
    this.#view.setUint16(this.at + 1, 0)
    this.at += 3
  }

  #resize(lengthBytes: number): void {
    const before = this.#bytes
    this.#bytes = Buffer.allocUnsafeSlow(lengthBytes)
    this.#view = new DataView(this.#bytes.buffer)
    before.copy(this.#bytes, 0, 0, Math.min(this.at, lengthBytes))
  }
}
