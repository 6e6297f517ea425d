import { type Digest64, xxh64 } from '@forebay/base/digest'
import type { BucketRef } from './bucket.ts'

/** AIStore's seed of every placement digest (semantics: HRW placement). */
export const HRW_SEED = 1_103_515_245

/** Something that keys are placed on: its identity, digested once. */
export interface Candidate {
  readonly digest: Digest64
}

/** Digest of an id of a node or mountpath, or of a key's unique name. */
export function hrwDigest(name: string): Digest64 {
  return xxh64(name, HRW_SEED)
}

/** `provider/@uuid#ns/bucket/key`: what is hashed to place a key; the global namespace is `@#`. */
export function uniqueName(ref: BucketRef, key: string): string {
  return `${ref.provider}/@${ref.namespace.uuid}#${ref.namespace.name}/${ref.name}/${key}`
}

/**
 * The candidate with the highest weight for the key; of equal weights the later one, as AIStore has it.
 *
 * @returns undefined when there is no candidate
 */
export function chooseByWeight<T extends Candidate>(
  candidates: readonly T[],
  key: Digest64,
): T | undefined {
  let chosen: T | undefined
  let high = 0
  let low = 0
  for (const candidate of candidates) {
    weigh(candidate.digest.high ^ key.high, candidate.digest.low ^ key.low)
    if (chosen === undefined || outHigh > high || (outHigh === high && outLow >= low)) {
      chosen = candidate
      high = outHigh
      low = outLow
    }
  }
  return chosen
}

/** All candidates, the highest weight first: where copies and slices go. */
export function rankByWeight<T extends Candidate>(
  candidates: readonly T[],
  key: Digest64,
): readonly T[] {
  return candidates
    .map((candidate, at) => ({ candidate, at, weight: hrwWeight(candidate.digest, key) }))
    .sort((a, b) => b.weight.high - a.weight.high || b.weight.low - a.weight.low || b.at - a.at)
    .map(({ candidate }) => candidate)
}

/** One splitmix64 seeding step pair, then one xoshiro256** output, of `node XOR key`. */
export function hrwWeight(node: Digest64, key: Digest64): Digest64 {
  weigh(node.high ^ key.high, node.low ^ key.low)
  return { high: outHigh, low: outLow }
}

// The 64-bit number under work, as two unsigned halves. Module variables, not objects: the kernel
// runs once a target and key, and its budget is 10 ns.
let outHigh = 0
let outLow = 0

function weigh(high: number, low: number): void {
  outHigh = high >>> 0
  outLow = low >>> 0
  add(0x9e3779b9, 0x7f4a7c15)
  mix()
  add(0x9e3779b9, 0x7f4a7c15)
  mix()
  multiply(0, 5)
  const rotatedHigh = ((outHigh << 7) | (outLow >>> 25)) >>> 0
  const rotatedLow = ((outLow << 7) | (outHigh >>> 25)) >>> 0
  outHigh = rotatedHigh
  outLow = rotatedLow
  multiply(0, 9)
}

/** The finaliser of splitmix64. */
function mix(): void {
  xorShift(30)
  multiply(0xbf58476d, 0x1ce4e5b9)
  xorShift(27)
  multiply(0x94d049bb, 0x133111eb)
  xorShift(31)
}

function add(high: number, low: number): void {
  const sum = outLow + low
  outHigh = (outHigh + high + (sum > 0xffffffff ? 1 : 0)) >>> 0
  outLow = sum >>> 0
}

/** z ^= z >> bits, 0 < bits < 32. */
function xorShift(bits: number): void {
  const low = (outLow ^ ((outLow >>> bits) | (outHigh << (32 - bits)))) >>> 0
  outHigh = (outHigh ^ (outHigh >>> bits)) >>> 0
  outLow = low
}

/** Product modulo 2^64, from 16-bit pieces: every partial product is exact in a double. */
function multiply(high: number, low: number): void {
  const a0 = outLow & 0xffff
  const a1 = outLow >>> 16
  const b0 = low & 0xffff
  const b1 = low >>> 16
  const p00 = a0 * b0
  const p01 = a0 * b1
  const p10 = a1 * b0
  const middle = (p00 >>> 16) + (p01 & 0xffff) + (p10 & 0xffff)
  const carry = a1 * b1 + (p01 >>> 16) + (p10 >>> 16) + (middle >>> 16)
  outHigh = (Math.imul(outHigh, low) + Math.imul(outLow, high) + carry) >>> 0
  outLow = ((p00 & 0xffff) | (middle << 16)) >>> 0
}
