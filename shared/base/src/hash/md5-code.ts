/**
 * MD5 (RFC 1321) as WebAssembly: of one stream, and of many at once. One stream cannot be hashed
 * faster than the 64 steps of a block follow from each other, which leaves most of a core idle; so
 * streams side by side in vectors, several vectors interleaved, cost a quarter each.
 */
import { Code, type WasmFunction } from './wasm-module.ts'

/** Bytes that MD5 takes at a time. */
export const MD5_BLOCK_BYTES = 64

/** Numbers of streams that can be hashed together; beyond the largest, registers run out. */
export const MD5_LANES = [8, 12, 16] as const

export const MD5_LANES_MAX = 16

/** Fewer streams than this are cheaper one after the other. */
export const MD5_LANES_MIN = 3

/** State of a stream that has no byte yet. */
export const MD5_INITIAL = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476] as const

/** Where vectors of four lanes lie from the beginning of the states on: word by word, bytes. */
export const MD5_GROUP_BYTES = 64

/** Constants of the steps, from which the vector functions take them: 32 bits each. */
export const MD5_STEPS: readonly number[] = Array.from({ length: 64 }, (_, step) =>
  Math.floor(Math.abs(Math.sin(step + 1)) * 2 ** 32),
)

const VECTOR_BYTES = 16
const WORDS = 16

/** Rotations of the four steps that a round repeats. */
const ROTATIONS = [
  [7, 12, 17, 22],
  [5, 9, 14, 20],
  [4, 11, 16, 23],
  [6, 10, 15, 21],
] as const

/** Which word of the block each step adds. */
const WORD_OF: readonly ((step: number) => number)[] = [
  (step) => step % WORDS,
  (step) => (5 * step + 1) % WORDS,
  (step) => (3 * step + 5) % WORDS,
  (step) => (7 * step) % WORDS,
]

/** What one step works on: locals a, b, c, d in the order of that step, and where it comes. */
interface Step {
  readonly a: number
  readonly b: number
  readonly c: number
  readonly d: number
  readonly round: number
  readonly word: number
  readonly rotation: number
  readonly constant: number
}

function stepOf(step: number, state: number): Step {
  const round = step >> 4
  const local = (name: number): number => state + ((name - step) & 3)
  return {
    a: local(0),
    b: local(1),
    c: local(2),
    d: local(3),
    round,
    word: WORD_OF[round]?.(step) ?? 0,
    rotation: ROTATIONS[round]?.[step & 3] ?? 0,
    constant: MD5_STEPS[step] ?? 0,
  }
}

/** `md5(state, data, blocks)`: four words of state; at least one block. */
export function md5Code(): WasmFunction & { readonly name: 'md5' } {
  const [state, data, blocks, words, saved] = [0, 1, 2, 3, 7]
  const code = new Code()
  for (let word = 0; word < 4; word += 1) {
    code
      .get(state)
      .at('i32.load', 4 * word)
      .set(words + word)
  }
  code.repeat(() => {
    for (let word = 0; word < 4; word += 1) code.get(words + word).set(saved + word)
    for (let index = 0; index < 64; index += 1) {
      const step = stepOf(index, words)
      code.get(step.a).i32(step.constant).op('i32.add')
      code
        .get(data)
        .at('i32.load', 4 * step.word)
        .op('i32.add')
      addMix(code, step)
      code.i32(step.rotation).op('i32.rotl').get(step.b).op('i32.add').set(step.a)
    }
    for (let word = 0; word < 4; word += 1) {
      code
        .get(words + word)
        .get(saved + word)
        .op('i32.add')
        .set(words + word)
    }
    code.get(data).i32(MD5_BLOCK_BYTES).op('i32.add').set(data)
    code.get(blocks).i32(-1).op('i32.add').tee(blocks)
  })
  for (let word = 0; word < 4; word += 1) {
    code
      .get(state)
      .get(words + word)
      .at('i32.store', 4 * word)
  }
  return { name: 'md5', parameterCount: 3, locals: [{ type: 'i32', count: 8 }], code }
}

/** Adds F, G, H or I of RFC 1321 §3.4, written so that little of it waits for the step before. */
function addMix(code: Code, { b, c, d, round }: Step): void {
  switch (round) {
    case 0:
      code.get(c).get(d).op('i32.xor').get(b).op('i32.and').get(d).op('i32.xor', 'i32.add')
      return
    case 1:
      // The two halves of G have no bit in common, so they can be added one by one.
      code.get(d).i32(-1).op('i32.xor').get(c).op('i32.and', 'i32.add')
      code.get(d).get(b).op('i32.and', 'i32.add')
      return
    case 2:
      code.get(c).get(d).op('i32.xor').get(b).op('i32.xor', 'i32.add')
      return
    default:
      code.get(d).i32(-1).op('i32.xor').get(b).op('i32.or').get(c).op('i32.xor', 'i32.add')
  }
}

type LanesName = `md5x${(typeof MD5_LANES)[number]}`

/** Locals of a vector function. */
interface Vectors {
  readonly states: number
  readonly steps: number
  /** First of the addresses of the lanes' data. */
  readonly data: number
  /** The four words of each group of four lanes. */
  readonly words: readonly number[]
  /** The sixteen words of the block of each group. */
  readonly block: readonly number[]
  /** Four for intermediate results. */
  readonly scratch: number
}

/**
 * `md5xN(states, steps, data0 .. dataN-1, blocks)`: `states` holds the words of N states by groups of
 * four lanes, `steps` `MD5_STEPS`. Every lane takes the same number of blocks, at least one.
 */
export function md5LanesCode(
  lanes: (typeof MD5_LANES)[number],
): WasmFunction & { readonly name: LanesName } {
  const groups = Array.from({ length: lanes / 4 }, (_, group) => group)
  const blocks = 2 + lanes
  const first = blocks + 1
  const vectors: Vectors = {
    states: 0,
    steps: 1,
    data: 2,
    scratch: first,
    words: groups.map((group) => first + 4 + 4 * group),
    block: groups.map((group) => first + 4 + lanes + WORDS * group),
  }
  const code = new Code()
  eachWord(vectors, (local, at) => code.get(vectors.states).at('v128.load', at).set(local))
  code.repeat(() => {
    for (const group of groups) loadBlock(code, vectors, group)
    for (let index = 0; index < 64; index += 1) {
      for (const group of groups) vectorStep(code, vectors, { index, group })
    }
    eachWord(vectors, (local, at) => {
      // The words in memory are still those before the block.
      code.get(vectors.states)
      code.get(vectors.states).at('v128.load', at).get(local).op('i32x4.add').tee(local)
      code.at('v128.store', at)
    })
    for (let lane = 0; lane < lanes; lane += 1) {
      const data = vectors.data + lane
      code.get(data).i32(MD5_BLOCK_BYTES).op('i32.add').set(data)
    }
    code.get(blocks).i32(-1).op('i32.add').tee(blocks)
  })
  const count = 4 + groups.length * (4 + WORDS)
  return {
    name: `md5x${lanes}`,
    parameterCount: first,
    locals: [{ type: 'v128', count }],
    code,
  }
}

function eachWord(vectors: Vectors, act: (local: number, at: number) => void): void {
  for (const [group, first] of vectors.words.entries()) {
    for (let word = 0; word < 4; word += 1) {
      act(first + word, MD5_GROUP_BYTES * group + VECTOR_BYTES * word)
    }
  }
}

/** A block of each of four lanes, turned so that a vector holds the same word of all four. */
function loadBlock(code: Code, vectors: Vectors, group: number): void {
  const { scratch, data } = vectors
  const block = vectors.block[group] ?? 0
  const evens = [0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23]
  const odds = evens.map((index) => index + 8)
  const lows = [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23]
  const highs = lows.map((index) => index + 8)
  for (let at = 0; at < MD5_BLOCK_BYTES; at += VECTOR_BYTES) {
    const words = block + at / 4
    for (let lane = 0; lane < 4; lane += 1) {
      code
        .get(data + 4 * group + lane)
        .at('v128.load', at)
        .set(words + lane)
    }
    for (const pair of [0, 2]) {
      const [left, right] = [words + pair, words + pair + 1]
      code
        .get(left)
        .get(right)
        .shuffle(evens)
        .set(scratch + pair)
      code
        .get(left)
        .get(right)
        .shuffle(odds)
        .set(scratch + pair + 1)
    }
    for (const half of [0, 1]) {
      const [left, right] = [scratch + half, scratch + half + 2]
      code
        .get(left)
        .get(right)
        .shuffle(lows)
        .set(words + 2 * half)
      code
        .get(left)
        .get(right)
        .shuffle(highs)
        .set(words + 2 * half + 1)
    }
  }
}

function vectorStep(
  code: Code,
  vectors: Vectors,
  where: { readonly index: number; readonly group: number },
): void {
  const { index, group } = where
  const step = stepOf(index, vectors.words[group] ?? 0)
  const { scratch } = vectors
  code
    .get(step.a)
    .get(vectors.steps)
    .at('v128.load32_splat', 4 * index)
    .op('i32x4.add')
  code.get((vectors.block[group] ?? 0) + step.word).op('i32x4.add')
  addVectorMix(code, step)
  code.tee(scratch).i32(step.rotation).op('i32x4.shl')
  code
    .get(scratch)
    .i32(32 - step.rotation)
    .op('i32x4.shr_u', 'v128.or')
  code.get(step.b).op('i32x4.add').set(step.a)
}

/** As `addMix`. */
function addVectorMix(code: Code, { b, c, d, round }: Step): void {
  switch (round) {
    case 0:
      code.get(c).get(d).op('v128.xor').get(b).op('v128.and').get(d).op('v128.xor', 'i32x4.add')
      return
    case 1:
      code.get(c).get(d).op('v128.andnot', 'i32x4.add')
      code.get(d).get(b).op('v128.and', 'i32x4.add')
      return
    case 2:
      code.get(c).get(d).op('v128.xor').get(b).op('v128.xor', 'i32x4.add')
      return
    default:
      code.get(d).op('v128.not').get(b).op('v128.or').get(c).op('v128.xor', 'i32x4.add')
  }
}
