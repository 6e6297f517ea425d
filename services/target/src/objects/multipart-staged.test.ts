import { afterEach, expect, test } from 'vitest'
import { SYSTEM_BUCKET_ID } from './system-bucket.ts'
import { bodyOf, cachedBucket, pattern, Rig } from './testing/rig.ts'

/** A store without multipart uploads behind the bucket, as GCS and Azure are for S3's clients. */
const STAGED = { multipart: 'none' } as const

let rig: Rig
afterEach(() => rig.close())

const { signal } = new AbortController()
const MIB = 1024 ** 2
const ONE = pattern(5 * MIB, 1)
const TWO = pattern(MIB + 7, 2)

async function begin(): Promise<string> {
  const { uploadId } = await rig.target.createUpload({
    bucket: rig.bucket,
    key: 'a',
    headers: { contentType: 'x/y' },
    metadata: { m: '1' },
    signal,
  })
  return uploadId
}

async function part(uploadId: string, partNumber: number, bytes: Buffer) {
  const answer = await rig.target.writePart({
    bucket: rig.bucket,
    key: 'a',
    uploadId,
    partNumber,
    stated: [],
    body: bodyOf(bytes, { chunkBytes: 100_000 }),
    signal,
  })
  return { partNumber, etag: answer.etag, checksums: [] }
}

type Part = Awaited<ReturnType<typeof part>>

async function bothParts(uploadId: string): Promise<readonly Part[]> {
  const second = await part(uploadId, 2, TWO)
  return [await part(uploadId, 1, ONE), second]
}

function complete(uploadId: string, parts: readonly Part[], conditions = {}) {
  return rig.target.completeUpload({
    bucket: rig.bucket,
    key: 'a',
    uploadId,
    parts,
    conditions,
    signal,
  })
}

function partsLeft(): number {
  const page = { delimiter: undefined, after: '', pageMax: 100 }
  return rig.context.store.scan({ bucketId: SYSTEM_BUCKET_ID, prefix: 'p/', ...page }).objects
    .length
}

test('parts wait here and reach the store as one object', async () => {
  rig = await Rig.open(cachedBucket(), STAGED)
  const uploadId = await begin()
  const parts = await bothParts(uploadId)
  expect(rig.remote.bytesWritten).toBe(0)
  await rig.restart()
  const { attributes } = await complete(uploadId, parts)
  const whole = Buffer.concat([ONE, TWO])
  expect(rig.remote.bytes('remote', 'a')).toEqual(whole)
  expect(rig.remote.get('remote', 'a')).toMatchObject({
    etag: attributes.etag,
    headers: { contentType: 'x/y' },
    metadata: { m: '1' },
  })
  const before = rig.remote.requestCount()
  expect(await rig.get('a')).toEqual(whole)
  expect(rig.remote.requestCount()).toBe(before)
  expect(partsLeft()).toBe(0)
})

test('uploads and their parts are listed and given up without a request to the store', async () => {
  rig = await Rig.open(cachedBucket(), STAGED)
  const uploadId = await begin()
  await bothParts(uploadId)
  const address = { bucket: rig.bucket, key: 'a', uploadId, signal }
  const { parts } = await rig.target.listParts({ ...address, afterPart: 0, pageMax: 10 })
  expect(parts.map(({ partNumber, sizeBytes }) => [partNumber, sizeBytes])).toEqual([
    [1, ONE.length],
    [2, TWO.length],
  ])
  const listed = { bucket: rig.bucket, prefix: '', pageMax: 10, signal }
  const { uploads } = await rig.target.listUploads(listed)
  expect(uploads.map((upload) => upload.uploadId)).toEqual([uploadId])
  await rig.target.abortUpload(address)
  expect((await rig.target.listUploads(listed)).uploads).toEqual([])
  expect(partsLeft()).toBe(0)
  expect(rig.remote.requestCount()).toBe(0)
})

test('a Complete that is sent again is answered again and writes nothing', async () => {
  rig = await Rig.open(cachedBucket(), STAGED)
  const uploadId = await begin()
  const parts = await bothParts(uploadId)
  const first = await complete(uploadId, parts)
  const second = await complete(uploadId, parts)
  expect(second.attributes.etag).toBe(first.attributes.etag)
  expect(rig.remote.requestCount('write')).toBe(1)
})

test('a Complete of an object that was written since finds no upload', async () => {
  rig = await Rig.open(cachedBucket(), STAGED)
  const uploadId = await begin()
  const parts = await bothParts(uploadId)
  await complete(uploadId, parts)
  await rig.put('a', 'newer')
  await expect(complete(uploadId, parts)).rejects.toMatchObject({ code: 'upload-not-found' })
  expect(await rig.get('a')).toEqual(Buffer.from('newer'))
})

test('after a Complete whose answer was lost the object at the store is taken for what it is', async () => {
  rig = await Rig.open(cachedBucket(), STAGED)
  const uploadId = await begin()
  const parts = await bothParts(uploadId)
  rig.remote.addFault({ on: ['write'], action: { kind: 'drop-answer' } })
  await expect(complete(uploadId, parts)).rejects.toMatchObject({ code: 'backend-unreachable' })
  await rig.crash()
  await complete(uploadId, parts)
  expect(rig.remote.requestCount('write')).toBe(1)
  expect(await rig.get('a')).toEqual(Buffer.concat([ONE, TWO]))
})

test('after a Complete that never reached the store the parts are sent again', async () => {
  rig = await Rig.open(cachedBucket(), STAGED)
  await rig.put('a', 'older')
  const uploadId = await begin()
  const parts = await bothParts(uploadId)
  rig.remote.addFault({ on: ['write'], action: { kind: 'refuse', code: 'backend-denied' } })
  await expect(complete(uploadId, parts)).rejects.toMatchObject({ code: 'backend-denied' })
  expect(await rig.get('a')).toEqual(Buffer.from('older'))
  await complete(uploadId, parts)
  expect(await rig.get('a')).toEqual(Buffer.concat([ONE, TWO]))
})

test('the store decides about the conditions, and a refused upload can be completed later', async () => {
  rig = await Rig.open(cachedBucket(), STAGED)
  await rig.put('a', 'older')
  const uploadId = await begin()
  const parts = await bothParts(uploadId)
  const refused = complete(uploadId, parts, { ifNoneMatch: ['*'] })
  await expect(refused).rejects.toMatchObject({ code: 'precondition-failed' })
  expect(await rig.get('a')).toEqual(Buffer.from('older'))
  await complete(uploadId, parts)
  expect(await rig.get('a')).toEqual(Buffer.concat([ONE, TWO]))
})

test('a Complete that was refused is refused again, also where the store has the same bytes', async () => {
  rig = await Rig.open(cachedBucket(), STAGED)
  const uploadId = await begin()
  const parts = await bothParts(uploadId)
  await rig.put('a', Buffer.concat([ONE, TWO]))
  const once = { ifNoneMatch: ['*'] }
  for (let attempt = 0; attempt < 2; attempt++) {
    await expect(complete(uploadId, parts, once)).rejects.toMatchObject({
      code: 'precondition-failed',
    })
  }
  expect(rig.remote.get('remote', 'a')?.metadata).toEqual({})
})

test('a part may be copied from an object of the same store, through this node', async () => {
  rig = await Rig.open(cachedBucket(), STAGED)
  await rig.put('source', ONE)
  const uploadId = await begin()
  const { etag } = await rig.target.copyPart({
    bucket: rig.bucket,
    key: 'a',
    uploadId,
    partNumber: 1,
    source: { bucket: rig.bucket, key: 'source' },
    sourceConditions: {},
    signal,
  })
  await complete(uploadId, [{ partNumber: 1, etag, checksums: [] }])
  expect(await rig.get('a')).toEqual(ONE)
})
