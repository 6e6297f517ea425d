import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { crc32c } from '@forebay/base/digest'
import type { Checksum } from '@forebay/model/checksum'
import { choosePin } from '@forebay/model/version'
import type { CopyOptions, UploadBody } from '../backend.ts'
import {
  assertFails,
  assertSameBytes,
  bodyOf,
  bytesNow,
  type ConformanceHarness,
  drain,
  mutationsOf,
  plainWrite,
  quietSignal,
  readFound,
  type Scenario,
  testBytes,
} from './case.ts'

const LARGE_BYTES = 2 * 1024 ** 2 + 33

const DESCRIBED = {
  headers: {
    contentType: 'text/csv',
    contentEncoding: 'gzip',
    cacheControl: 'max-age=60',
    contentDisposition: 'attachment; filename="a.csv"',
    contentLanguage: 'en',
  },
  metadata: { owner: 'jane', 'two-words': 'a b' },
} as const

function writes({ capabilities }: { capabilities: { write: boolean } }): boolean {
  return capabilities.write
}

function copies({
  capabilities,
}: {
  capabilities: { write: boolean; serverSideCopy: boolean }
}): boolean {
  return capabilities.write && capabilities.serverSideCopy
}

export const WRITE_SCENARIOS: readonly Scenario[] = [
  {
    title: 'what is written is read back, and the answer names the version',
    needs: writes,
    async play(store) {
      for (const [at, sizeBytes] of [0, 1, 65_536, LARGE_BYTES].entries()) {
        const bytes = testBytes(sizeBytes, at)
        const written = await mutationsOf(store).write(plainWrite('k'), bodyOf(bytes))
        const found = await readFound(store.backend, { key: 'k' })
        assert.equal(found.attributes.etag, written.etag)
        assert.equal(found.attributes.headers.contentEncoding, undefined)
        assertSameBytes(await drain(found), bytes)
      }
    },
  },
  {
    title: 'headers and metadata come back as they were stored, bytes still encoded',
    needs: writes,
    async play(store, { storedHeaders }) {
      const bytes = Buffer.from('not really gzip')
      await mutationsOf(store).write({ ...plainWrite('k'), ...DESCRIBED }, bodyOf(bytes))
      const found = await readFound(store.backend, { key: 'k' })
      const { headers, metadata } = found.attributes
      assert.equal(headers.contentType, 'text/csv')
      assert.equal(headers.contentEncoding, 'gzip')
      if (storedHeaders !== false) {
        for (const [name, value] of Object.entries(DESCRIBED.headers)) {
          assert.equal(Object.entries(headers).find(([known]) => known === name)?.[1], value)
        }
      }
      assert.deepEqual({ ...metadata }, DESCRIBED.metadata)
      assertSameBytes(await drain(found), bytes)
    },
  },
  {
    title: 'a producer may reuse its buffer for the next chunk',
    needs: writes,
    async play(store) {
      const wanted = testBytes(1_000_000)
      const buffer = Buffer.alloc(10_000)
      const body: UploadBody = {
        lengthBytes: wanted.length,
        repeatable: false,
        async *chunks() {
          for (let at = 0; at < wanted.length; at += buffer.length) {
            wanted.copy(buffer, 0, at, at + buffer.length)
            yield buffer
          }
        },
      }
      await mutationsOf(store).write(plainWrite('k'), body)
      assertSameBytes(await bytesNow(store.backend, 'k'), wanted)
    },
  },
  {
    title: 'a source that throws before the withheld tail leaves the old version',
    needs: writes,
    async play(store) {
      await store.put('k', testBytes(100))
      const verdict = new Error('checksum of the client is wrong')
      const stated = [
        {},
        { contentMd5Hex: '0'.repeat(32) },
        { checksums: [{ algorithm: 'sha256', kind: 'whole', hex: '0'.repeat(64) }] },
      ] as const
      for (const lengthBytes of [0, 1000, LARGE_BYTES]) {
        for (const digests of stated) {
          const body: UploadBody = {
            lengthBytes,
            repeatable: false,
            async *chunks() {
              if (lengthBytes > 0) yield testBytes(lengthBytes - 1, 2)
              await new Promise((resolve) => setTimeout(resolve, 10))
              throw verdict
            },
          }
          const options = { ...plainWrite('k'), ...digests }
          await assert.rejects(mutationsOf(store).write(options, body), verdict)
          assertSameBytes(await bytesNow(store.backend, 'k'), testBytes(100))
        }
      }
    },
  },
  {
    title: 'a source that ends too early or goes on too long commits nothing',
    needs: writes,
    async play(store) {
      for (const lengthBytes of [1001, 999]) {
        const body = { ...bodyOf(testBytes(1000), 100), lengthBytes }
        const write = mutationsOf(store).write(plainWrite('k'), body)
        await assertFails(write, 'body-incomplete')
        assert.equal(await bytesNow(store.backend, 'k'), undefined)
      }
    },
  },
  {
    title: 'an abort in the middle of an upload commits nothing',
    needs: writes,
    async play(store) {
      const controller = new AbortController()
      const reason = new Error('the client is gone')
      const body: UploadBody = {
        lengthBytes: LARGE_BYTES,
        repeatable: false,
        async *chunks() {
          yield testBytes(100_000)
          controller.abort(reason)
          await new Promise((resolve) => setTimeout(resolve, 10))
          yield testBytes(LARGE_BYTES - 100_000)
        },
      }
      const options = { ...plainWrite('k'), signal: controller.signal }
      await assert.rejects(mutationsOf(store).write(options, body), reason)
      assert.equal(await bytesNow(store.backend, 'k'), undefined)
    },
  },
  {
    title: 'bytes that do not have the stated digest are refused and the old version stands',
    needs: writes,
    async play(store, harness) {
      await store.put('k', testBytes(100))
      const { write } = mutationsOf(store)
      for (const algorithm of digestsOf(harness)) {
        const wrong = statedDigest(algorithm, Buffer.from('other'))
        const refused = write({ ...plainWrite('k'), ...wrong }, bodyOf(testBytes(1000, 2)))
        await assertFails(refused, 'digest-mismatch')
        assertSameBytes(await bytesNow(store.backend, 'k'), testBytes(100))
      }
    },
  },
  {
    title: 'a stated checksum is kept and comes back with the object',
    needs: writes,
    async play(store, harness) {
      const bytes = testBytes(1000)
      const { contentMd5Hex } = statedDigest('md5', bytes)
      for (const algorithm of digestsOf(harness)) {
        const { checksums } = statedDigest(algorithm, bytes)
        const options = { ...plainWrite('k'), checksums, contentMd5Hex }
        await mutationsOf(store).write(options, bodyOf(bytes))
        const found = await readFound(store.backend, { key: 'k' })
        await drain(found)
        for (const checksum of checksums) {
          const kept = found.attributes.checksums.find((each) => each.algorithm === algorithm)
          assert.deepEqual(kept, checksum)
        }
      }
    },
  },
  {
    title: 'a write on condition is decided by the store',
    needs: ({ capabilities }) => capabilities.write && capabilities.conditionalWrite,
    async play(store) {
      const { write } = mutationsOf(store)
      const onlyNew = { ...plainWrite('k'), conditions: { ifNoneMatch: ['*'] } }
      const { etag = '' } = await write(onlyNew, bodyOf(testBytes(10)))
      await assertFails(write(onlyNew, bodyOf(testBytes(11))), 'precondition-failed')
      const onlyOther = { ...plainWrite('k'), conditions: { ifMatch: ['0'.repeat(32)] } }
      await assertFails(write(onlyOther, bodyOf(testBytes(12))), 'precondition-failed')
      assertSameBytes(await bytesNow(store.backend, 'k'), testBytes(10))
      const onlyThis = { ...plainWrite('k'), conditions: { ifMatch: [etag] } }
      await write(onlyThis, bodyOf(testBytes(13)))
      assertSameBytes(await bytesNow(store.backend, 'k'), testBytes(13))
    },
  },
  {
    title: 'If-Match on nothing is refused',
    needs: ({ capabilities }) => capabilities.write && capabilities.conditionalWrite,
    async play(store) {
      const options = { ...plainWrite('k'), conditions: { ifMatch: ['0'.repeat(32)] } }
      const write = mutationsOf(store).write(options, bodyOf(testBytes(10)))
      await assertFails(write, 'object-not-found', 'precondition-failed')
      assert.equal(await bytesNow(store.backend, 'k'), undefined)
    },
  },
  {
    title: 'a delete removes the object, and again is no failure',
    needs: writes,
    async play(store) {
      const options = { key: 'k', conditions: {}, signal: quietSignal() }
      await store.put('k', testBytes(10))
      await mutationsOf(store).delete(options)
      assert.equal(await bytesNow(store.backend, 'k'), undefined)
      await mutationsOf(store).delete(options)
    },
  },
  {
    title: 'a delete on condition spares another version',
    needs: ({ capabilities }) => capabilities.write && capabilities.conditionalDelete,
    async play(store) {
      const signal = quietSignal()
      const { etag = '' } = await mutationsOf(store).write(plainWrite('k'), bodyOf(testBytes(10)))
      const other = { key: 'k', conditions: { ifMatch: ['0'.repeat(32)] }, signal }
      await assertFails(mutationsOf(store).delete(other), 'precondition-failed')
      assertSameBytes(await bytesNow(store.backend, 'k'), testBytes(10))
      await mutationsOf(store).delete({ key: 'k', conditions: { ifMatch: [etag] }, signal })
      assert.equal(await bytesNow(store.backend, 'k'), undefined)
    },
  },
  {
    title: 'a mutation in an absent bucket says so',
    needs: writes,
    async play({ missing }) {
      assert(missing.mutations !== undefined)
      const write = missing.mutations.write(plainWrite('k'), bodyOf(testBytes(10)))
      await assertFails(write, 'bucket-not-found')
    },
  },
  {
    title: 'a copy has the bytes and, as asked, the old or the new description',
    needs: copies,
    async play(store) {
      const bytes = testBytes(1000)
      await mutationsOf(store).write({ ...plainWrite('a'), ...DESCRIBED }, bodyOf(bytes))
      const copied = await mutationsOf(store).copy(copyOf(store.bucket, 'a', 'b'))
      const b = await readFound(store.backend, { key: 'b' })
      assert.equal(b.attributes.etag, copied.etag)
      assert.deepEqual({ ...b.attributes.metadata }, DESCRIBED.metadata)
      assertSameBytes(await drain(b), bytes)
      const replaced = {
        ...copyOf(store.bucket, 'a', 'c'),
        replaceMetadata: true,
        headers: { contentType: 'image/png' },
        metadata: { owner: 'john' },
      }
      await mutationsOf(store).copy(replaced)
      const c = await readFound(store.backend, { key: 'c' })
      assert.equal(c.attributes.headers.contentType, 'image/png')
      assert.deepEqual({ ...c.attributes.metadata }, { owner: 'john' })
      assertSameBytes(await drain(c), bytes)
    },
  },
  {
    title: 'a copy of nothing, or of another version than the pinned one, copies nothing',
    needs: copies,
    async play(store) {
      const { copy } = mutationsOf(store)
      await assertFails(copy(copyOf(store.bucket, 'a', 'b')), 'object-not-found')
      await store.put('a', testBytes(10))
      const first = await readFound(store.backend, { key: 'a' })
      await drain(first)
      const sourcePin = choosePin({ etag: first.attributes.etag })
      await store.put('a', testBytes(10, 2))
      const pinned = { ...copyOf(store.bucket, 'a', 'b'), sourcePin }
      await assertFails(copy(pinned), 'precondition-failed')
      assert.equal(await bytesNow(store.backend, 'b'), undefined)
    },
  },
]

function digestsOf({ digestsVerified = ['md5', 'sha256'] }: ConformanceHarness) {
  return digestsVerified
}

/** What a client says of `bytes`: MD5 in a field of its own, others as checksums. */
function statedDigest(
  algorithm: 'md5' | 'sha256' | 'crc32c',
  bytes: Buffer,
): { readonly contentMd5Hex?: string; readonly checksums: readonly Checksum[] } {
  if (algorithm === 'md5') {
    return { contentMd5Hex: createHash('md5').update(bytes).digest('hex'), checksums: [] }
  }
  const hex =
    algorithm === 'sha256'
      ? createHash('sha256').update(bytes).digest('hex')
      : crc32c(bytes).toString(16).padStart(8, '0')
  return { checksums: [{ algorithm, kind: 'whole', hex }] }
}

function copyOf(sourceBucket: string, sourceKey: string, key: string): CopyOptions {
  return {
    ...plainWrite(key),
    sourceBucket,
    sourceKey,
    sourceConditions: {},
    replaceMetadata: false,
  }
}
