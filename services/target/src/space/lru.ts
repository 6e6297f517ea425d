import { Buffer } from 'node:buffer'
import type { EvictionPolicy } from './eviction-policy.ts'

/** Slots at the start; the table doubles when it is three quarters full. 8 bytes each. */
const SLOTS_MIN = 1024
const LOAD_MAX = 0.75

/** Most versions that are remembered, 2^24: 256 MiB. Beyond it the least recently admitted are guessed. */
const SLOTS_MAX = 2 ** 25

const SAVED_FORMAT = 1
const SAVED_HEADER_BYTES = 8

/**
 * Least recently used: the rank is the second of the last use. An open-addressing table of two 32-bit
 * numbers a version, fingerprint and time; two versions with one fingerprint share their time, which
 * happens to one in thousands and costs a slightly wrong choice.
 */
export class LruPolicy implements EvictionPolicy {
  readonly #nowSeconds: () => number
  #prints = new Uint32Array(SLOTS_MIN)
  #times = new Uint32Array(SLOTS_MIN)
  #used = 0

  /** @param nowMs wall clock; only differences matter, across restarts too */
  constructor(nowMs: () => number) {
    this.#nowSeconds = () => Math.floor(nowMs() / 1000)
  }

  admitted(counter: number): void {
    this.touched(counter)
  }

  touched(counter: number): void {
    const print = fingerprint(counter)
    const slot = this.#slotOf(print)
    if (this.#prints[slot] !== print) {
      if (this.#used >= this.#prints.length * LOAD_MAX && !this.#grow()) return
      this.#prints[this.#slotOf(print)] = print
      this.#used += 1
    }
    this.#times[this.#slotOf(print)] = this.#nowSeconds()
  }

  /** The slot stays, as unused: chains must not break. Growing drops it. */
  removed(counter: number): void {
    const print = fingerprint(counter)
    const slot = this.#slotOf(print)
    if (this.#prints[slot] === print) this.#times[slot] = 0
  }

  rank(counter: number): number {
    const print = fingerprint(counter)
    const slot = this.#slotOf(print)
    return this.#prints[slot] === print ? (this.#times[slot] ?? 0) : 0
  }

  save(): Uint8Array {
    const bytes = Buffer.alloc(SAVED_HEADER_BYTES + this.#used * 8)
    bytes.writeUInt32LE(SAVED_FORMAT)
    let at = SAVED_HEADER_BYTES
    for (let slot = 0; slot < this.#prints.length; slot++) {
      const time = this.#times[slot] ?? 0
      if (time === 0) continue
      bytes.writeUInt32LE(this.#prints[slot] ?? 0, at)
      bytes.writeUInt32LE(time, at + 4)
      at += 8
    }
    return bytes.subarray(0, at)
  }

  load(saved: Uint8Array): void {
    const bytes = Buffer.from(saved.buffer, saved.byteOffset, saved.byteLength)
    if (bytes.length < SAVED_HEADER_BYTES || bytes.readUInt32LE(0) !== SAVED_FORMAT) return
    for (let at = SAVED_HEADER_BYTES; at + 8 <= bytes.length; at += 8) {
      this.#restore(bytes.readUInt32LE(at), bytes.readUInt32LE(at + 4))
    }
  }

  #restore(print: number, time: number): void {
    if (print === 0) return
    if (this.#used >= this.#prints.length * LOAD_MAX && !this.#grow()) return
    const slot = this.#slotOf(print)
    if (this.#prints[slot] !== print) this.#used += 1
    this.#prints[slot] = print
    this.#times[slot] = time
  }

  /** The slot with the fingerprint, or the free one where it would go. */
  #slotOf(print: number): number {
    const mask = this.#prints.length - 1
    let slot = print & mask
    while (this.#prints[slot] !== 0 && this.#prints[slot] !== print) slot = (slot + 1) & mask
    return slot
  }

  /** @returns false at the largest size: the version is then not remembered */
  #grow(): boolean {
    const prints = this.#prints
    const times = this.#times
    let live = 0
    for (const time of times) if (time !== 0) live += 1
    const length = live > prints.length / 2 ? prints.length * 2 : prints.length
    if (length > SLOTS_MAX) return false
    this.#prints = new Uint32Array(length)
    this.#times = new Uint32Array(length)
    this.#used = 0
    prints.forEach((print, slot) => {
      const time = times[slot] ?? 0
      if (print === 0 || time === 0) return
      const free = this.#slotOf(print)
      this.#prints[free] = print
      this.#times[free] = time
      this.#used += 1
    })
    return true
  }
}

/** Mixes a counter into 32 bits, never 0: neighbours must not make one long chain. */
function fingerprint(counter: number): number {
  let mixed = (counter >>> 0) ^ Math.imul(Math.floor(counter / 2 ** 32), 0x9e3779b1)
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0 || 1
}
