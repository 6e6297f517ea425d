import type { Backend, WriteOptions } from '@forebay/backend-port/backend'
import { isUndecided } from '@forebay/backend-port/undecided'
import { withProgressTimeout } from '@forebay/backend-port/with-progress-timeout'
import { RETRY_DEFAULTS, withRetry } from '@forebay/backend-port/with-retry'
import { systemClock } from '@forebay/base/clock'
import { crc32c } from '@forebay/base/digest'
import { answer, cutAnswer, errorAnswer, inTurn } from '@forebay/testkit/origin/answers'
import {
  type OriginScript,
  type OriginStep,
  type ScriptedOrigin,
  startOrigin,
} from '@forebay/testkit/origin/scripted-origin'
import { afterEach, describe, expect, test } from 'vitest'
import { createGcsBackend } from './gcs-backend.ts'

const BYTES = Buffer.from('0123456789'.repeat(100))
const GENERATION = '1700000000000001'
const HEADERS = {
  'x-goog-generation': GENERATION,
  'last-modified': 'Sat, 21 Nov 2026 04:00:00 GMT',
}
const PIN = { kind: 'generation', generation: GENERATION } as const
const RANGE = { offset: 100, lengthBytes: 10 }
const { signal } = new AbortController()

let origin: ScriptedOrigin
let backend: Backend

async function open(script: OriginScript): Promise<void> {
  origin = await startOrigin(script)
  backend = createGcsBackend({ bucket: 'b', endpoint: origin.url, nodeId: 'node-1' })
}

afterEach(async () => {
  await backend.close()
  await origin.close()
})

async function pumpAll(options: Partial<Parameters<Backend['read']>[0]> = {}): Promise<Buffer> {
  const result = await backend.read({ key: 'k', signal, ...options })
  if (result.kind !== 'found') throw new Error(result.kind)
  const chunks: Buffer[] = []
  await result.body.pump((chunk) => {
    chunks.push(Buffer.from(chunk))
  })
  return Buffer.concat(chunks)
}

function write(lengthBytes: number, options: Partial<WriteOptions> = {}) {
  const plain = { key: 'k', headers: {}, metadata: {}, conditions: {}, checksums: [], signal }
  const body = {
    lengthBytes,
    repeatable: true,
    async *chunks() {
      yield Buffer.alloc(lengthBytes, 7)
    },
  }
  if (backend.mutations === undefined) throw new Error('no mutations')
  return backend.mutations.write({ ...plain, ...options }, body)
}

function json(status: number, document: unknown): readonly OriginStep[] {
  const headers = { 'content-type': 'application/json' }
  return answer({ status, headers, body: JSON.stringify(document) })
}

/** An error document of the JSON API. */
function jsonError(status: number, reason: string, message = 'said'): readonly OriginStep[] {
  return json(status, { error: { code: status, message, errors: [{ message, reason }] } })
}

function resource(more: Readonly<Record<string, unknown>> = {}) {
  const size = '10'
  return { name: 'k', generation: GENERATION, size, updated: '2026-11-21T04:00:00.5Z', ...more }
}

describe('a store that does not do what it was asked', () => {
  test('answers another generation than the pinned one: a change, not an answer', async () => {
    const headers = { ...HEADERS, 'x-goog-generation': '2' }
    await open(() => answer({ status: 200, headers, body: BYTES }))
    expect(await backend.read({ key: 'k', pin: PIN, signal })).toEqual({ kind: 'changed' })
    expect(origin.requests[0]?.target).toBe(`/b/k?generation=${GENERATION}`)
  })

  test('names no generation: a pinned read is a change, a plain one has no tag', async () => {
    await open(() => answer({ status: 200, body: BYTES }))
    expect(await backend.read({ key: 'k', pin: PIN, signal })).toEqual({ kind: 'changed' })
    const found = await backend.read({ key: 'k', signal })
    expect(found).toMatchObject({ attributes: { etag: '', checksums: [] } })
  })

  test('no longer has the pinned generation: a change, whether or not there is another', async () => {
    await open(() => errorAnswer(404, 'NoSuchKey'))
    expect(await backend.read({ key: 'k', pin: PIN, signal })).toEqual({ kind: 'changed' })
    expect(await backend.read({ key: 'k', signal })).toEqual({ kind: 'absent' })
  })

  test('answers 200 to a range: the whole object is reported as such', async () => {
    await open(() => answer({ status: 200, headers: HEADERS, body: BYTES }))
    const found = await backend.read({ key: 'k', range: RANGE, pin: PIN, signal })
    expect(found).toMatchObject({ kind: 'found', range: { offset: 0, lengthBytes: 1000 } })
  })

  test.each(['bytes 99-108/1000', 'bytes 100-109/109', 'bytes */1000', ''])(
    'answers 206 with Content-Range "%s": corrupt',
    async (range) => {
      const headers = { ...HEADERS, 'content-range': range }
      await open(() => answer({ status: 206, headers, body: BYTES.subarray(0, 10) }))
      const read = backend.read({ key: 'k', range: RANGE, signal })
      await expect(read).rejects.toMatchObject({ code: 'backend-corrupt' })
    },
  )

  test.each([
    ['decoded gzip', { 'x-goog-stored-content-encoding': 'gzip' }],
    [
      'compressed by a proxy',
      { 'x-goog-stored-content-encoding': 'identity', 'content-encoding': 'gzip' },
    ],
    ['of another length than is stored', { 'x-goog-stored-content-length': '999' }],
  ])('sends bytes that are not those stored, %s: corrupt', async (_, more) => {
    await open(() => answer({ status: 200, headers: { ...HEADERS, ...more }, body: BYTES }))
    const read = backend.read({ key: 'k', signal })
    await expect(read).rejects.toMatchObject({ code: 'backend-corrupt' })
    const head = backend.head({ key: 'k', signal })
    await expect(head).rejects.toMatchObject({ code: 'backend-corrupt' })
  })

  test('does not say in a HEAD how long the object is: that is no object of 0 bytes', async () => {
    await open(() => [{ kind: 'send', bytes: 'HTTP/1.1 200 OK\r\nx-goog-generation: 1\r\n\r\n' }])
    const head = backend.head({ key: 'k', signal })
    await expect(head).rejects.toMatchObject({ code: 'backend-corrupt' })
  })

  test.each(['no document', '[]', '{}', '{"generation":"x","size":"10"}'])(
    'answers a write with "%s": corrupt, and nobody knows what it did',
    async (body) => {
      await open(() => answer({ status: 200, body }))
      const error = await write(10).catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({ code: 'backend-corrupt' })
      expect(isUndecided(error)).toBe(true)
    },
  )

  test.each([
    ['other bytes', { crc32c: 'AAAAAA==' }],
    ['another length', { size: '9' }],
  ])('keeps %s than were sent: corrupt', async (_, more) => {
    await open(() => json(200, resource(more)))
    await expect(write(10)).rejects.toMatchObject({ code: 'backend-corrupt' })
  })

  test('neither ends a copy nor goes on with it: corrupt', async () => {
    await open(() => json(200, { done: false }))
    const copied = backend.mutations?.copy({
      ...{ key: 'k', headers: {}, metadata: {}, conditions: {}, checksums: [], signal },
      ...{ sourceBucket: 'b', sourceKey: 'a', sourceConditions: {}, replaceMetadata: false },
    })
    await expect(copied).rejects.toMatchObject({ code: 'backend-corrupt' })
  })
})

describe('a body that is not as long as it was said to be', () => {
  test.each([0, 1, 999])('is cut after %i bytes: the pump fails', async (bytes) => {
    await open(() => cutAnswer({ status: 200, headers: HEADERS, body: BYTES }, bytes))
    await expect(pumpAll()).rejects.toMatchObject({ code: 'backend-unreachable' })
  })

  test.each(['5\r\n01234', 'b\r\n01234567890'])(
    'has another number of bytes than its Content-Range, "%s": corrupt',
    async (chunk) => {
      const headers = 'content-range: bytes 100-109/1000\r\ntransfer-encoding: chunked'
      const bytes = `HTTP/1.1 206 Partial\r\n${headers}\r\n\r\n${chunk}\r\n0\r\n\r\n`
      await open(() => [{ kind: 'send', bytes }])
      await expect(pumpAll({ range: RANGE })).rejects.toMatchObject({ code: 'backend-corrupt' })
    },
  )
})

describe('a store in trouble', () => {
  test.each([
    [503, 'SlowDown', 'backend-throttled'],
    [429, 'TooManyRequests', 'backend-throttled'],
    [403, 'rateLimitExceeded', 'backend-throttled'],
    [503, 'backendError', 'backend-unreachable'],
    [500, 'InternalError', 'backend-unreachable'],
    [504, 'GatewayTimeout', 'backend-timeout'],
    [401, 'authError', 'backend-denied'],
    [403, 'AccessDenied', 'backend-denied'],
    [404, 'NoSuchBucket', 'bucket-not-found'],
    [400, 'invalid', 'backend-refused'],
    [302, 'Found', 'backend-refused'],
    [508, 'BackendIsSelf', 'backend-is-self'],
  ])('says %i %s: both APIs come to %s', async (status, code, wanted) => {
    await open((request) =>
      request.target.includes('/storage/v1/') ? jsonError(status, code) : errorAnswer(status, code),
    )
    await expect(backend.read({ key: 'k', signal })).rejects.toMatchObject({ code: wanted })
    const list = backend.list({ prefix: '', pageMax: 1, signal })
    await expect(list).rejects.toMatchObject({ code: wanted })
    await expect(write(10)).rejects.toMatchObject({ code: wanted })
  })

  test.each([
    ['notFound', 'The specified bucket does not exist.', 'bucket-not-found'],
    ['invalid', 'Provided MD5 hash "x" doesn\'t match calculated MD5 hash "y".', 'digest-mismatch'],
    ['required', 'Bucket is a requester pays bucket but no user project', 'backend-refused'],
  ])('says %s and means it by the sentence "%s": %s', async (reason, message, wanted) => {
    await open(() => jsonError(reason === 'notFound' ? 404 : 400, reason, message))
    await expect(write(10)).rejects.toMatchObject({ code: wanted })
  })

  test('is in trouble for two requests: a retried read gets its answer', async () => {
    await open(
      inTurn(
        () => errorAnswer(503, 'SlowDown'),
        () => [{ kind: 'reset' }],
        () => answer({ status: 200, headers: HEADERS, body: BYTES }),
      ),
    )
    const waits = { baseMs: 1, waitMaxMs: 5, clock: systemClock, random: () => 0.5 }
    backend = withRetry(backend, { ...RETRY_DEFAULTS, ...waits })
    expect(await pumpAll()).toEqual(BYTES)
    expect(origin.requests.length).toBe(3)
  })

  test('hangs: a deadline per progress ends reads, lists and lookups with their connection', async () => {
    await open(() => [{ kind: 'hang' }])
    backend = withProgressTimeout(backend, { answerMs: 50, chunkMs: 50, clock: systemClock })
    for (const ask of [
      () => backend.read({ key: 'k', signal }),
      () => backend.head({ key: 'k', signal }),
      () => backend.list({ prefix: '', pageMax: 1, signal }),
      () => backend.headBucket({ signal }),
    ]) {
      await expect(ask()).rejects.toMatchObject({ code: 'backend-timeout' })
    }
    await expect.poll(() => origin.connectionCount).toBe(0)
  })

  test('applies a write and drops the answer: nobody knows what it did', async () => {
    await open(() => [{ kind: 'reset' }])
    const error = await write(10).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'backend-unreachable' })
    expect(isUndecided(error)).toBe(true)
    expect(origin.requests.length).toBe(1)
  })

  test('cannot be reached at all: a write was certainly not applied', async () => {
    await open(() => [])
    await origin.close()
    const error = await write(10).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'backend-unreachable' })
    expect(isUndecided(error)).toBe(false)
  })
})

test('a stated CRC32C that the bytes do not have ends the request before its end', async () => {
  await open(() => json(200, resource()))
  const hex = crc32c(Buffer.from('other')).toString(16).padStart(8, '0')
  const checksums = [{ algorithm: 'crc32c', kind: 'whole', hex }] as const
  await expect(write(10, { checksums })).rejects.toMatchObject({ code: 'digest-mismatch' })
  expect(origin.requests).toEqual([])
})
