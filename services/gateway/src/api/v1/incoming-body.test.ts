import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { isFailure } from '@forebay/base/failure'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { V1IncomingBody } from './incoming-body.ts'

let server: ReturnType<typeof createServer>
let port: number
let receive: (raw: IncomingMessage) => void

beforeAll(async () => {
  server = createServer((raw, response) => {
    receive(raw)
    raw.once('end', () => response.end())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  // Listening on an IP address, a server's address is never a pipe name.
  port = (server.address() as AddressInfo).port
})
afterAll(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

/** Sends a request as raw text and returns it as the server sees it. */
function arrive(text: string, then: 'stay' | 'leave' = 'stay'): Promise<IncomingMessage> {
  return new Promise((resolve) => {
    receive = resolve
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => socket.destroy())
    socket.write(`PUT / HTTP/1.1\r\nHost: h\r\n${text}`)
    if (then === 'leave') socket.end()
  })
}

function bodyOf(raw: IncomingMessage, stallTimeoutMs = 5000): V1IncomingBody {
  return new V1IncomingBody(raw, { stated: undefined, signedSha256: undefined, stallTimeoutMs })
}

const CHUNKED = 'Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n'

const CUT = 'Content-Length: 11\r\n\r\nhello'

test.each([
  ['chunked', CHUNKED],
  ['by length', 'Content-Length: 11\r\n\r\nhello world'],
])(
  'a body sent %s has arrived only when every slow write is done, in order',
  async (_how, text) => {
    const body = bodyOf(await arrive(text))
    const written: string[] = []
    await body.pump(async (chunk) => {
      await sleep(20)
      written.push(chunk.toString())
    }, new AbortController().signal)
    expect(written.join('')).toBe('hello world')
  },
)

test('the length is known only where the client said so', async () => {
  expect(bodyOf(await arrive(CHUNKED)).lengthBytes).toBeUndefined()
  expect(bodyOf(await arrive('Content-Length: 0\r\n\r\n')).lengthBytes).toBe(0)
  expect(bodyOf(await arrive('\r\n')).lengthBytes).toBe(0)
})

test('an empty body ends at once', async () => {
  const body = bodyOf(await arrive('Content-Length: 0\r\n\r\n'))
  const chunks: Buffer[] = []
  await body.pump((chunk) => void chunks.push(chunk), new AbortController().signal)
  expect(chunks).toEqual([])
})

test('a body that is cut is incomplete', async () => {
  const body = bodyOf(await arrive(CUT, 'leave'))
  const error: unknown = await body
    .pump(() => undefined, new AbortController().signal)
    .catch((reason: unknown) => reason)
  expect(isFailure(error, 'body-incomplete')).toBe(true)
})

test('what a write throws, at once or later, ends the body', async () => {
  const now = bodyOf(await arrive(CHUNKED))
  const { signal } = new AbortController()
  await expect(
    now.pump(() => {
      throw new Error('disk')
    }, signal),
  ).rejects.toThrow('disk')
  const later = bodyOf(await arrive(CHUNKED))
  await expect(later.pump(() => Promise.reject(new Error('full')), signal)).rejects.toThrow('full')
})

test('an abort ends the wait for a body with its reason', async () => {
  const abort = new AbortController()
  const raw = await arrive(CUT)
  const pumping = bodyOf(raw).pump(() => abort.abort(new Error('gone')), abort.signal)
  await expect(pumping).rejects.toThrow('gone')
})

test('a client that sends nothing for too long is given up', async () => {
  const raw = await arrive(CUT)
  const error: unknown = await bodyOf(raw, 50)
    .pump(() => undefined, new AbortController().signal)
    .catch((reason: unknown) => reason)
  expect(isFailure(error, 'request-timeout')).toBe(true)
})

test('every digest that a check needs is asked for once, and the checks compare them', () => {
  const raw = { headers: {} } as IncomingMessage
  const sha256 = 'a'.repeat(64)
  const stated = { algorithm: 'sha256', kind: 'whole', hex: sha256 } as const
  const body = new V1IncomingBody(raw, { stated, signedSha256: sha256, stallTimeoutMs: 1 })
  expect(body.digestsNeeded).toEqual(['xxh64', 'sha256'])
  const digests = (hex: string) =>
    new Map([
      ['xxh64', '0'.repeat(16)],
      ['sha256', hex],
    ] as const)
  expect(body.judge(digests(sha256)).checksums).toEqual([
    stated,
    { algorithm: 'xxh64', kind: 'whole', hex: '0'.repeat(16) },
  ])
  expect(() => body.judge(digests('b'.repeat(64)))).toThrow('not the one that was signed')
})
