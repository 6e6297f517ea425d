import type { Backend } from '@forebay/backend-port/backend'
import { withProgressTimeout } from '@forebay/backend-port/with-progress-timeout'
import { RETRY_DEFAULTS, withRetry } from '@forebay/backend-port/with-retry'
import { systemClock } from '@forebay/base/clock'
import { choosePin } from '@forebay/model/version'
import { answer, cutAnswer, inTurn } from '@forebay/testkit/origin/answers'
import {
  type OriginScript,
  type ScriptedOrigin,
  startOrigin,
} from '@forebay/testkit/origin/scripted-origin'
import { afterEach, describe, expect, test } from 'vitest'
import { createHttpBackend } from './http-backend.ts'
import { SKIP_BYTES_MAX } from './part-of-whole.ts'
import { UNTOLD_BYTES_MAX } from './untold-length.ts'

const BYTES = Buffer.from('0123456789'.repeat(100))
const DATE = 'Sat, 21 Nov 2026 04:00:00 GMT'
const DATE_MS = Date.UTC(2026, 10, 21, 4)
const HEADERS = { etag: '"v1"', 'last-modified': DATE, date: 'Sat, 21 Nov 2026 05:00:00 GMT' }
const PIN = { kind: 'etag', etag: 'v1' } as const
const RANGE = { offset: 100, lengthBytes: 10 }
const { signal } = new AbortController()

let origin: ScriptedOrigin
let backend: Backend

async function open(script: OriginScript, path = '/dir/'): Promise<void> {
  origin = await startOrigin(script)
  const url = origin.url + path
  backend = createHttpBackend({ url, allow: 'any', nodeId: 'node-1', clock: systemClock })
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

/** A body in chunks; Content-Length is not told. */
function chunked(headers: string, parts: readonly string[], end = '0\r\n\r\n'): Buffer {
  const head = `HTTP/1.1 200 OK\r\n${headers}transfer-encoding: chunked\r\n\r\n`
  const chunks = parts.map((part) => `${part.length.toString(16)}\r\n${part}\r\n`)
  return Buffer.from(head + chunks.join('') + end)
}

test('a version by its id is none: the current one never passes for it', async () => {
  await open(() => answer({ status: 200, headers: HEADERS, body: '' }))
  const named = backend.head({ key: 'k', versionId: 'v0', signal })
  await expect(named).rejects.toMatchObject({ code: 'version-not-found' })
  expect(origin.requests).toEqual([])
})

describe('a server without the validators that pin', () => {
  test('has a weak tag and an old date: the date pins', async () => {
    await open(() => answer({ status: 200, headers: { ...HEADERS, etag: 'W/"v1"' }, body: BYTES }))
    expect(await backend.read({ key: 'k', pin: PIN, signal })).toEqual({ kind: 'changed' })
    const head = await backend.head({ key: 'k', signal })
    if (head.kind !== 'found') throw new Error(head.kind)
    const pin = choosePin(head.attributes.validators ?? {})
    expect(pin).toEqual({ kind: 'last-modified', lastModifiedMs: DATE_MS })
    expect(await pumpAll({ pin })).toEqual(BYTES)
    expect(origin.requests.at(-1)?.headers['if-unmodified-since']).toBeDefined()
  })

  test('has a date that is not over: nothing pins', async () => {
    const fresh = { 'last-modified': DATE, date: 'Sat, 21 Nov 2026 04:00:01 GMT' }
    await open(() => answer({ status: 200, headers: fresh, body: BYTES }))
    const head = await backend.head({ key: 'k', signal })
    if (head.kind !== 'found') throw new Error(head.kind)
    expect(choosePin(head.attributes.validators ?? {})).toEqual({ kind: 'none' })
  })

  test('changes the object between two ranges: the second is a change', async () => {
    const part = (date: string) =>
      answer({
        status: 206,
        headers: {
          ...HEADERS,
          etag: 'W/"v1"',
          'last-modified': date,
          'content-range': 'bytes 100-109/1000',
        },
        body: BYTES.subarray(100, 110),
      })
    await open(
      inTurn(
        () => part(DATE),
        () => part('Sat, 21 Nov 2026 04:00:01 GMT'),
      ),
    )
    const pin = { kind: 'last-modified', lastModifiedMs: DATE_MS } as const
    expect(await pumpAll({ range: RANGE, pin })).toEqual(BYTES.subarray(100, 110))
    expect(await backend.read({ key: 'k', range: RANGE, pin, signal })).toEqual({ kind: 'changed' })
  })

  test('names no version: clients see no tag, and a pinned read is a change', async () => {
    await open(() => answer({ status: 200, body: BYTES }))
    const found = await backend.read({ key: 'k', signal })
    // Not the answer's Date, which is another one each time.
    const nothing = { etag: '', lastModifiedMs: 0, metadata: {}, checksums: [] }
    expect(found).toMatchObject({ attributes: nothing })
    if (found.kind === 'found') found.body.discard()
    expect(await backend.read({ key: 'k', pin: PIN, signal })).toEqual({ kind: 'changed' })
  })

  test('has a date and no tag: clients see one of date and size', async () => {
    await open(() => answer({ status: 200, headers: { 'last-modified': DATE }, body: BYTES }))
    const head = await backend.head({ key: 'k', signal })
    expect(head).toMatchObject({ attributes: { etag: `${(DATE_MS / 1000).toString(16)}-3e8` } })
  })
})

describe('a server that does not do what it was asked', () => {
  test('ignores If-Match: another version is a change, not an answer', async () => {
    await open(() => answer({ status: 200, headers: { ...HEADERS, etag: '"v2"' }, body: BYTES }))
    expect(await backend.read({ key: 'k', pin: PIN, signal })).toEqual({ kind: 'changed' })
    expect(origin.requests[0]?.headers['if-match']).toBe('"v1"')
  })

  test('ignores If-None-Match: the same version is not-modified all the same', async () => {
    await open(() => answer({ status: 200, headers: HEADERS, body: BYTES }))
    expect(await backend.read({ key: 'k', unless: PIN, signal })).toEqual({ kind: 'not-modified' })
  })

  test('answers 200 to a range: the wanted bytes are taken out of the whole', async () => {
    await open(() => answer({ status: 200, headers: HEADERS, body: BYTES }))
    const found = await backend.read({ key: 'k', range: RANGE, pin: PIN, signal })
    expect(found).toMatchObject({ kind: 'found', range: RANGE, sizeBytes: 1000 })
    expect(origin.requests[0]?.headers['range']).toBe('bytes=100-109')
    if (found.kind === 'found') found.body.discard()
    for (const [offset, lengthBytes] of [
      [0, 1],
      [0, 1000],
      [999, 1],
      [990, 100],
      [1, 998],
    ] as const) {
      const wanted = BYTES.subarray(offset, offset + lengthBytes)
      expect(await pumpAll({ range: { offset, lengthBytes } })).toEqual(wanted)
    }
    const behind = backend.read({ key: 'k', range: { offset: 1000, lengthBytes: 1 }, signal })
    await expect(behind).rejects.toMatchObject({ code: 'range-not-satisfiable' })
  })

  test('sends no more of the whole than the range: the rest is cut off, not waited for', async () => {
    const head = 'HTTP/1.1 200 OK\r\netag: "v1"\r\ncontent-length: 1000\r\n\r\n'
    const start = Buffer.concat([Buffer.from(head), BYTES.subarray(0, 110)])
    await open(() => [{ kind: 'send', bytes: start }, { kind: 'hang' }])
    expect(await pumpAll({ range: RANGE })).toEqual(BYTES.subarray(100, 110))
    await expect.poll(() => origin.connectionCount).toBe(0)
  })

  test('answers 200 to a range far into a large object: that is refused', async () => {
    const size = SKIP_BYTES_MAX + 2
    const head = `HTTP/1.1 200 OK\r\netag: "v1"\r\ncontent-length: ${size}\r\n\r\n`
    await open(() => [{ kind: 'send', bytes: head }, { kind: 'hang' }])
    const at = (offset: number) =>
      backend.read({ key: 'k', range: { offset, lengthBytes: 1 }, signal })
    const near = await at(SKIP_BYTES_MAX)
    if (near.kind === 'found') near.body.discard()
    await expect(at(SKIP_BYTES_MAX + 1)).rejects.toMatchObject({ code: 'backend-refused' })
    await expect.poll(() => origin.connectionCount).toBe(0)
  })

  test.each(['bytes 99-108/1000', 'bytes 100-110/1000', 'bytes 100-109/109', 'bytes */1000', ''])(
    'answers 206 with Content-Range "%s": corrupt',
    async (range) => {
      const headers = { ...HEADERS, 'content-range': range }
      await open(() => answer({ status: 206, headers, body: BYTES.subarray(0, 10) }))
      const read = backend.read({ key: 'k', range: RANGE, signal })
      await expect(read).rejects.toMatchObject({ code: 'backend-corrupt' })
    },
  )

  test('encodes the body although nobody asked for that: it is the object, encoded', async () => {
    await open(() =>
      answer({ status: 200, headers: { ...HEADERS, 'content-encoding': 'gzip' }, body: BYTES }),
    )
    const found = await backend.read({ key: 'k', signal })
    expect(found).toMatchObject({ attributes: { headers: { contentEncoding: 'gzip' } } })
    if (found.kind === 'found') found.body.discard()
    expect(await pumpAll()).toEqual(BYTES)
    expect(origin.requests[0]?.headers['accept-encoding']).toBe('identity')
  })
})

describe('ranges are a capability', () => {
  const LARGE = { ...HEADERS, 'content-length': 1024 ** 2 }
  const part = { ...HEADERS, 'content-range': 'bytes 0-0/1048576' }

  test('of a server that announces them, until it answers the whole to one', async () => {
    await open(() =>
      answer({ status: 200, headers: { ...HEADERS, 'accept-ranges': 'bytes' }, body: BYTES }),
    )
    expect(backend.capabilities.rangedRead).toBe(false)
    await pumpAll()
    expect(backend.capabilities.rangedRead).toBe(true)
    await pumpAll({ range: { offset: 0, lengthBytes: 1000 } })
    expect(backend.capabilities.rangedRead).toBe(true)
    await pumpAll({ range: RANGE })
    expect(backend.capabilities.rangedRead).toBe(false)
    await pumpAll()
    expect(backend.capabilities.rangedRead).toBe(false)
  })

  test('of a server that answers one without an announcement', async () => {
    const headers = { ...HEADERS, 'content-range': 'bytes 100-109/1000' }
    await open(() => answer({ status: 206, headers, body: BYTES.subarray(100, 110) }))
    await pumpAll({ range: RANGE })
    expect(backend.capabilities.rangedRead).toBe(true)
  })

  test.each([
    [206, true],
    [200, false],
  ])('that the first HEAD of a large object asks for, once: %i', async (status, rangedRead) => {
    await open(({ method }) => {
      if (method === 'HEAD') return answer({ status: 200, headers: LARGE })
      return answer({ status, headers: status === 206 ? part : HEADERS, body: 'x' })
    })
    const head = await backend.head({ key: 'k', signal })
    expect(head).toMatchObject({ attributes: { sizeBytes: 1024 ** 2 } })
    expect(backend.capabilities.rangedRead).toBe(rangedRead)
    await backend.head({ key: 'k', signal })
    expect(origin.requests.map(({ method }) => method)).toEqual(['HEAD', 'GET', 'HEAD'])
  })

  test('of no server that says so', async () => {
    const headers = { ...LARGE, 'accept-ranges': 'none' }
    await open(() => answer({ status: 200, headers }))
    await backend.head({ key: 'k', signal })
    expect(backend.capabilities.rangedRead).toBe(false)
    expect(origin.requests.length).toBe(1)
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

  test('ends when its connection does, and with it nobody knows whether it is whole: refused', async () => {
    const bytes = 'HTTP/1.1 200 OK\r\netag: "v1"\r\n\r\n0123456789'
    await open(() => [{ kind: 'send', bytes }, { kind: 'close' }])
    await expect(pumpAll()).rejects.toMatchObject({ code: 'backend-refused' })
    const head = backend.head({ key: 'k', signal })
    await expect(head).rejects.toMatchObject({ code: 'backend-refused' })
  })
})

describe('a server that does not say how long the object is', () => {
  test('sends it in chunks: the length is known when all of them are there', async () => {
    await open(() => [{ kind: 'send', bytes: chunked('etag: "v1"\r\n', ['01234', '56789']) }])
    const found = await backend.read({ key: 'k', signal })
    expect(found).toMatchObject({
      sizeBytes: 10,
      range: { offset: 0, lengthBytes: 10 },
      attributes: { sizeBytes: 10, etag: 'v1' },
      body: { lengthBytes: 10 },
    })
    expect(await pumpAll()).toEqual(Buffer.from('0123456789'))
    expect(await pumpAll({ pin: PIN, pinnedSizeBytes: 10 })).toEqual(Buffer.from('0123456789'))
    const other = await backend.read({ key: 'k', pin: PIN, pinnedSizeBytes: 11, signal })
    expect(other).toEqual({ kind: 'changed' })
  })

  test('is asked by a HEAD: the bytes are counted', async () => {
    await open(({ method }) => {
      if (method === 'HEAD') return [{ kind: 'send', bytes: 'HTTP/1.1 200 OK\r\n\r\n' }]
      return [{ kind: 'send', bytes: chunked('etag: "v1"\r\n', ['01234', '56789']) }]
    })
    const head = await backend.head({ key: 'k', signal })
    expect(head).toMatchObject({ attributes: { sizeBytes: 10, etag: 'v1' } })
  })

  test('breaks off before the last chunk: no object', async () => {
    const bytes = chunked('etag: "v1"\r\n', ['01234'], '')
    await open(() => [{ kind: 'send', bytes }, { kind: 'wait', ms: 20 }, { kind: 'close' }])
    const read = backend.read({ key: 'k', signal })
    await expect(read).rejects.toMatchObject({ code: 'backend-unreachable' })
  })

  test('sends as much as is taken in at most, and one byte more is refused', async () => {
    let size = UNTOLD_BYTES_MAX
    await open(() => [{ kind: 'send', bytes: chunked('', ['x'.repeat(size)]) }])
    expect((await pumpAll()).length).toBe(UNTOLD_BYTES_MAX)
    expect(await backend.head({ key: 'k', signal })).toMatchObject({ kind: 'found' })
    size += 1
    await expect(pumpAll()).rejects.toMatchObject({ code: 'backend-refused' })
    const head = backend.head({ key: 'k', signal })
    await expect(head).rejects.toMatchObject({ code: 'backend-refused' })
    await expect.poll(() => origin.connectionCount).toBe(0)
  })
})

describe('a server that knows no HEAD', () => {
  test.each([405, 501])('answers %i: the first byte tells the size', async (status) => {
    await open(({ method, headers }) => {
      if (method === 'HEAD') return answer({ status })
      expect(headers['range']).toBe('bytes=0-0')
      const part = { ...HEADERS, 'content-range': 'bytes 0-0/1000' }
      return answer({ status: 206, headers: part, body: BYTES.subarray(0, 1) })
    })
    const head = await backend.head({ key: 'k', signal })
    expect(head).toMatchObject({ kind: 'found', attributes: { sizeBytes: 1000, etag: 'v1' } })
  })

  test('and no ranges: the head of the whole tells the size, and its body is cut off', async () => {
    await open(({ method }) =>
      method === 'HEAD'
        ? answer({ status: 405 })
        : answer({ status: 200, headers: HEADERS, body: BYTES }),
    )
    const head = await backend.head({ key: 'k', signal })
    expect(head).toMatchObject({ attributes: { sizeBytes: 1000 } })
  })

  test('has an empty object: a range of it is refused, the whole is not', async () => {
    await open(({ method, headers }) => {
      if (method === 'HEAD') return answer({ status: 405 })
      return answer({ status: headers['range'] === undefined ? 200 : 416, headers: HEADERS })
    })
    expect(await backend.head({ key: 'k', signal })).toMatchObject({ attributes: { sizeBytes: 0 } })
  })

  test('has no such object: absent', async () => {
    await open(({ method }) => answer({ status: method === 'HEAD' ? 405 : 404 }))
    expect(await backend.head({ key: 'k', signal })).toEqual({ kind: 'absent' })
  })

  test('takes a signed link for GET alone: 403 to HEAD is not the last word', async () => {
    const script: OriginScript = ({ method, target }) => {
      expect(target).toBe('/dir/file?signature=1')
      if (method === 'HEAD') return answer({ status: 403 })
      const part = { ...HEADERS, 'content-range': 'bytes 0-0/1000' }
      return answer({ status: 206, headers: part, body: 'x' })
    }
    await open(script, '/dir/file?signature=1')
    const head = await backend.head({ key: 'file', signal })
    expect(head).toMatchObject({ attributes: { sizeBytes: 1000 } })
    expect(backend.name).not.toContain('signature')
  })
})

describe('HEAD requests one after the other', () => {
  test('share a connection', async () => {
    await open(() => answer({ status: 200, headers: { ...HEADERS, 'content-length': 5 } }))
    const connections = new Set<number>()
    for (let count = 0; count < 10; count++) {
      await backend.head({ key: 'k', signal })
      connections.add(origin.connectionCount)
    }
    // The pool may open a second one while it has not seen the end of an answer.
    expect(Math.max(...connections)).toBeLessThanOrEqual(2)
  })

  test('to a server that sends the body all the same are answered, and reads after them', async () => {
    await open(() => answer({ status: 200, headers: HEADERS, body: BYTES }))
    backend = withRetry(backend, {
      ...RETRY_DEFAULTS,
      budgetMax: 100,
      clock: systemClock,
      random: () => 0,
    })
    for (let count = 0; count < 10; count++) {
      const head = await backend.head({ key: 'k', signal })
      expect(head).toMatchObject({ attributes: { sizeBytes: 1000, etag: 'v1' } })
      expect(await pumpAll()).toEqual(BYTES)
    }
  })
})

describe('a server in trouble', () => {
  test.each([
    [400, 'backend-refused'],
    [401, 'backend-denied'],
    [403, 'backend-denied'],
    [407, 'backend-denied'],
    [408, 'backend-timeout'],
    [409, 'backend-refused'],
    [418, 'backend-refused'],
    [429, 'backend-throttled'],
    [500, 'backend-unreachable'],
    [503, 'backend-unreachable'],
    [504, 'backend-timeout'],
    [508, 'backend-is-self'],
    [302, 'backend-refused'],
    [204, 'backend-refused'],
  ])('says %i: reads, heads and lists come to %s', async (status, code) => {
    await open(() => answer({ status, headers: status === 204 ? {} : { 'content-length': 0 } }))
    await expect(backend.read({ key: 'k', signal })).rejects.toMatchObject({ code })
    await expect(backend.head({ key: 'k', signal })).rejects.toMatchObject({ code })
    const list = backend.list({ prefix: '', pageMax: 1, signal })
    await expect(list).rejects.toMatchObject({ code })
  })

  test('asks for time: it is throttling', async () => {
    await open(() => answer({ status: 503, headers: { 'retry-after': 7 } }))
    const read = backend.read({ key: 'k', signal })
    await expect(read).rejects.toMatchObject({ code: 'backend-throttled', retryAfterSeconds: 7 })
  })

  test.each([404, 410])('says %i: the object is absent', async (status) => {
    await open(() => answer({ status }))
    expect(await backend.read({ key: 'k', signal })).toEqual({ kind: 'absent' })
    expect(await backend.head({ key: 'k', signal })).toEqual({ kind: 'absent' })
    expect(await backend.headBucket({ signal })).toBeUndefined()
  })

  test('hangs: a deadline per progress ends the read and its connection', async () => {
    await open(() => [{ kind: 'hang' }])
    backend = withProgressTimeout(backend, { answerMs: 50, chunkMs: 50, clock: systemClock })
    const read = backend.read({ key: 'k', signal })
    await expect(read).rejects.toMatchObject({ code: 'backend-timeout' })
    await expect.poll(() => origin.connectionCount).toBe(0)
  })
})

test('nothing is written, and every request carries the node and no encoding', async () => {
  await open(() => answer({ status: 404 }))
  expect(backend.mutations).toBeUndefined()
  expect(backend.capabilities.write).toBe(false)
  await backend.read({ key: 'k', signal })
  await backend.head({ key: 'k', signal })
  await backend.headBucket({ signal })
  expect(origin.requests.length).toBe(3)
  for (const { headers } of origin.requests) {
    expect(headers['forebay-via']).toBe('node-1')
    expect(headers['accept-encoding']).toBe('identity')
  }
})
