import { armFailpoints } from '@forebay/base/failpoint'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readObject } from './read.ts'
import { pattern, Rig } from './testing/rig.ts'

const BYTES = pattern(40_000)
const signal = new AbortController().signal

let rig: Rig
beforeEach(async () => {
  rig = await Rig.open()
  await rig.fillFiles()
  rig.remote.put('remote', 'a', BYTES)
  armFailpoints('fill:verified=delay:50')
})
afterEach(async () => {
  armFailpoints('')
  await rig.close()
})

/** Reads the object and returns with its last byte, in the moment in which the cache does not have it. */
async function readUnpublished(): Promise<void> {
  const request = { bucket: rig.bucket, key: 'a', conditions: {}, signal }
  const answer = await readObject(rig.context, request)
  if (answer.kind !== 'found') throw new Error(answer.kind)
  let bytes = 0
  await answer.body.pump((chunk) => {
    bytes += chunk.length
  }, signal)
  expect(bytes).toBe(BYTES.length)
  expect(rig.context.store.get(2, 'a')).toBeUndefined()
}

test('a reader has all of an object before the cache has it, and who reads it next finds it there', async () => {
  await readUnpublished()
  const requests = rig.remote.requestCount()
  expect(await rig.get('a')).toEqual(BYTES)
  expect(rig.reads).toEqual(['miss', 'hit'])
  expect(rig.remote.requestCount()).toBe(requests)
})

test('its head is known, and what it is told to be', async () => {
  await readUnpublished()
  const requests = rig.remote.requestCount()
  const head = await rig.head('a')
  expect(head).toMatchObject({ kind: 'found', cachedBytes: BYTES.length, cache: { status: 'hit' } })
  expect(rig.remote.requestCount()).toBe(requests)
  const explained = await rig.target.explain({
    bucket: rig.bucket,
    key: 'a',
    conditions: {},
    signal,
  })
  expect(explained.state).toBe('whole')
})

test('it can be evicted, and then it is not there', async () => {
  await readUnpublished()
  const evicted = await rig.target.evict({ bucket: rig.bucket, key: 'a', conditions: {}, signal })
  expect(evicted).toBe(true)
  expect(rig.context.store.get(2, 'a')).toBeUndefined()
})

test('a write in that moment stands, and the version before it leaves no trace', async () => {
  await readUnpublished()
  await rig.put('a', 'newer')
  expect(await rig.get('a')).toEqual(Buffer.from('newer'))
})

test('a node that stops has what its readers had', async () => {
  await readUnpublished()
  await rig.restart()
  const requests = rig.remote.requestCount()
  expect(await rig.get('a')).toEqual(BYTES)
  expect(rig.remote.requestCount()).toBe(requests)
})

test('where it cannot be kept, the next reader has it from the backend', async () => {
  armFailpoints('fill:verified=throw@1')
  const request = { bucket: rig.bucket, key: 'a', conditions: {}, signal }
  const answer = await readObject(rig.context, request)
  if (answer.kind !== 'found') throw new Error(answer.kind)
  await answer.body.pump(() => undefined, signal)
  expect(await rig.get('a')).toEqual(BYTES)
  expect(rig.reads).toEqual(['miss', 'miss'])
})

test('a connection that breaks behind the last byte proves nothing about what another brings', async () => {
  armFailpoints('')
  // The first brings all bytes, none of them in the file yet; the second is wrong at the end.
  rig.remote.addFault({
    action: { kind: 'cut-body', afterBytes: BYTES.length },
    on: ['read'],
  })
  const at = BYTES.length - 1
  rig.remote.addFault({ action: { kind: 'corrupt-answer', at }, on: ['read'], skip: 1, times: 9 })
  const request = { bucket: rig.bucket, key: 'a', conditions: {}, signal }
  const answer = await readObject(rig.context, request)
  if (answer.kind !== 'found') throw new Error(answer.kind)
  await expect.poll(() => rig.remote.requestCount('read')).toBe(2)
  let bytes = 0
  const pumping = answer.body.pump((chunk) => {
    bytes += chunk.length
  }, signal)
  await expect(pumping).rejects.toMatchObject({ code: 'backend-corrupt' })
  expect(bytes).toBeLessThan(BYTES.length)
  await rig.idle()
  expect(rig.context.store.get(2, 'a')).toBeUndefined()
})

test('who comes while the disk hangs has it from who was there before, without a request', async () => {
  armFailpoints('fill:verified=delay:2000')
  await readUnpublished()
  const requests = rig.remote.requestCount()
  const request = { bucket: rig.bucket, key: 'a', conditions: {}, signal }
  const answer = await readObject(rig.context, request)
  if (answer.kind !== 'found') throw new Error(answer.kind)
  const chunks: Buffer[] = []
  await answer.body.pump((chunk) => void chunks.push(chunk), signal)
  expect(Buffer.concat(chunks)).toEqual(BYTES)
  expect(rig.context.store.get(2, 'a')).toBeUndefined()
  expect(rig.remote.requestCount()).toBe(requests)
})
