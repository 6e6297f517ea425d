import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { armFailpoints, failpointPassed } from '@forebay/base/failpoint'
import { afterEach, expect, test } from 'vitest'
import { cachedBucket, md5Of, NATIVE, pattern, Rig } from '../objects/testing/rig.ts'
import {
  brief,
  flipBit,
  passOf,
  pathOf,
  readBlock,
  recordOf,
  scrubberOf,
  scrubOnce,
  storeOf,
} from './testing/scrub-rig.ts'

const BLOCK = 64 * 1024
const PARTIAL = cachedBucket({ blockBytes: BLOCK, sparseThresholdBytes: 2 * BLOCK })
const signal = new AbortController().signal

let rig: Rig
afterEach(async () => {
  armFailpoints('')
  await rig.close()
})

/** Runs a pass and does `meanwhile` when it has found the damage and not acted on it yet. */
async function scrubWith(meanwhile: () => Promise<unknown>) {
  armFailpoints('scrub:locked=delay:20')
  await storeOf(rig).index.settled()
  const scrubber = scrubberOf(rig)
  scrubber.start({})
  while (failpointPassed('scrub:locked') === 0) await new Promise((go) => setImmediate(go))
  const done = meanwhile()
  await passOf(scrubber)
  await done
  await scrubber.close()
  return scrubber.status()
}

test('an object that is overwritten while its damage is being found has the new bytes', async () => {
  rig = await Rig.open()
  for (const [bucket, key] of [
    [NATIVE, 'a'],
    [rig.bucket, 'b'],
  ] as const) {
    await rig.put(key, pattern(5000), { bucket })
    flipBit(pathOf(rig, recordOf(rig, key, bucket.id)), 9)
    await scrubWith(() => rig.put(key, pattern(6000, 2), { bucket }))
    expect(await rig.get(key, { bucket }), key).toEqual(pattern(6000, 2))
    expect((await scrubOnce(rig)).pass?.damaged, key).toBe(0)
  }
  expect(rig.remote.get('remote', 'b')?.etag).toBe(md5Of(pattern(6000, 2)))
})

test('what is overwritten after the look and before the lock is left alone', async () => {
  rig = await Rig.open()
  await rig.put('a', pattern(5000), { bucket: NATIVE })
  flipBit(pathOf(rig, recordOf(rig, 'a', NATIVE.id)), 9)
  // The lock is held by the write when the scrub asks for it.
  armFailpoints('commit:renamed=delay:50')
  await storeOf(rig).index.settled()
  const scrubber = scrubberOf(rig)
  const written = rig.put('a', pattern(6000, 2), { bucket: NATIVE })
  while (failpointPassed('commit:renamed') === 0) await new Promise((go) => setImmediate(go))
  scrubber.start({})
  await passOf(scrubber)
  await written
  expect(scrubber.status().findings).toEqual([])
  expect(await rig.get('a', { bucket: NATIVE })).toEqual(pattern(6000, 2))
})

test('an object that is evicted while its damage is being found is fetched anew', async () => {
  rig = await Rig.open()
  rig.remote.put('remote', 'a', pattern(5000))
  await rig.get('a')
  flipBit(pathOf(rig, recordOf(rig, 'a')), 9)
  const evict = () => rig.target.evict({ bucket: rig.bucket, key: 'a', conditions: {}, signal })
  await scrubWith(evict)
  expect(await rig.get('a')).toEqual(pattern(5000))
})

test('who reads a partial entry while a block of it is given up gets no wrong byte', async () => {
  rig = await Rig.open(PARTIAL)
  rig.remote.put('remote', 'a', pattern(4 * BLOCK))
  await readBlock(rig, 'a', 0)
  await readBlock(rig, 'a', BLOCK)
  flipBit(pathOf(rig, recordOf(rig, 'a')), BLOCK + 9)
  // The mark of the block is on its way to the journal.
  armFailpoints('blocks:journalled=delay:30')
  await storeOf(rig).index.settled()
  const scrubber = scrubberOf(rig)
  scrubber.start({})
  while (failpointPassed('blocks:journalled') === 0) await new Promise((go) => setImmediate(go))
  expect(await rig.get('a')).toEqual(pattern(4 * BLOCK))
  await passOf(scrubber)
  expect(brief(scrubber.status().findings)).toEqual([['a', 'wrong-bytes', 'blocks-dropped']])
})

test('a pass goes on after a restart behind what it had looked at', async () => {
  rig = await Rig.open()
  for (const key of ['a', 'b', 'c']) await rig.put(key, '', { bucket: NATIVE })
  await storeOf(rig).index.settled()
  // After the first look it is held up until the process is ended in order.
  const first = scrubberOf(rig, { filesPerSecond: 0.0001 })
  first.open()
  first.start({})
  while ((first.status().pass?.objects ?? 0) < 1) await new Promise((go) => setImmediate(go))
  await first.close()
  expect(first.status().pass).toMatchObject({ objects: 1, state: 'running' })
  const document = readFileSync(join(rig.directory, 'scrub.json'), 'utf8')
  expect(JSON.parse(document)).toMatchObject({ running: { cursor: { bucketId: 1, key: 'a' } } })
  const second = scrubberOf(rig)
  expect(second.status()).toMatchObject({ state: 'running', pass: { objects: 1 } })
  rig.clock.sleep = async (_, signal) => {
    await new Promise((go) => setImmediate(go))
    signal?.throwIfAborted()
  }
  second.open()
  while (second.status().pass?.state === 'running') await new Promise((go) => setImmediate(go))
  expect(second.status().pass).toMatchObject({ objects: 3, damaged: 0, state: 'finished' })
  await second.close()
})

test('a document that cannot be read costs a pass that begins at the beginning', async () => {
  rig = await Rig.open()
  await rig.put('a', pattern(100), { bucket: NATIVE })
  const path = join(rig.directory, 'scrub.json')
  for (const text of ['{', '[]', '{"format":2,"sinceMs":1,"findings":[]}', '{"format":1}']) {
    writeFileSync(path, text)
    expect((await scrubOnce(rig)).pass, text).toMatchObject({ objects: 1, state: 'finished' })
  }
  rmSync(path)
  expect((await scrubOnce(rig)).pass).toMatchObject({ objects: 1 })
})

test('a pass over a part looks at that part, and one over another is refused meanwhile', async () => {
  rig = await Rig.open()
  for (const key of ['a/1', 'a/2', 'b/1']) await rig.put(key, pattern(100), { bucket: NATIVE })
  await storeOf(rig).index.settled()
  const scrubber = scrubberOf(rig)
  scrubber.start({ scope: { bucketId: NATIVE.id, prefix: 'a/' } })
  expect(() => scrubber.start({})).toThrow('a scrub of something else is under way')
  await passOf(scrubber)
  expect(scrubber.status().pass).toMatchObject({ objects: 2, scope: 'ais://native/a/' })
  expect(scrubber.status().lastWhole).toBeUndefined()
  await scrubber.close()
})

test('an object without a checksum gets one, by which later damage is found', async () => {
  rig = await Rig.open()
  await rig.put('a', pattern(5000), { bucket: NATIVE })
  const record = recordOf(rig, 'a', NATIVE.id)
  const attributes = { ...record.attributes, checksums: [] }
  await rig.context.store.amend(record, attributes)
  await rig.context.store.noteFound(record, { contentXxh64: undefined })
  expect((await scrubOnce(rig)).pass).toMatchObject({ adopted: 1, damaged: 0 })
  expect(recordOf(rig, 'a', NATIVE.id).contentXxh64).toBe(record.contentXxh64)
  flipBit(pathOf(rig, record), 9)
  expect((await scrubOnce(rig)).pass).toMatchObject({ adopted: 0, damaged: 1 })
})
