/**
 * WebAssembly made at start, without a build step: just enough of the binary format (WebAssembly core
 * specification 2.0, section 5) for functions over one imported memory.
 */

/** Bytes of one page of WebAssembly memory. */
export const WASM_PAGE_BYTES = 64 * 1024

const MAGIC_AND_VERSION = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0] as const
const SECTION = { types: 1, imports: 2, functions: 3, exports: 7, code: 10 } as const
const FUNCTION_TYPE = 0x60
const NO_RESULT = 0x40
/** Prefix of the vector instructions. */
const SIMD = 0xfd

const VALUE_TYPES = { i32: 0x7f, i64: 0x7e, v128: 0x7b } as const

type ValueType = keyof typeof VALUE_TYPES

/** Instructions without an operand of their own, by the names of the specification. */
const OPERATIONS = {
  'i32.lt_u': [0x49],
  'i32.add': [0x6a],
  'i32.and': [0x71],
  'i32.or': [0x72],
  'i32.xor': [0x73],
  'i32.shl': [0x74],
  'i32.rotl': [0x77],
  'i64.xor': [0x85],
  'i64.shr_u': [0x88],
  'i32.wrap_i64': [0xa7],
  'v128.not': [SIMD, 0x4d],
  'v128.and': [SIMD, 0x4e],
  'v128.andnot': [SIMD, 0x4f],
  'v128.or': [SIMD, 0x50],
  'v128.xor': [SIMD, 0x51],
  'i32x4.shl': [SIMD, 0xab, 0x01],
  'i32x4.shr_u': [SIMD, 0xad, 0x01],
  'i32x4.add': [SIMD, 0xae, 0x01],
} as const

/** Instructions that read or write memory. */
const ACCESSES = {
  'i32.load': [0x28],
  'i64.load': [0x29],
  'i64.load8_u': [0x31],
  'i32.store': [0x36],
  'i64.store': [0x37],
  'v128.load': [SIMD, 0x00],
  'v128.load32_splat': [SIMD, 0x09],
  'v128.store': [SIMD, 0x0b],
} as const

/** The instructions of one function, in order; locals are counted from the parameters on. */
export class Code {
  readonly bytes: number[] = []

  get(local: number): this {
    return this.#put(0x20).#putUnsigned(local)
  }

  set(local: number): this {
    return this.#put(0x21).#putUnsigned(local)
  }

  tee(local: number): this {
    return this.#put(0x22).#putUnsigned(local)
  }

  /** A constant, -2^31..2^32-1. */
  i32(value: number): this {
    return this.#put(0x41).#putSigned(value | 0)
  }

  /** A constant, 0..2^31-1. */
  i64(value: number): this {
    return this.#put(0x42).#putSigned(value)
  }

  op(...names: readonly (keyof typeof OPERATIONS)[]): this {
    for (const name of names) this.#put(...OPERATIONS[name])
    return this
  }

  /** Reads or writes memory at the address on the stack plus `offset`, 0..2^31-1; any alignment. */
  at(name: keyof typeof ACCESSES, offset: number): this {
    return this.#put(...ACCESSES[name], 0).#putUnsigned(offset)
  }

  /** Sixteen bytes out of the 32 of two vectors, by index. */
  shuffle(indices: readonly number[]): this {
    return this.#put(SIMD, 0x0d, ...indices)
  }

  /** Runs `body` again as long as it leaves a number other than 0 on the stack. */
  repeat(body: (code: this) => void): this {
    this.#put(0x03, NO_RESULT)
    body(this)
    return this.#put(0x0d, 0, 0x0b)
  }

  /** Runs `body` when the number on the stack is not 0. */
  when(body: (code: this) => void): this {
    this.#put(0x04, NO_RESULT)
    body(this)
    return this.#put(0x0b)
  }

  #put(...bytes: readonly number[]): this {
    this.bytes.push(...bytes)
    return this
  }

  #putUnsigned(value: number): this {
    putUnsigned(this.bytes, value)
    return this
  }

  #putSigned(value: number): this {
    let rest = value
    for (;;) {
      const low = rest & 0x7f
      rest >>= 7
      const last = (rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0)
      this.bytes.push(last ? low : low | 0x80)
      if (last) return this
    }
  }
}

/** A function of i32 parameters without a result. */
export interface WasmFunction {
  readonly name: string
  readonly parameterCount: number
  /** Beside the parameters, in this order. */
  readonly locals: readonly { readonly type: ValueType; readonly count: number }[]
  readonly code: Code
}

/** The engine's memory object; only what is used here. */
export interface WasmMemory {
  readonly buffer: ArrayBufferLike
}

/** What this file uses of the global object, which is not among the types of Node. */
declare const WebAssembly: {
  readonly Memory: new (options: {
    readonly initial: number
    readonly maximum: number
    readonly shared: boolean
  }) => WasmMemory
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (
    module: object,
    imports: Readonly<Record<string, Readonly<Record<string, WasmMemory>>>>,
  ) => { readonly exports: Readonly<Record<string, (...values: readonly number[]) => void>> }
}

/** Memory of a fixed size, zeroed, which threads can share; `lengthBytes` is rounded up to a page. */
export function allocateMemory(lengthBytes: number): WasmMemory {
  const pages = Math.ceil(lengthBytes / WASM_PAGE_BYTES)
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true })
}

/** Compiles the functions over the memory, which is one of `allocateMemory`. */
export function compile<Name extends string>(
  functions: readonly (WasmFunction & { readonly name: Name })[],
  memory: WasmMemory,
): (name: Name) => (...values: readonly number[]) => void {
  const pages = memory.buffer.byteLength / WASM_PAGE_BYTES
  const module = new WebAssembly.Module(moduleBytes(functions, pages))
  const { exports } = new WebAssembly.Instance(module, { env: { memory } })
  return (name) => {
    const exported = exports[name]
    if (exported === undefined) throw new Error(`there is no function ${name}`)
    return exported
  }
}

function moduleBytes(functions: readonly WasmFunction[], pages: number): Uint8Array {
  const types = functions.map(({ parameterCount }) => [
    FUNCTION_TYPE,
    ...list(Array.from({ length: parameterCount }, () => [VALUE_TYPES.i32])),
    0,
  ])
  const shared = 3
  const memory = [...text('env'), ...text('memory'), 2, shared, ...number(pages), ...number(pages)]
  const bytes: number[] = [...MAGIC_AND_VERSION]
  putSection(bytes, SECTION.types, list(types))
  putSection(bytes, SECTION.imports, list([memory]))
  putSection(bytes, SECTION.functions, list(functions.map((_, index) => number(index))))
  const exported = functions.map(({ name }, index) => [...text(name), 0, ...number(index)])
  putSection(bytes, SECTION.exports, list(exported))
  putSection(bytes, SECTION.code, list(functions.map(functionBytes)))
  return Uint8Array.from(bytes)
}

function functionBytes({ locals, code }: WasmFunction): readonly number[] {
  const declared = list(locals.map(({ type, count }) => [...number(count), VALUE_TYPES[type]]))
  const end = 0x0b
  const length = number(declared.length + code.bytes.length + 1)
  return length.concat(declared, code.bytes, end)
}

function putSection(bytes: number[], id: number, content: readonly number[]): void {
  bytes.push(id)
  putUnsigned(bytes, content.length)
  for (const byte of content) bytes.push(byte)
}

function list(items: readonly (readonly number[])[]): readonly number[] {
  return number(items.length).concat(...items)
}

function text(value: string): readonly number[] {
  return [...number(value.length), ...Buffer.from(value, 'latin1')]
}

function number(value: number): number[] {
  const bytes: number[] = []
  putUnsigned(bytes, value)
  return bytes
}

/** LEB128. */
function putUnsigned(bytes: number[], value: number): void {
  let rest = value
  while (rest > 0x7f) {
    bytes.push((rest & 0x7f) | 0x80)
    rest >>>= 7
  }
  bytes.push(rest)
}
