import { afterEach, beforeEach, expect, test } from 'vitest'
import { readObject } from './read.ts'
import { cachedBucket, NATIVE, pattern, Rig } from './testing/rig.ts'

let rig: Rig
const signal = new AbortController().signal
const OLD = pattern(100_000, 1)
const NEW = pattern(90_000, 2)

beforeEach(async () => {
  rig = await Rig.open()
})
afterEach(() => rig.close())

const ask = (versionId: string, more: object = {}, bucket = rig.bucket) => ({
  bucket,
  key: 'k',
  versionId,
  conditions: {},
  signal,
  ...more,
})

async function get(versionId: string, more: object = {}) {
  const answer = await readObject(rig.context, ask(versionId, more))
  if (answer.kind !== 'found') return answer
  const chunks: Buffer[] = []
  await answer.body.pump((chunk) => void chunks.push(Buffer.from(chunk)), signal)
  return { ...answer, bytes: Buffer.concat(chunks) }
}

/** Two versions at the backend, `v1` and `v2`; the second is in the cache. */
async function twoVersions(): Promise<void> {
  rig.remote.deleteBucket('remote')
  rig.remote.createBucket('remote', { versioned: true })
  rig.remote.put('remote', 'k', OLD)
  rig.remote.put('remote', 'k', NEW)
  expect(await rig.get('k')).toEqual(NEW)
  await rig.idle()
}

test('an older version is read past the cache, which keeps the current one', async () => {
  await twoVersions()
  expect(await get('v1')).toMatchObject({ bytes: OLD, cache: { status: 'bypass' } })
  const range = { kind: 'from-to', first: 10, last: 19 } as const
  expect(await get('v1', { range })).toMatchObject({ bytes: OLD.subarray(10, 20) })
  expect(await rig.target.head(ask('v1'))).toMatchObject({
    kind: 'found',
    attributes: { sizeBytes: OLD.length, validators: { versionId: 'v1' } },
    cachedBytes: 0,
  })
  const reads = rig.remote.requestCount('read')
  expect(await rig.get('k')).toEqual(NEW)
  expect(rig.remote.requestCount('read')).toBe(reads)
})

test('the version in the cache is served from there, however stale it is', async () => {
  await twoVersions()
  rig.clock.shiftMs = 3_600_000
  const asked = rig.remote.requestCount('head') + rig.remote.requestCount('read')
  expect(await get('v2')).toMatchObject({ bytes: NEW, cache: { status: 'hit' } })
  expect(await rig.target.head(ask('v2'))).toMatchObject({ cache: { status: 'hit' } })
  expect(rig.remote.requestCount('head') + rig.remote.requestCount('read')).toBe(asked)
})

test('a version that is not there is no absent object, and conditions are judged on the version', async () => {
  await twoVersions()
  const absent = { code: 'version-not-found' }
  await expect(get('v9')).rejects.toMatchObject(absent)
  await expect(rig.target.head(ask('v9'))).rejects.toMatchObject(absent)
  const head = await rig.target.head(ask('v1'))
  const etag = head.kind === 'found' ? head.attributes.etag : ''
  expect(await get('v1', { conditions: { ifNoneMatch: [etag] } })).toMatchObject({
    kind: 'not-modified',
  })
  expect(await get('v1', { conditions: { ifMatch: ['other'] } })).toEqual({
    kind: 'precondition-failed',
  })
})

test('null is the version of an object without versions, and of a native one', async () => {
  rig.remote.put('remote', 'k', OLD)
  // Read as the current one, so it is kept.
  expect(await get('null')).toMatchObject({ bytes: OLD, cache: { status: 'miss' } })
  await rig.idle()
  expect(await rig.get('k')).toEqual(OLD)
  expect(rig.remote.requestCount('read')).toBe(1)
  expect(await get('null')).toMatchObject({ bytes: OLD, cache: { status: 'hit' } })
  await rig.put('k', NEW, { bucket: NATIVE })
  expect(await get('null', { bucket: NATIVE })).toMatchObject({ bytes: NEW })
  await expect(get('v1', { bucket: NATIVE })).rejects.toMatchObject({ code: 'argument-invalid' })
  await rig.target.evict({ bucket: rig.bucket, key: 'k', conditions: {}, signal })
  await twoVersions()
  await expect(get('null')).rejects.toMatchObject({ code: 'version-not-found' })
})

test('a named version that is cached in part is read past a cache without room', async () => {
  const mib = 1024 ** 2
  await rig.stop()
  rig.bucket = cachedBucket({ blockBytes: mib, sparseThresholdBytes: mib })
  rig.room = { capacityBytes: 24 * mib }
  await rig.start(rig.directory)
  rig.remote.deleteBucket('remote')
  rig.remote.createBucket('remote', { versioned: true })
  const large = pattern(40 * mib)
  rig.remote.put('remote', 'k', large)
  const range = { kind: 'from-to', first: 0, last: 9 } as const
  expect(await rig.get('k', { range })).toEqual(large.subarray(0, 10))
  await rig.idle()
  expect(rig.context.store.get(2, 'k')?.blocks).toBeDefined()
  const answer = await get('v1')
  expect(answer).toMatchObject({ kind: 'found', cache: { status: 'bypass' } })
  expect('bytes' in answer && answer.bytes.equals(large)).toBe(true)
})
