import assert from 'node:assert/strict'
import {
  MD5_BLOCK_BYTES,
  MD5_GROUP_BYTES,
  MD5_INITIAL,
  MD5_LANES,
  MD5_LANES_MAX,
  MD5_LANES_MIN,
  MD5_STEPS,
  md5Code,
  md5LanesCode,
} from './md5-code.ts'
import type { WasmFunction, WasmMemory } from './wasm-module.ts'

type Md5Name = 'md5' | ReturnType<typeof md5LanesCode>['name']

/** Where an engine finds its own memory, bytes; all multiples of 16. */
export interface Md5Places {
  /** For `MD5_STEPS`. */
  readonly steps: number
  /** For the states of `MD5_LANES_MAX` streams. */
  readonly states: number
  /** For the last two blocks of a stream. */
  readonly tail: number
}

/** The functions that a memory with a `Md5Engine` needs. */
export function md5Functions(): readonly (WasmFunction & { readonly name: Md5Name })[] {
  return [md5Code(), ...MD5_LANES.map((lanes) => md5LanesCode(lanes))]
}

/** An MD5 on its way. */
export class Md5State {
  readonly words = Uint32Array.from(MD5_INITIAL)
  /** The beginning of a block whose end has not come. */
  readonly carry = new Uint8Array(MD5_BLOCK_BYTES)
  carryBytes = 0
  totalBytes = 0
}

/** Bytes in the memory that a stream takes next. */
export interface Md5Run {
  readonly state: Md5State
  readonly at: number
  readonly lengthBytes: number
}

/** A stream while its runs are worked off. */
interface Lane {
  readonly state: Md5State
  /** Runs that were not begun yet, in order. */
  readonly runs: Md5Run[]
  at: number
  blocks: number
}

/** Computes MD5s of bytes in a memory, of many streams together. */
export class Md5Engine {
  readonly #bytes: Uint8Array
  readonly #words: Uint32Array
  readonly #places: Md5Places
  readonly #one: (...values: readonly number[]) => void
  readonly #many: readonly {
    readonly lanes: number
    readonly hash: (...values: readonly number[]) => void
  }[]

  constructor(
    memory: WasmMemory,
    places: Md5Places,
    functionOf: (name: Md5Name) => (...values: readonly number[]) => void,
  ) {
    this.#bytes = new Uint8Array(memory.buffer)
    this.#words = new Uint32Array(memory.buffer)
    this.#places = places
    this.#one = functionOf('md5')
    this.#many = MD5_LANES.map((lanes) => ({ lanes, hash: functionOf(`md5x${lanes}`) }))
    this.#words.set(MD5_STEPS, places.steps / 4)
  }

  /** Takes the runs: those of one stream in their order, those of several side by side. */
  update(runs: Iterable<Md5Run>): void {
    let lanes = this.#beginAll(runs)
    while (lanes.length > 0) {
      const now = lanes.slice(0, MD5_LANES_MAX)
      if (now.length < MD5_LANES_MIN) for (const lane of now) this.#takeAlone(lane)
      else this.#takeTogether(now)
      // Those that waited come first, so that all end at about the same time.
      lanes = [...lanes.slice(MD5_LANES_MAX), ...now.filter((lane) => this.#isLeft(lane))]
    }
  }

  /** Lower-case hexadecimal; the state is of no use afterwards. */
  digest(state: Md5State): string {
    const { tail } = this.#places
    const used = state.carryBytes
    const blocks = used < MD5_BLOCK_BYTES - 8 ? 1 : 2
    const end = tail + blocks * MD5_BLOCK_BYTES
    this.#bytes.set(state.carry, tail)
    this.#bytes.fill(0, tail + used, end)
    this.#bytes[tail + used] = 0x80
    // The length in bits, 64 of them (RFC 1321 §3.2).
    this.#words[end / 4 - 2] = state.totalBytes * 8
    this.#words[end / 4 - 1] = Math.floor(state.totalBytes / 2 ** 29)
    this.#hashOne(state, tail, blocks)
    const { buffer, byteOffset, byteLength } = state.words
    return Buffer.from(buffer, byteOffset, byteLength).toString('hex')
  }

  #beginAll(runs: Iterable<Md5Run>): readonly Lane[] {
    const lanes = new Map<Md5State, Lane>()
    for (const run of runs) {
      const lane = lanes.get(run.state)
      if (lane === undefined) {
        lanes.set(run.state, { state: run.state, runs: [run], at: 0, blocks: 0 })
      } else {
        lane.runs.push(run)
      }
    }
    return [...lanes.values()].filter((lane) => this.#isLeft(lane))
  }

  /** Whether whole blocks are left; begins the next run where one is done. */
  #isLeft(lane: Lane): boolean {
    while (lane.blocks === 0) {
      const run = lane.runs.shift()
      if (run === undefined) return false
      this.#begin(lane, run)
    }
    return true
  }

  /** Completes the block that an earlier run began, and sets the beginning of the next aside. */
  #begin(lane: Lane, { state, at, lengthBytes }: Md5Run): void {
    state.totalBytes += lengthBytes
    const missing = (MD5_BLOCK_BYTES - state.carryBytes) % MD5_BLOCK_BYTES
    const filling = Math.min(missing, lengthBytes)
    this.#carry(state, at, filling)
    if (state.carryBytes === MD5_BLOCK_BYTES) {
      this.#bytes.set(state.carry, this.#places.tail)
      this.#hashOne(state, this.#places.tail, 1)
      state.carryBytes = 0
    }
    const left = lengthBytes - filling
    lane.at = at + filling
    lane.blocks = Math.floor(left / MD5_BLOCK_BYTES)
    const whole = lane.blocks * MD5_BLOCK_BYTES
    this.#carry(state, lane.at + whole, left - whole)
  }

  #carry(state: Md5State, at: number, lengthBytes: number): void {
    state.carry.set(this.#bytes.subarray(at, at + lengthBytes), state.carryBytes)
    state.carryBytes += lengthBytes
  }

  #takeAlone(lane: Lane): void {
    this.#hashOne(lane.state, lane.at, lane.blocks)
    lane.blocks = 0
  }

  #hashOne(state: Md5State, at: number, blocks: number): void {
    const { states } = this.#places
    this.#words.set(state.words, states / 4)
    this.#one(states, at, blocks)
    state.words.set(this.#words.subarray(states / 4, states / 4 + 4))
  }

  /** As many blocks of each lane as the shortest has. Lanes that nobody has repeat the first one. */
  #takeTogether(lanes: readonly Lane[]): void {
    const [first] = lanes
    const function_ = this.#many.find((one) => one.lanes >= lanes.length)
    assert(
      first !== undefined && function_ !== undefined,
      'between one lane and the most there are',
    )
    let blocks = first.blocks
    const addresses: number[] = []
    for (const [index, lane] of lanes.entries()) {
      blocks = Math.min(blocks, lane.blocks)
      addresses.push(lane.at)
      this.#eachWord(index, (word, at) => {
        this.#words[at] = lane.state.words[word] ?? 0
      })
    }
    while (addresses.length < function_.lanes) addresses.push(first.at)
    function_.hash(this.#places.states, this.#places.steps, ...addresses, blocks)
    for (const [index, lane] of lanes.entries()) {
      lane.at += blocks * MD5_BLOCK_BYTES
      lane.blocks -= blocks
      this.#eachWord(index, (word, at) => {
        lane.state.words[word] = this.#words[at] ?? 0
      })
    }
  }

  /** Where the words of a lane lie, by index into `#words`. */
  #eachWord(lane: number, act: (word: number, at: number) => void): void {
    const group = Math.floor(lane / 4)
    const base = (this.#places.states + group * MD5_GROUP_BYTES) / 4 + (lane % 4)
    for (let word = 0; word < 4; word += 1) act(word, base + 4 * word)
  }
}
