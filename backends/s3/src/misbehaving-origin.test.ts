import type { Backend } from '@forebay/backend-port/backend'
import { isUndecided } from '@forebay/backend-port/undecided'
import { withProgressTimeout } from '@forebay/backend-port/with-progress-timeout'
import { withRetry } from '@forebay/backend-port/with-retry'
import { systemClock } from '@forebay/base/clock'
import { answer, cutAnswer, errorAnswer, inTurn } from '@forebay/testkit/origin/answers'
import {
  type OriginScript,
  type ScriptedOrigin,
  startOrigin,
} from '@forebay/testkit/origin/scripted-origin'
import { afterEach, describe, expect, test } from 'vitest'
import { createS3Backend } from './s3-backend.ts'

const BYTES = Buffer.from('0123456789'.repeat(100))
const HEADERS = { etag: '"v1"', 'last-modified': 'Sat, 21 Nov 2026 04:00:00 GMT' }
const PIN = { kind: 'etag', etag: 'v1' } as const
const RANGE = { offset: 100, lengthBytes: 10 }
const { signal } = new AbortController()

let origin: ScriptedOrigin
let backend: Backend

async function open(script: OriginScript): Promise<void> {
  origin = await startOrigin(script)
  backend = createS3Backend({
    bucket: 'b',
    endpoint: origin.url,
    region: 'us-east-1',
    nodeId: 'node-1',
    clock: systemClock,
    credentials: { accessKeyId: 'id', secretAccessKey: 'secret' },
  })
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

function write(lengthBytes: number): ReturnType<NonNullable<Backend['mutations']>['write']> {
  const options = { key: 'k', headers: {}, metadata: {}, conditions: {}, checksums: [], signal }
  const body = {
    lengthBytes,
    repeatable: true,
    async *chunks() {
      yield Buffer.alloc(lengthBytes, 7)
    },
  }
  if (backend.mutations === undefined) throw new Error('no mutations')
  return backend.mutations.write(options, body)
}

describe('a store that does not do what it was asked', () => {
  test('ignores If-Match: another version is a change, not an answer', async () => {
    await open(() => answer({ status: 200, headers: { ...HEADERS, etag: '"v2"' }, body: BYTES }))
    expect(await backend.read({ key: 'k', pin: PIN, signal })).toEqual({ kind: 'changed' })
    expect(origin.requests[0]?.headers['if-match']).toBe('"v1"')
  })

  test('answers a weak tag: it pins nothing', async () => {
    await open(() => answer({ status: 200, headers: { ...HEADERS, etag: 'W/"v1"' }, body: BYTES }))
    expect(await backend.read({ key: 'k', pin: PIN, signal })).toEqual({ kind: 'changed' })
    const found = await backend.read({ key: 'k', signal })
    expect(found).toMatchObject({ attributes: { validators: { etag: 'v1', etagWeak: true } } })
  })

  test('names no version: a pinned read is a change, a plain one has no tag', async () => {
    await open(() => answer({ status: 200, body: BYTES }))
    expect(await backend.read({ key: 'k', pin: PIN, signal })).toEqual({ kind: 'changed' })
    const found = await backend.read({ key: 'k', signal })
    expect(found).toMatchObject({ attributes: { etag: '', checksums: [] } })
  })

  test('answers 200 to a range: the whole object is reported as such', async () => {
    await open(() => answer({ status: 200, headers: HEADERS, body: BYTES }))
    const found = await backend.read({ key: 'k', range: RANGE, pin: PIN, signal })
    expect(found).toMatchObject({ kind: 'found', range: { offset: 0, lengthBytes: 1000 } })
  })

  test.each(['', 'transfer-encoding: chunked\r\n'])(
    'does not say in a HEAD ("%s") how long the object is: that is no object of 0 bytes',
    async (more) => {
      const bytes = Buffer.from(`HTTP/1.1 200 OK\r\netag: "v1"\r\n${more}\r\n`)
      await open(() => [{ kind: 'send', bytes }])
      const head = backend.head({ key: 'k', signal })
      await expect(head).rejects.toMatchObject({ code: 'backend-corrupt' })
    },
  )

  test('ignores If-None-Match: the same version is not-modified all the same', async () => {
    await open(() => answer({ status: 200, headers: HEADERS, body: BYTES }))
    const again = await backend.read({ key: 'k', unless: PIN, signal })
    expect(again).toEqual({ kind: 'not-modified' })
  })

  test.each([
    'bytes 99-108/1000',
    'bytes 100-110/1000',
    'bytes 100-109/109',
    'bytes 109-100/1000',
    'bytes */1000',
    'items 100-109/1000',
    '',
  ])('answers 206 with Content-Range "%s": corrupt', async (range) => {
    const headers = { ...HEADERS, 'content-range': range }
    await open(() => answer({ status: 206, headers, body: BYTES.subarray(0, 10) }))
    const read = backend.read({ key: 'k', range: RANGE, signal })
    await expect(read).rejects.toMatchObject({ code: 'backend-corrupt' })
  })

  test('answers 206 of an object of another size: a change', async () => {
    const headers = { ...HEADERS, 'content-range': 'bytes 100-109/2000' }
    await open(() => answer({ status: 206, headers, body: BYTES.subarray(100, 110) }))
    const options = { key: 'k', range: RANGE, pin: PIN, signal }
    const other = await backend.read({ ...options, pinnedSizeBytes: 1000 })
    expect(other).toEqual({ kind: 'changed' })
    const same = await backend.read({ ...options, pinnedSizeBytes: 2000 })
    expect(same.kind).toBe('found')
  })

  test('changes the object between two ranges: the second is a change', async () => {
    const part = (etag: string) =>
      answer({
        status: 206,
        headers: { ...HEADERS, etag, 'content-range': 'bytes 100-109/1000' },
        body: BYTES.subarray(100, 110),
      })
    await open(
      inTurn(
        () => part('"v1"'),
        () => part('"v2"'),
      ),
    )
    expect(await pumpAll({ range: RANGE, pin: PIN })).toEqual(BYTES.subarray(100, 110))
    const second = await backend.read({ key: 'k', range: RANGE, pin: PIN, signal })
    expect(second).toEqual({ kind: 'changed' })
  })
})

describe('a body that is not as long as it was said to be', () => {
  test.each([0, 1, 999])('is cut after %i bytes: the pump fails', async (bytes) => {
    await open(() => cutAnswer({ status: 200, headers: HEADERS, body: BYTES }, bytes))
    await expect(pumpAll()).rejects.toMatchObject({ code: 'backend-unreachable' })
  })

  test('has fewer bytes in chunks than its Content-Range: corrupt', async () => {
    const headers = 'etag: "v1"\r\ncontent-range: bytes 100-109/1000\r\ntransfer-encoding: chunked'
    const bytes = `HTTP/1.1 206 Partial\r\n${headers}\r\n\r\n5\r\n01234\r\n0\r\n\r\n`
    await open(() => [{ kind: 'send', bytes }])
    await expect(pumpAll({ range: RANGE })).rejects.toMatchObject({ code: 'backend-corrupt' })
  })

  test('has more bytes in chunks than its Content-Range: corrupt', async () => {
    const headers = 'etag: "v1"\r\ncontent-range: bytes 100-109/1000\r\ntransfer-encoding: chunked'
    const bytes = `HTTP/1.1 206 Partial\r\n${headers}\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n`
    await open(() => [{ kind: 'send', bytes }])
    await expect(pumpAll({ range: RANGE })).rejects.toMatchObject({ code: 'backend-corrupt' })
  })

  test('has more bytes than its Content-Length: only the announced ones are the object', async () => {
    const headers = { ...HEADERS, 'content-length': 900 }
    await open(() => answer({ status: 200, headers, body: BYTES }))
    expect(await pumpAll()).toEqual(BYTES.subarray(0, 900))
    // What follows is no answer to anything: the connection is not used again.
    expect(await pumpAll()).toEqual(BYTES.subarray(0, 900))
  })
})

describe('a store in trouble', () => {
  test.each([
    [503, 'SlowDown', 'backend-throttled'],
    [429, 'TooManyRequests', 'backend-throttled'],
    [503, 'ServiceUnavailable', 'backend-unreachable'],
    [500, 'InternalError', 'backend-unreachable'],
    [504, 'GatewayTimeout', 'backend-timeout'],
    [403, 'AccessDenied', 'backend-denied'],
    [403, 'InvalidObjectState', 'object-archived'],
    [404, 'NoSuchBucket', 'bucket-not-found'],
    [400, 'InvalidArgument', 'backend-refused'],
    [301, 'PermanentRedirect', 'backend-refused'],
    [508, 'BackendIsSelf', 'backend-is-self'],
  ])('says %i %s: undici and the SDK come to %s', async (status, code, wanted) => {
    await open(() => errorAnswer(status, code))
    await expect(backend.read({ key: 'k', signal })).rejects.toMatchObject({ code: wanted })
    const list = backend.list({ prefix: '', pageMax: 1, signal })
    await expect(list).rejects.toMatchObject({ code: wanted })
    await expect(write(10)).rejects.toMatchObject({ code: wanted })
  })

  test('is in trouble for two requests: a retried read gets its answer', async () => {
    const ok = () => answer({ status: 200, headers: HEADERS, body: BYTES })
    await open(
      inTurn(
        () => errorAnswer(503, 'SlowDown'),
        () => [{ kind: 'reset' }],
        ok,
      ),
    )
    backend = withRetry(backend, {
      attemptsMax: 4,
      baseMs: 1,
      waitMaxMs: 5,
      elapsedMaxMs: 10_000,
      budgetRatio: 0.1,
      budgetMax: 10,
      clock: systemClock,
      random: () => 0.5,
    })
    expect(await pumpAll()).toEqual(BYTES)
    expect(origin.requests.length).toBe(3)
  })

  test('hangs: a deadline per progress ends the read and its connection', async () => {
    await open(() => [{ kind: 'hang' }])
    backend = withProgressTimeout(backend, { answerMs: 50, chunkMs: 50, clock: systemClock })
    const read = backend.read({ key: 'k', signal })
    await expect(read).rejects.toMatchObject({ code: 'backend-timeout' })
    await expect.poll(() => origin.connectionCount).toBe(0)
  })

  test('hangs in the body: a deadline per progress ends the pump', async () => {
    const head = 'HTTP/1.1 200 OK\r\ncontent-length: 1000\r\netag: "v1"\r\n\r\n01234'
    await open(() => [{ kind: 'send', bytes: head }, { kind: 'hang' }])
    backend = withProgressTimeout(backend, { answerMs: 5000, chunkMs: 50, clock: systemClock })
    await expect(pumpAll()).rejects.toMatchObject({ code: 'backend-timeout' })
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

test('every request carries the node, on both ways, and says that nothing shall be encoded', async () => {
  await open(() => errorAnswer(404, 'NoSuchKey'))
  await backend.read({ key: 'k', signal })
  await backend.list({ prefix: '', pageMax: 1, signal }).catch(() => undefined)
  for (const { headers } of origin.requests) expect(headers['forebay-via']).toBe('node-1')
  expect(origin.requests[0]?.headers['accept-encoding']).toBe('identity')
})

test('the MD5 that a store answers is compared with the stated one', async () => {
  await open(() => answer({ status: 200, headers: { etag: `"${'0'.repeat(32)}"` } }))
  const options = { key: 'k', headers: {}, metadata: {}, conditions: {}, checksums: [], signal }
  const body = {
    lengthBytes: 1,
    repeatable: true,
    async *chunks() {
      yield Buffer.from('x')
    },
  }
  const written = backend.mutations?.write({ ...options, contentMd5Hex: '1'.repeat(32) }, body)
  await expect(written).rejects.toMatchObject({ code: 'backend-corrupt' })
})
