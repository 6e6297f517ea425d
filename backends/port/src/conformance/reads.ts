import assert from 'node:assert/strict'
import { choosePin } from '@forebay/model/version'
import {
  assertFails,
  assertSameBytes,
  bytesNow,
  drain,
  quietSignal,
  readFound,
  type Scenario,
  testBytes,
} from './case.ts'

const LARGE_BYTES = 3 * 1024 ** 2 + 17

export const READ_SCENARIOS: readonly Scenario[] = [
  {
    title: 'an object is read whole, with its size',
    async play({ backend, put }) {
      const bytes = testBytes(LARGE_BYTES)
      await put('k', bytes)
      const found = await readFound(backend, { key: 'k' })
      assert.deepEqual(found.range, { offset: 0, lengthBytes: LARGE_BYTES })
      assert.equal(found.sizeBytes, LARGE_BYTES)
      assert.equal(found.attributes.sizeBytes, LARGE_BYTES)
      assertSameBytes(await drain(found), bytes)
    },
  },
  {
    title: 'an empty object is found and has no bytes',
    async play({ backend, put }) {
      await put('k', Buffer.alloc(0))
      const found = await readFound(backend, { key: 'k' })
      assert.equal(found.sizeBytes, 0)
      assert.equal((await drain(found)).length, 0)
    },
  },
  {
    title: 'an absent object is absent to a read and to a HEAD',
    async play({ backend }) {
      const signal = quietSignal()
      assert.deepEqual(await backend.read({ key: 'k', signal }), { kind: 'absent' })
      assert.deepEqual(await backend.head({ key: 'k', signal }), { kind: 'absent' })
    },
  },
  {
    title: 'an absent bucket is told apart from an absent object',
    async play({ backend, missing }, { absentBucketReadsAbsent = false }) {
      const signal = quietSignal()
      const read = missing.read({ key: 'k', signal })
      if (absentBucketReadsAbsent) assert.deepEqual(await read, { kind: 'absent' })
      else await assertFails(read, 'bucket-not-found')
      await assertFails(missing.list({ prefix: '', pageMax: 10, signal }), 'bucket-not-found')
      assert.equal(await missing.headBucket({ signal }), undefined)
      assert.notEqual(await backend.headBucket({ signal }), undefined)
    },
  },
  {
    title: 'a range answers exactly its bytes',
    needs: ({ capabilities }) => capabilities.rangedRead,
    async play({ backend, put }) {
      const bytes = testBytes(LARGE_BYTES)
      await put('k', bytes)
      for (const [offset, lengthBytes] of [
        [0, 1],
        [1, 65_536],
        [LARGE_BYTES - 1, 1],
        [1000, LARGE_BYTES - 1000],
      ] as const) {
        const found = await readFound(backend, { key: 'k', range: { offset, lengthBytes } })
        assert.deepEqual(found.range, { offset, lengthBytes })
        assert.equal(found.sizeBytes, LARGE_BYTES)
        assertSameBytes(await drain(found), bytes.subarray(offset, offset + lengthBytes))
      }
    },
  },
  {
    title: 'a range that runs over the end is shortened, one behind it is refused',
    needs: ({ capabilities }) => capabilities.rangedRead,
    async play({ backend, put }) {
      const bytes = testBytes(1000)
      await put('k', bytes)
      const found = await readFound(backend, { key: 'k', range: { offset: 900, lengthBytes: 500 } })
      assert.deepEqual(found.range, { offset: 900, lengthBytes: 100 })
      assertSameBytes(await drain(found), bytes.subarray(900))
      const behind = { offset: 1000, lengthBytes: 1 }
      const read = backend.read({ key: 'k', range: behind, signal: quietSignal() })
      await assertFails(read, 'range-not-satisfiable')
    },
  },
  {
    title: 'a pinned read answers the pinned version or none',
    needs: ({ capabilities }) => capabilities.pinnedRead,
    async play({ backend, put }) {
      const bytes = testBytes(1000)
      await put('k', bytes)
      const first = await readFound(backend, { key: 'k' })
      await drain(first)
      const pin = choosePin(first.attributes.validators ?? {})
      assert.notEqual(pin.kind, 'none')
      assertSameBytes(await drain(await readFound(backend, { key: 'k', pin })), bytes)
      await put('k', testBytes(1000, 2))
      const range = { offset: 10, lengthBytes: 10 }
      for (const wanted of [undefined, range]) {
        const later = await backend.read({ key: 'k', pin, range: wanted, signal: quietSignal() })
        if (later.kind === 'found') {
          // A store with versions still has the old one.
          assertSameBytes(await drain(later), wanted ? bytes.subarray(10, 20) : bytes)
        } else assert.equal(later.kind, 'changed')
      }
    },
  },
  {
    title: 'a pinned read of another size than the pinned version has is a change',
    needs: ({ capabilities }) => capabilities.pinnedRead,
    async play({ backend, put }) {
      await put('k', testBytes(1000))
      const first = await readFound(backend, { key: 'k' })
      await drain(first)
      const pin = choosePin(first.attributes.validators ?? {})
      const options = { key: 'k', pin, signal: quietSignal() }
      const other = await backend.read({ ...options, pinnedSizeBytes: 999 })
      assert.equal(other.kind, 'changed')
      await drain(await readFound(backend, { ...options, pinnedSizeBytes: 1000 }))
    },
  },
  {
    title: 'a revalidation answers not-modified until the object changes',
    needs: ({ capabilities }) => capabilities.pinnedRead,
    async play({ backend, put }) {
      await put('k', testBytes(1000))
      const first = await readFound(backend, { key: 'k' })
      await drain(first)
      const unless = choosePin(first.attributes.validators ?? {})
      const again = await backend.read({ key: 'k', unless, signal: quietSignal() })
      assert.deepEqual(again, { kind: 'not-modified' })
      const changed = testBytes(1001, 2)
      await put('k', changed)
      assertSameBytes(await drain(await readFound(backend, { key: 'k', unless })), changed)
    },
  },
  {
    title: 'a change behind the back is seen by the next read and HEAD',
    async play({ backend, put, remove }) {
      await put('k', testBytes(10))
      assertSameBytes(await bytesNow(backend, 'k'), testBytes(10))
      await put('k', testBytes(20, 2))
      assertSameBytes(await bytesNow(backend, 'k'), testBytes(20, 2))
      await remove('k')
      assert.equal(await bytesNow(backend, 'k'), undefined)
      assert.equal((await backend.head({ key: 'k', signal: quietSignal() })).kind, 'absent')
    },
  },
  {
    title: 'HEAD, read and list agree about one version',
    async play({ backend, put }) {
      await put('k', testBytes(1234))
      const signal = quietSignal()
      const read = await readFound(backend, { key: 'k' })
      await drain(read)
      const head = await backend.head({ key: 'k', signal })
      assert(head.kind === 'found')
      const [listed] = (await backend.list({ prefix: '', pageMax: 10, signal })).objects
      for (const seen of [head.attributes, listed]) {
        assert.equal(seen?.etag, read.attributes.etag)
        assert.equal(seen?.sizeBytes, 1234)
      }
      assert.equal(head.attributes.lastModifiedMs, read.attributes.lastModifiedMs)
    },
  },
  {
    title: 'a reader that is slow gets every byte once and in order',
    async play({ backend, put }) {
      const bytes = testBytes(LARGE_BYTES)
      await put('k', bytes)
      const found = await readFound(backend, { key: 'k' })
      const chunks: Buffer[] = []
      let busy = false
      await found.body.pump(async (chunk) => {
        assert(!busy, 'write is called while its promise is pending')
        busy = true
        await new Promise((resolve) => setImmediate(resolve))
        chunks.push(Buffer.from(chunk))
        busy = false
      })
      assertSameBytes(Buffer.concat(chunks), bytes)
    },
  },
  {
    title: 'a body that is pumped late, or beside others, is whole',
    async play({ backend, put }) {
      const bytes = testBytes(LARGE_BYTES)
      await put('k', bytes)
      const bodies = await Promise.all([1, 2, 3].map(() => readFound(backend, { key: 'k' })))
      await new Promise((resolve) => setTimeout(resolve, 20))
      for (const found of await Promise.all(bodies.map(drain))) assertSameBytes(found, bytes)
    },
  },
  {
    title: 'a body that nobody wants can be discarded, and the backend goes on',
    async play({ backend, put }) {
      await put('k', testBytes(LARGE_BYTES))
      for (let round = 0; round < 5; round++) {
        const found = await readFound(backend, { key: 'k' })
        found.body.discard()
      }
      assertSameBytes(await bytesNow(backend, 'k'), testBytes(LARGE_BYTES))
    },
  },
  {
    title: 'an error of the consumer ends the pump with that error',
    async play({ backend, put }) {
      await put('k', testBytes(LARGE_BYTES))
      for (const fail of [
        () => {
          throw new Error('disk full')
        },
        () => Promise.reject(new Error('disk full')),
      ]) {
        const found = await readFound(backend, { key: 'k' })
        await assert.rejects(found.body.pump(fail), /disk full/)
      }
      assertSameBytes(await bytesNow(backend, 'k'), testBytes(LARGE_BYTES))
    },
  },
  {
    title: 'an abort ends a read with its reason, before the answer and in the body',
    async play({ backend, put }) {
      await put('k', testBytes(LARGE_BYTES))
      const reason = new Error('nobody wants it')
      const before = backend.read({ key: 'k', signal: AbortSignal.abort(reason) })
      await assert.rejects(before, reason)
      const midway = new AbortController()
      const found = await readFound(backend, { key: 'k', ...{ signal: midway.signal } })
      const pumping = found.body.pump(() => {
        midway.abort(reason)
      })
      await assert.rejects(pumping, reason)
    },
  },
]
