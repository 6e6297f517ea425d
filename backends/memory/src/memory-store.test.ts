import type { Backend } from '@forebay/backend-port/backend'
import { bodyOf, plainWrite } from '@forebay/backend-port/conformance/case'
import { choosePin } from '@forebay/model/version'
import { beforeEach, describe, expect, test } from 'vitest'
import { createMemoryBackend } from './memory-backend.ts'
import { MemoryStore } from './memory-store.ts'

const { signal } = new AbortController()
const OLD = Buffer.alloc(300, 'old')
const NEW = Buffer.alloc(300, 'new')

let store: MemoryStore
let backend: Backend

beforeEach(() => {
  store = new MemoryStore({ chunkBytes: 100 })
  store.createBucket('b')
  store.put('b', 'k', OLD)
  backend = createMemoryBackend(store, 'b')
})

async function read(options: Partial<Parameters<Backend['read']>[0]> = {}): Promise<Buffer> {
  const result = await backend.read({ key: 'k', signal, ...options })
  if (result.kind !== 'found') throw new Error(result.kind)
  const chunks: Buffer[] = []
  await result.body.pump((chunk) => {
    chunks.push(chunk)
  })
  return Buffer.concat(chunks)
}

function write(bytes: Buffer): Promise<unknown> {
  if (backend.mutations === undefined) throw new Error('no mutations')
  return backend.mutations.write(plainWrite('k'), bodyOf(bytes))
}

describe('a scripted fault', () => {
  test('drops the answer of a write that was applied', async () => {
    store.addFault({ action: { kind: 'drop-answer' }, on: ['write'] })
    await expect(write(NEW)).rejects.toMatchObject({ code: 'backend-unreachable' })
    expect(store.bytes('b', 'k')).toEqual(NEW)
  })

  test('cuts an upload, which is then not applied', async () => {
    store.addFault({ action: { kind: 'cut-body', afterBytes: 10 }, on: ['write'] })
    await expect(write(NEW)).rejects.toMatchObject({ code: 'backend-unreachable' })
    expect(store.bytes('b', 'k')).toEqual(OLD)
  })

  test('changes the object midway: one answer stays one version, a pin sees the change', async () => {
    const first = await backend.head({ key: 'k', signal })
    const pin = choosePin((first.kind === 'found' && first.attributes.validators) || {})
    const act = (): void => void store.put('b', 'k', NEW)
    store.addFault({ action: { kind: 'at', point: 150, act }, on: ['read'] })
    expect(await read()).toEqual(OLD)
    expect(await backend.read({ key: 'k', pin, signal })).toEqual({ kind: 'changed' })
    expect(await read()).toEqual(NEW)
  })

  test('corrupts one answer, wherever its range begins, and not the object', async () => {
    const action = { kind: 'corrupt-answer', at: 150 } as const
    store.addFault({ action, on: ['read'] })
    const found = await read({ range: { offset: 140, lengthBytes: 20 } })
    expect(found[10]).toBe((OLD[150] ?? 0) ^ 0xff)
    expect(await read()).toEqual(OLD)
  })

  test('hits the requests of its script only', async () => {
    const code = 'backend-throttled'
    const action = { kind: 'refuse', code } as const
    store.put('b', 'other', OLD)
    store.addFault({ action, on: ['read'], key: 'k', skip: 1, times: 2 })
    await backend.head({ key: 'k', signal })
    await read({ key: 'other' })
    await read()
    await expect(read()).rejects.toMatchObject({ code })
    await expect(read()).rejects.toMatchObject({ code })
    expect(await read()).toEqual(OLD)
  })

  test('falls by chance as often as the numbers say', async () => {
    const numbers = [0.9, 0.1, 0.9]
    store = new MemoryStore({ random: () => numbers.shift() ?? 1 })
    store.createBucket('b')
    backend = createMemoryBackend(store, 'b')
    const action = { kind: 'refuse', code: 'backend-denied' } as const
    store.addFault({ action, times: 10, probability: 0.5 })
    const outcomes = []
    for (let at = 0; at < 3; at++) {
      const head = backend.head({ key: 'k', signal })
      outcomes.push(await head.then(() => 'passed').catch(() => 'hit'))
    }
    expect(outcomes).toEqual(['passed', 'hit', 'passed'])
  })
})

test.each([
  { validators: 'strong', pin: 'etag' },
  { validators: 'weak', pin: 'none' },
  { validators: 'none', pin: 'none' },
] as const)('a store with $validators validators allows the pin $pin', async (row) => {
  store.validators = row.validators
  const head = await backend.head({ key: 'k', signal })
  const validators = head.kind === 'found' ? head.attributes.validators : undefined
  expect(choosePin(validators ?? {}).kind).toBe(row.pin)
})

test('stored corruption changes bytes and nothing that is told about them', async () => {
  const before = await backend.head({ key: 'k', signal })
  store.corrupt('b', 'k', 5)
  expect(await read()).not.toEqual(OLD)
  const after = await backend.head({ key: 'k', signal })
  const etagOf = (head: typeof before) => head.kind === 'found' && head.attributes.etag
  expect(etagOf(after)).toBe(etagOf(before))
})

test('an object of 10 GiB costs no memory, and every block of it is its own', async () => {
  store.putPattern('b', 'k', { sizeBytes: 10 * 2 ** 30, seed: 3 })
  const far = 9 * 2 ** 30
  const [low, high, unaligned] = [
    await read({ range: { offset: 1000, lengthBytes: 16 } }),
    await read({ range: { offset: far, lengthBytes: 16 } }),
    await read({ range: { offset: far + 5, lengthBytes: 7 } }),
  ]
  expect(low).not.toEqual(high)
  expect(unaligned).toEqual(high.subarray(5, 12))
})

test('requests and bytes are counted by what left the store', async () => {
  store.resetCounts()
  await read({ range: { offset: 0, lengthBytes: 10 } })
  await backend.read({ key: 'absent', signal })
  expect([store.requestCount(), store.requestCount('read'), store.bytesRead]).toEqual([2, 2, 10])
  expect(store.log()[0]?.range).toEqual({ offset: 0, lengthBytes: 10 })
  store.put('b', 'k', NEW)
  expect(store.requestCount()).toBe(2)
})
