/**
 * CRC-64/NVME as WebAssembly, six times faster than by tables. A multiple of the CRC's polynomial
 * with few terms lets sixteen bytes be cancelled at a time by adding them to a few later places; what
 * is left is the last `FOLD_SPAN_BYTES`, of which the CRC is taken by tables.
 *
 * In a field of characteristic 2, m(x)^8 = m(x^8): with m(x) also m(x^8) is a multiple, and its terms
 * stand whole bytes apart.
 */
import { Code, type WasmFunction, type WasmMemory } from './wasm-module.ts'

/** CRC-64/NVME, bits reversed as the CRC is. */
const POLYNOMIAL = { high: 0x9a6c9329, low: 0xac4bc9b5 } as const

/**
 * Exponents of a multiple of the polynomial beside x^0; found by search, and proven by a test. Chosen
 * with a distance of at least 64 between the first two, which is what is folded at a time.
 */
export const SPARSE_EXPONENTS = [1930, 1612, 1433, 1025, 579, 242, 229, 45] as const

/** Bytes that folding leaves, and that must be zero in front of the memory it works on. */
export const FOLD_SPAN_BYTES = SPARSE_EXPONENTS[0]

/** Shorter runs go by tables altogether. */
const FOLD_BYTES_MIN = 2 * FOLD_SPAN_BYTES

const VECTOR_BYTES = 16
const UNROLLED = 2
const STEP_BYTES = VECTOR_BYTES * UNROLLED

/** Eight tables of 256 entries of 8 bytes. */
const TABLE_BYTES = 2048
const TABLES_BYTES = 8 * TABLE_BYTES
const STATE_BYTES = 16

/** Memory that a `Crc64Engine` needs for itself, bytes. */
export const CRC64_ENGINE_BYTES = TABLES_BYTES + STATE_BYTES + FOLD_SPAN_BYTES + 2 * STEP_BYTES

/** Bytes behind a run that folding may write zeros to. */
export const FOLD_MARGIN_BYTES = STEP_BYTES

/** A CRC on its way: both halves inverted, as the register holds it. */
export interface Crc64State {
  high: number
  low: number
}

export function initialCrc64(): Crc64State {
  return { high: 0xffffffff, low: 0xffffffff }
}

/** 16 lower-case hexadecimal digits. */
export function formatCrc64({ high, low }: Crc64State): string {
  const hex = (half: number): string => (~half >>> 0).toString(16).padStart(8, '0')
  return hex(high) + hex(low)
}

/** The functions that a memory with a `Crc64Engine` needs. */
export function crc64Code(): readonly (WasmFunction & { readonly name: 'fold' | 'tables' })[] {
  return [foldCode(), tablesCode()]
}

/** Computes CRCs of bytes in a memory; they are lost thereby. */
export class Crc64Engine {
  readonly #bytes: Uint8Array
  readonly #words: Uint32Array
  readonly #at: number
  readonly #fold: (...values: readonly number[]) => void
  readonly #tables: (...values: readonly number[]) => void

  /** @param at a multiple of 16; `CRC64_ENGINE_BYTES` from there on belong to the engine */
  constructor(
    memory: WasmMemory,
    at: number,
    functionOf: (name: 'fold' | 'tables') => (...values: readonly number[]) => void,
  ) {
    this.#bytes = new Uint8Array(memory.buffer)
    this.#words = new Uint32Array(memory.buffer)
    this.#at = at
    this.#fold = functionOf('fold')
    this.#tables = functionOf('tables')
    fillTables(this.#words, at / 4)
  }

  /**
   * Takes the bytes from `at` on, a multiple of 4. The `FOLD_SPAN_BYTES` before them must be zero;
   * `FOLD_MARGIN_BYTES` behind them may become so.
   */
  update(state: Crc64State, at: number, lengthBytes: number): void {
    if (lengthBytes < FOLD_BYTES_MIN) {
      this.#updateByTables(state, at, at + lengthBytes)
      return
    }
    this.#words[at / 4] = (this.#words[at / 4] ?? 0) ^ state.low
    this.#words[at / 4 + 1] = (this.#words[at / 4 + 1] ?? 0) ^ state.high
    state.low = 0
    state.high = 0
    const rest = this.#at + TABLES_BYTES + STATE_BYTES
    const end = at + lengthBytes
    const foldable = lengthBytes - FOLD_SPAN_BYTES
    const restAt = at + foldable - (foldable % STEP_BYTES)
    this.#fold(at - FOLD_SPAN_BYTES, restAt - FOLD_SPAN_BYTES, 0)
    // What is not cancelled itself only takes up what was cancelled before it.
    this.#bytes.copyWithin(rest, restAt, end)
    this.#bytes.fill(0, restAt, end + FOLD_MARGIN_BYTES)
    this.#fold(restAt - FOLD_SPAN_BYTES, end - FOLD_SPAN_BYTES, rest - restAt)
    this.#updateByTables(state, rest, rest + end - restAt)
  }

  #updateByTables(state: Crc64State, at: number, end: number): void {
    const word = (this.#at + TABLES_BYTES) / 4
    this.#words[word] = state.low
    this.#words[word + 1] = state.high
    this.#tables(this.#at, at, end)
    state.low = this.#words[word] ?? 0
    state.high = this.#words[word + 1] ?? 0
  }
}

/**
 * `fold(at, end, shift)`: addresses less `FOLD_SPAN_BYTES`. Adds to the bytes at `at + shift` what
 * stands at the distances before `at`, until `end` is reached; at least once.
 */
function foldCode(): WasmFunction & { readonly name: 'fold' } {
  const [at, end, shift, to] = [0, 1, 2, 3]
  const code = new Code()
  const lower = [...SPARSE_EXPONENTS.slice(1), 0]
  code.repeat(() => {
    code.get(at).get(shift).op('i32.add').set(to)
    for (let unrolled = 0; unrolled < UNROLLED; unrolled += 1) {
      const here = VECTOR_BYTES * unrolled
      code.get(to)
      code.get(to).at('v128.load', FOLD_SPAN_BYTES + here)
      for (const exponent of lower) {
        code
          .get(at)
          .at('v128.load', exponent + here)
          .op('v128.xor')
      }
      code.at('v128.store', FOLD_SPAN_BYTES + here)
    }
    code.get(at).i32(STEP_BYTES).op('i32.add').tee(at).get(end).op('i32.lt_u')
  })
  return { name: 'fold', parameterCount: 3, locals: [{ type: 'i32', count: 1 }], code }
}

/** `tables(tables, at, end)`: eight bytes at a time, then one by one; the state lies behind the tables. */
function tablesCode(): WasmFunction & { readonly name: 'tables' } {
  const [tables, at, end, wordsEnd, crc] = [0, 1, 2, 3, 4]
  const code = new Code()
  code.get(tables).at('i64.load', TABLES_BYTES).set(crc)
  // end - 7, so that eight bytes are left below it
  code.get(end).i32(-7).op('i32.add').set(wordsEnd)
  code.get(at).get(wordsEnd).op('i32.lt_u')
  code.when(() => {
    code.repeat(() => {
      code.get(crc).get(at).at('i64.load', 0).op('i64.xor').set(crc)
      for (let byte = 0; byte < 8; byte += 1) {
        code
          .get(crc)
          .i64(8 * byte)
          .op('i64.shr_u', 'i32.wrap_i64')
        code.i32(0xff).op('i32.and')
        lookUp(code, tables, 7 - byte)
        if (byte > 0) code.op('i64.xor')
      }
      code.set(crc)
      code.get(at).i32(8).op('i32.add').tee(at).get(wordsEnd).op('i32.lt_u')
    })
  })
  code.get(at).get(end).op('i32.lt_u')
  code.when(() => {
    code.repeat(() => {
      code.get(crc).get(at).at('i64.load8_u', 0).op('i64.xor', 'i32.wrap_i64')
      code.i32(0xff).op('i32.and')
      lookUp(code, tables, 0)
      code.get(crc).i64(8).op('i64.shr_u', 'i64.xor').set(crc)
      code.get(at).i32(1).op('i32.add').tee(at).get(end).op('i32.lt_u')
    })
  })
  code.get(tables).get(crc).at('i64.store', TABLES_BYTES)
  return {
    name: 'tables',
    parameterCount: 3,
    locals: [
      { type: 'i32', count: 1 },
      { type: 'i64', count: 1 },
    ],
    code,
  }
}

/** The entry of a table for the byte on the stack. */
function lookUp(code: Code, tables: number, table: number): void {
  code
    .i32(3)
    .op('i32.shl')
    .get(tables)
    .op('i32.add')
    .at('i64.load', TABLE_BYTES * table)
}

/** Table n: what a byte makes of the CRC when n zero bytes follow it. */
function fillTables(words: Uint32Array, at: number): void {
  for (let byte = 0; byte < 256; byte += 1) {
    let low = byte
    let high = 0
    for (let table = 0; table < 8; table += 1) {
      for (let bit = 0; bit < 8; bit += 1) {
        const carry = low & 1
        low = (low >>> 1) | (high << 31)
        high >>>= 1
        if (carry === 1) {
          low ^= POLYNOMIAL.low
          high ^= POLYNOMIAL.high
        }
      }
      const entry = at + (TABLE_BYTES / 4) * table + 2 * byte
      words[entry] = low
      words[entry + 1] = high
    }
  }
}
