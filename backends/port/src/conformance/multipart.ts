import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import type { CompletedPart, CompleteOptions, PartOptions } from '../backend.ts'
import {
  assertFails,
  assertSameBytes,
  bodyOf,
  bytesNow,
  type ConformanceHarness,
  drain,
  mutationsOf,
  type OpenStore,
  plainWrite,
  quietSignal,
  readFound,
  type Scenario,
  testBytes,
} from './case.ts'

function multipart({ capabilities }: ConformanceHarness): boolean {
  return capabilities.write && capabilities.multipart === 'native'
}

interface Upload {
  readonly uploadId: string
  part(partNumber: number, bytes: Buffer): Promise<CompletedPart>
  complete(
    parts: readonly CompletedPart[],
    options?: Partial<CompleteOptions>,
  ): Promise<{ readonly etag: string | undefined }>
}

async function startUpload(store: OpenStore, key = 'k'): Promise<Upload> {
  const mutations = mutationsOf(store)
  const { uploadId } = await mutations.createUpload({
    ...plainWrite(key),
    headers: { contentType: 'text/csv' },
    metadata: { owner: 'jane' },
  })
  const base = { key, uploadId, signal: quietSignal() }
  return {
    uploadId,
    async part(partNumber, bytes) {
      const options: PartOptions = { ...base, partNumber, checksums: [] }
      const { etag = '' } = await mutations.writePart(options, bodyOf(bytes))
      return { partNumber, etag }
    },
    complete: (parts, options = {}) =>
      mutations.completeUpload({ ...base, parts, conditions: {}, ...options }),
  }
}

export const MULTIPART_SCENARIOS: readonly Scenario[] = [
  {
    title: 'parts uploaded in any order make one object in the order of their numbers',
    needs: multipart,
    async play(store, { partBytesMin }) {
      const first = testBytes(partBytesMin)
      const second = testBytes(partBytesMin + 5, 2)
      const final = testBytes(7, 3)
      const upload = await startUpload(store)
      const third = await upload.part(9, final)
      const one = await upload.part(1, first)
      await upload.part(4, testBytes(partBytesMin, 9))
      const replaced = await upload.part(4, second)
      assert.equal(await bytesNow(store.backend, 'k'), undefined)
      const { etag } = await upload.complete([one, replaced, third])
      const md5 = createHash('md5')
      for (const part of [first, second, final]) md5.update(md5Of(part))
      assert.equal(etag, `${md5.digest('hex')}-3`)
      const found = await readFound(store.backend, { key: 'k' })
      assert.equal(found.attributes.etag, etag)
      assert.equal(found.attributes.partCount, 3)
      assert.equal(found.attributes.headers.contentType, 'text/csv')
      assert.deepEqual({ ...found.attributes.metadata }, { owner: 'jane' })
      assert(!found.attributes.checksums.some(({ algorithm }) => algorithm === 'md5'))
      assertSameBytes(await drain(found), Buffer.concat([first, second, final]))
    },
  },
  {
    title: 'parts may be left out of the object',
    needs: multipart,
    async play(store) {
      const upload = await startUpload(store)
      await upload.part(1, testBytes(10))
      const two = await upload.part(2, testBytes(20, 2))
      await upload.complete([two])
      assertSameBytes(await bytesNow(store.backend, 'k'), testBytes(20, 2))
    },
  },
  {
    title: 'a completion that names wrong parts is refused and can be repeated rightly',
    needs: multipart,
    async play(store, { partBytesMin }) {
      const upload = await startUpload(store)
      const one = await upload.part(1, testBytes(partBytesMin))
      const two = await upload.part(2, testBytes(partBytesMin, 2))
      const wrong = { ...two, etag: '0'.repeat(32) }
      await assertFails(upload.complete([one, wrong]), 'part-invalid')
      await assertFails(upload.complete([one, { ...two, partNumber: 3 }]), 'part-invalid')
      await assertFails(upload.complete([two, one]), 'part-order-invalid')
      assert.equal(await bytesNow(store.backend, 'k'), undefined)
      await upload.complete([one, two])
      assert.equal((await bytesNow(store.backend, 'k'))?.length, 2 * partBytesMin)
    },
  },
  {
    title: 'a part that is too small and not the last is refused',
    needs: multipart,
    async play(store) {
      const upload = await startUpload(store)
      const one = await upload.part(1, testBytes(10))
      const two = await upload.part(2, testBytes(10))
      await assertFails(upload.complete([one, two]), 'entity-too-small')
    },
  },
  {
    title: 'an aborted upload is gone and leaves no object',
    needs: multipart,
    async play(store) {
      const upload = await startUpload(store)
      const one = await upload.part(1, testBytes(10))
      const { uploadId } = upload
      await mutationsOf(store).abortUpload({ key: 'k', uploadId, signal: quietSignal() })
      await assertFails(upload.complete([one]), 'upload-not-found')
      await assertFails(upload.part(2, testBytes(10)), 'upload-not-found')
      assert.equal(await bytesNow(store.backend, 'k'), undefined)
    },
  },
  {
    title: 'a completion on condition is decided by the store',
    needs: (harness) => multipart(harness) && harness.capabilities.conditionalWrite,
    async play(store) {
      await store.put('k', testBytes(5))
      const upload = await startUpload(store)
      const one = await upload.part(1, testBytes(10, 2))
      const complete = upload.complete([one], { conditions: { ifNoneMatch: ['*'] } })
      await assertFails(complete, 'precondition-failed')
      assertSameBytes(await bytesNow(store.backend, 'k'), testBytes(5))
    },
  },
  {
    title: 'a part can be copied from a range of another object',
    needs: (harness) => multipart(harness) && harness.capabilities.serverSideCopy,
    async play(store, { partBytesMin }) {
      const source = testBytes(partBytesMin + 100)
      await store.put('source', source)
      const upload = await startUpload(store)
      const base = { key: 'k', uploadId: upload.uploadId, signal: quietSignal(), checksums: [] }
      const from = { sourceBucket: store.bucket, sourceKey: 'source', sourceConditions: {} }
      const { copyPart } = mutationsOf(store)
      const whole = await copyPart({ ...base, ...from, partNumber: 1 })
      const sourceRange = { first: 10, last: 29 }
      const piece = await copyPart({ ...base, ...from, partNumber: 2, sourceRange })
      await upload.complete([
        { partNumber: 1, etag: whole.etag ?? '' },
        { partNumber: 2, etag: piece.etag ?? '' },
      ])
      const wanted = Buffer.concat([source, source.subarray(10, 30)])
      assertSameBytes(await bytesNow(store.backend, 'k'), wanted)
    },
  },
  {
    title: 'open uploads and their parts are listed, page by page',
    needs: multipart,
    async play(store) {
      const upload = await startUpload(store, 'dir/k')
      const sizes = [10, 20, 30]
      for (const [at, sizeBytes] of sizes.entries()) await upload.part(at + 1, testBytes(sizeBytes))
      const { listParts, listUploads } = mutationsOf(store)
      const base = { key: 'dir/k', uploadId: upload.uploadId, signal: quietSignal() }
      const first = await listParts({ ...base, afterPart: 0, pageMax: 2 })
      assert.deepEqual(
        first.parts.map(({ partNumber, sizeBytes }) => [partNumber, sizeBytes]),
        [
          [1, 10],
          [2, 20],
        ],
      )
      assert.equal(first.nextPartNumber, 2)
      const final = await listParts({ ...base, afterPart: 2, pageMax: 2 })
      assert.deepEqual(
        final.parts.map(({ partNumber }) => partNumber),
        [3],
      )
      assert.equal(final.nextPartNumber, undefined)
      const listing = await listUploads({ prefix: 'dir/', pageMax: 10, signal: quietSignal() })
      assert.deepEqual(
        listing.uploads.map(({ key, uploadId }) => [key, uploadId]),
        [['dir/k', upload.uploadId]],
      )
      assert.equal(listing.truncated, false)
    },
  },
]

function md5Of(bytes: Buffer): Buffer {
  return createHash('md5').update(bytes).digest()
}
