import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { pathOf, recordOf } from '../scrub/testing/scrub-rig.ts'
import type { ObjectRecord } from '../store/contract.ts'
import { packPlaceOf } from '../store/pack-place.ts'
import { readObject } from './read.ts'
import { cachedBucket, NATIVE, pattern, Rig } from './testing/rig.ts'

const BYTES = pattern(5000)

let rig: Rig
afterEach(() => rig.close())

function placeOf(record: ObjectRecord) {
  const place = packPlaceOf(record.location.path)
  if (place === undefined) throw new Error(`${record.location.path} is no place in a pack`)
  const [file = ''] = pathOf(rig, record).split('@')
  return { ...place, path: file }
}

/** A store that a power loss stopped: of `hollow` it kept the hole, and not the tombstone. */
async function losePower(hollow: string): Promise<void> {
  const { path, offset, allocatedBytes } = placeOf(recordOf(rig, hollow))
  await rig.stop()
  const state = join(rig.directory, 'mp/.forebay/state.json')
  const before = JSON.parse(readFileSync(state, 'utf8'))
  const another = { boot: 'another', mount: 'another' }
  writeFileSync(state, JSON.stringify({ ...before, clean: false, identity: another }))
  const fd = openSync(path, 'r+')
  writeSync(fd, Buffer.alloc(allocatedBytes), 0, allocatedBytes, offset)
  closeSync(fd)
  await rig.start(rig.directory)
}

async function openWithHollow(): Promise<void> {
  rig = await Rig.open(cachedBucket())
  for (const key of ['first', 'hollow', 'last']) {
    rig.remote.put('remote', key, BYTES)
    await rig.get(key)
  }
  await losePower('hollow')
  // It is the store's word that is to be doubted, not the entry lost.
  expect(recordOf(rig, 'hollow').attributes.sizeBytes).toBe(BYTES.length)
}

const signal = new AbortController().signal

const READS: readonly (readonly [string, () => Promise<Buffer | undefined>, Buffer])[] = [
  ['whole', () => rig.get('hollow'), BYTES],
  [
    'a range',
    () => rig.get('hollow', { range: { kind: 'from-to', first: 10, last: 4999 } }),
    BYTES.subarray(10),
  ],
  [
    'its end',
    () => rig.get('hollow', { range: { kind: 'suffix', lengthBytes: 7 } }),
    BYTES.subarray(-7),
  ],
  ['past what was confirmed', () => rig.get('hollow', { latest: true }), BYTES],
  [
    'on a condition',
    async () => {
      const answer = await readObject(rig.context, {
        bucket: rig.bucket,
        key: 'hollow',
        conditions: { ifNoneMatch: ['another'] },
        signal,
      })
      if (answer.kind !== 'found') throw new Error(`unexpected answer ${answer.kind}`)
      const chunks: Buffer[] = []
      await answer.body.pump((chunk) => void chunks.push(Buffer.from(chunk)), signal)
      return Buffer.concat(chunks)
    },
    BYTES,
  ],
  [
    'by a copy of it',
    async () => {
      await rig.target.copy({
        bucket: NATIVE,
        key: 'copy',
        source: { bucket: rig.bucket, key: 'hollow' },
        sourceConditions: {},
        conditions: {},
        signal,
      })
      return rig.get('copy', { bucket: NATIVE })
    },
    BYTES,
  ],
]

test.each(READS)(
  'what a power loss took from a pack comes from the backend: %s',
  async (_, read, bytes) => {
    await openWithHollow()
    const before = rig.remote.bytesRead
    await rig.head('hollow')
    expect(await read()).toEqual(bytes)
    expect(rig.remote.bytesRead).toBeGreaterThan(before)
    expect(rig.warnings).toEqual(['a corrupt entry was dropped'])
  },
)

test('what a power loss left in a pack is not fetched again', async () => {
  await openWithHollow()
  const before = rig.remote.bytesRead
  for (const key of ['first', 'last']) expect(await rig.get(key)).toEqual(BYTES)
  expect(rig.remote.bytesRead).toBe(before)
  expect(rig.warnings).toEqual([])
})

test('a doubtful object is looked at again when its attributes changed', async () => {
  await openWithHollow()
  const record = recordOf(rig, 'hollow')
  await rig.context.store.amend(record, { ...record.attributes, metadata: { colour: 'blue' } })
  expect(await rig.get('hollow')).toEqual(BYTES)
  expect(rig.warnings).toEqual(['a corrupt entry was dropped'])
})
