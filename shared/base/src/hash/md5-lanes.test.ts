import { hash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MD5_LANES_MAX } from './md5-code.ts'
import { Md5Engine, type Md5Run, Md5State, md5Functions } from './md5-lanes.ts'
import { allocateMemory, compile } from './wasm-module.ts'

const DATA_AT = 8192
const DATA_BYTES = 4 * 64 * 1024

const memory = allocateMemory(DATA_AT + DATA_BYTES)
const bytes = new Uint8Array(memory.buffer)
const places = { steps: 0, states: 1024, tail: 4096 }
const engine = new Md5Engine(memory, places, compile(md5Functions(), memory))

/** Lays chunks into the memory one after the other; chunk n belongs to stream n modulo `streams`. */
function hashAll(streams: number, chunks: readonly Uint8Array[]): readonly string[] {
  const states = Array.from({ length: streams }, () => new Md5State())
  const runs: Md5Run[] = []
  let at = DATA_AT
  for (const [index, chunk] of chunks.entries()) {
    const state = states[index % streams]
    if (state === undefined) continue
    bytes.set(chunk, at)
    runs.push({ state, at, lengthBytes: chunk.length })
    at += chunk.length
  }
  engine.update(runs)
  return states.map((state) => engine.digest(state))
}

function expected(streams: number, chunks: readonly Uint8Array[]): readonly string[] {
  return Array.from({ length: streams }, (_, stream) =>
    hash('md5', Buffer.concat(chunks.filter((_chunk, index) => index % streams === stream))),
  )
}

test.each([1, 2, 3, 7, 8, 9, 12, 13, MD5_LANES_MAX, MD5_LANES_MAX + 1, 40])(
  '%i streams together have the MD5 that each has alone',
  (streams) => {
    const chunk = fc.uint8Array({ maxLength: 700 })
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 90 }), (chunks) => {
        expect(hashAll(streams, chunks)).toEqual(expected(streams, chunks))
      }),
      { numRuns: 60 },
    )
  },
)

test('streams of every length up to three blocks end in the right padding', () => {
  const chunks = Array.from({ length: 193 }, (_, length) => new Uint8Array(length).fill(length))
  expect(hashAll(chunks.length, chunks)).toEqual(expected(chunks.length, chunks))
})

test('the length of a stream counts beyond 2^32 bits', () => {
  // 520 MiB of zeros, in runs over the same bytes.
  const run = DATA_BYTES
  const count = (520 * 1024 ** 2) / run
  bytes.fill(0, DATA_AT, DATA_AT + run)
  const state = new Md5State()
  for (let index = 0; index < count; index += 1) {
    engine.update([{ state, at: DATA_AT, lengthBytes: run }])
  }
  expect(engine.digest(state)).toBe(hash('md5', Buffer.alloc(count * run)))
})
