import { hashBuffer } from '@forebay/base/hash/digester'
import type { BucketRecord } from '@forebay/model/bucket'
import { afterEach, expect, test } from 'vitest'
import { SYSTEM_BUCKET_ID } from './system-bucket.ts'
import { bodyOf, NATIVE, pattern, Rig } from './testing/rig.ts'

let rig: Rig
afterEach(() => rig.close())

const signal = new AbortController().signal
const MIB = 1024 ** 2

function begin(bucket: BucketRecord = NATIVE) {
  return rig.target.createUpload({
    bucket,
    key: 'a',
    headers: { contentType: 'x/y' },
    metadata: { m: '1' },
    signal,
  })
}

async function part(uploadId: string, partNumber: number, bytes: Buffer) {
  const answer = await rig.target.writePart({
    bucket: NATIVE,
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

function complete(uploadId: string, parts: readonly Part[]) {
  return rig.target.completeUpload({
    bucket: NATIVE,
    key: 'a',
    uploadId,
    parts,
    conditions: {},
    signal,
  })
}

test('parts written in any order make the object in the order of their numbers', async () => {
  rig = await Rig.open()
  const { uploadId } = await begin()
  const third = await part(uploadId, 3, pattern(10, 3))
  const first = await part(uploadId, 1, pattern(5 * MIB, 1))
  await rig.restart()
  const second = await part(uploadId, 2, pattern(5 * MIB + 7, 2))
  const { attributes } = await complete(uploadId, [first, second, third])
  const expected = Buffer.concat([pattern(5 * MIB, 1), pattern(5 * MIB + 7, 2), pattern(10, 3)])
  expect(await rig.get('a', { bucket: NATIVE })).toEqual(expected)
  const tags = Buffer.from([first, second, third].map(({ etag }) => etag).join(''), 'hex')
  expect(attributes.etag).toBe(`${hashBuffer('md5', tags)}-3`)
  expect(attributes).toMatchObject({ headers: { contentType: 'x/y' }, metadata: { m: '1' } })
})

test('an upload without an algorithm ends in the CRC64NVME of the whole, and its parts show none', async () => {
  rig = await Rig.open()
  const { uploadId } = await begin()
  const bytes = [pattern(5 * MIB + 3, 1), pattern(70_000, 2)]
  const parts: Part[] = []
  for (const [index, piece] of bytes.entries()) parts.push(await part(uploadId, index + 1, piece))
  const address = { bucket: NATIVE, key: 'a', uploadId, signal }
  const listed = await rig.target.listParts({ ...address, afterPart: 0, pageMax: 10 })
  expect(listed.parts.map(({ checksums }) => checksums)).toEqual([[], []])
  const { attributes } = await complete(uploadId, parts)
  const hex = hashBuffer('crc64nvme', Buffer.concat(bytes))
  expect(attributes.checksums).toEqual([{ algorithm: 'crc64nvme', kind: 'whole', hex }])
})

test('one part of a completed object can be read by its number', async () => {
  rig = await Rig.open()
  const { uploadId } = await begin()
  const parts = [
    await part(uploadId, 2, pattern(5 * MIB, 1)),
    await part(uploadId, 9, pattern(10, 2)),
  ]
  await complete(uploadId, parts)
  const head = await rig.target.head({
    bucket: NATIVE,
    key: 'a',
    partNumber: 2,
    conditions: {},
    signal,
  })
  expect(head).toMatchObject({
    kind: 'found',
    range: { offset: 5 * MIB, lengthBytes: 10 },
    partCount: 2,
  })
})

test('a part that was never written, or with another tag, is refused and nothing is made', async () => {
  rig = await Rig.open()
  const { uploadId } = await begin()
  const only = await part(uploadId, 1, pattern(10))
  await expect(complete(uploadId, [{ ...only, etag: 'x' }])).rejects.toMatchObject({
    code: 'part-invalid',
  })
  await expect(complete(uploadId, [only, { ...only, partNumber: 2 }])).rejects.toMatchObject({
    code: 'entity-too-small',
  })
  await expect(complete(uploadId, [{ ...only, partNumber: 2 }])).rejects.toMatchObject({
    code: 'part-invalid',
  })
  expect(await rig.get('a', { bucket: NATIVE })).toBeUndefined()
  await complete(uploadId, [only])
  expect(await rig.get('a', { bucket: NATIVE })).toEqual(pattern(10))
})

test('parts must be named in ascending order', async () => {
  rig = await Rig.open()
  const { uploadId } = await begin()
  const first = await part(uploadId, 1, pattern(5 * MIB))
  const second = await part(uploadId, 2, pattern(1))
  await expect(complete(uploadId, [second, first])).rejects.toMatchObject({
    code: 'part-order-invalid',
  })
})

test('a repeated Complete gives the same answer and leaves no parts', async () => {
  rig = await Rig.open()
  const { uploadId } = await begin()
  const only = await part(uploadId, 1, pattern(10))
  const { attributes } = await complete(uploadId, [only])
  expect((await complete(uploadId, [only])).attributes.etag).toBe(attributes.etag)
  expect(
    rig.context.store.scan({
      bucketId: SYSTEM_BUCKET_ID,
      prefix: 'p/',
      delimiter: undefined,
      after: '',
      pageMax: 10,
    }).objects,
  ).toEqual([])
  await rig.put('a', 'overwritten', { bucket: NATIVE })
  await expect(complete(uploadId, [only])).rejects.toMatchObject({ code: 'upload-not-found' })
  expect(String(await rig.get('a', { bucket: NATIVE }))).toBe('overwritten')
})

test('an aborted upload is gone with its parts', async () => {
  rig = await Rig.open()
  const { uploadId } = await begin()
  await part(uploadId, 1, pattern(10))
  const address = { bucket: NATIVE, key: 'a', uploadId, signal }
  await rig.target.abortUpload(address)
  await expect(rig.target.abortUpload(address)).rejects.toMatchObject({ code: 'upload-not-found' })
  await expect(part(uploadId, 2, pattern(10))).rejects.toMatchObject({ code: 'upload-not-found' })
  expect(rig.context.store.isEmpty(SYSTEM_BUCKET_ID)).toBe(true)
})

test('an upload id that is no id is not found, whatever it contains', async () => {
  rig = await Rig.open()
  for (const uploadId of ['', '../../x', 'a\0b', 'testnode.0', 'x'.repeat(5000)]) {
    await expect(part(uploadId, 1, pattern(1))).rejects.toMatchObject({ code: 'upload-not-found' })
  }
})

test('parts and uploads are listed page by page', async () => {
  rig = await Rig.open()
  const { uploadId } = await begin()
  for (const number of [1, 2, 5, 7]) await part(uploadId, number, pattern(number))
  const address = { bucket: NATIVE, key: 'a', uploadId, signal }
  const page = await rig.target.listParts({ ...address, afterPart: 1, pageMax: 2 })
  expect(page.parts.map(({ partNumber }) => partNumber)).toEqual([2, 5])
  expect(page.nextPartNumber).toBe(5)
  const last = await rig.target.listParts({ ...address, afterPart: 5, pageMax: 2 })
  expect([last.parts.map(({ sizeBytes }) => sizeBytes), last.nextPartNumber]).toEqual([
    [7],
    undefined,
  ])

  for (const key of ['b/1', 'b/2', 'c']) {
    await rig.target.createUpload({ bucket: NATIVE, key, headers: {}, metadata: {}, signal })
  }
  const list = { bucket: NATIVE, prefix: '', delimiter: '/', signal }
  const uploads = await rig.target.listUploads({ ...list, pageMax: 2 })
  expect([
    uploads.uploads.map(({ key }) => key),
    uploads.commonPrefixes,
    uploads.truncated,
  ]).toEqual([['a'], ['b/'], true])
  const rest = await rig.target.listUploads({
    ...list,
    pageMax: 2,
    keyMarker: uploads.nextKeyMarker,
    uploadIdMarker: uploads.nextUploadIdMarker,
  })
  expect([rest.uploads.map(({ key }) => key), rest.commonPrefixes, rest.truncated]).toEqual([
    ['c'],
    ['b/'],
    false,
  ])
})

test('parts of a bucket with a backend pass through to it', async () => {
  rig = await Rig.open()
  const { bucket } = rig
  const { uploadId } = await begin(bucket)
  const parts: Part[] = []
  for (const number of [1, 2]) {
    const body = bodyOf(pattern(300_000, number))
    const answer = await rig.target.writePart({
      bucket,
      key: 'a',
      uploadId,
      partNumber: number,
      stated: [],
      body,
      signal,
    })
    parts.push({ partNumber: number, etag: answer.etag, checksums: [] })
  }
  await rig.target.completeUpload({ bucket, key: 'a', uploadId, parts, conditions: {}, signal })
  const expected = Buffer.concat([pattern(300_000, 1), pattern(300_000, 2)])
  expect(rig.remote.bytes('remote', 'a')).toEqual(expected)
  expect(await rig.get('a')).toEqual(expected)
})
