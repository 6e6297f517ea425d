import { createServer, type IncomingMessage, type Server } from 'node:http'
import { connect, type Socket } from 'node:net'
import { systemClock } from '@forebay/base/clock'
import { Failure, type FailureCode, isFailure } from '@forebay/base/failure'
import type { StatedDigests } from '@forebay/s3/checksum-headers'
import { ChunkedDecoder } from '@forebay/s3/chunked/decoder'
import { encodeChunked } from '@forebay/s3/chunked/encoder'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type S3BodyOptions, S3IncomingBody } from './incoming-body.ts'

const NOTHING: StatedDigests = { checksum: undefined, contentMd5Hex: undefined, trailer: undefined }
const failsAs = (code: FailureCode) => expect.toSatisfy((error) => isFailure(error, code))
const never = new AbortController().signal

let server: Server
let client: Socket
let begun = 0

beforeEach(async () => {
  begun = 0
  server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})

afterEach(async () => {
  client.destroy()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

/** A request whose head has arrived; `client` sends the rest. */
function arrive(lengthBytes: number, more: Partial<S3BodyOptions> = {}) {
  return new Promise<{ readonly body: S3IncomingBody; readonly message: IncomingMessage }>(
    (resolve) => {
      server.once('request', (message) => {
        const body = new S3IncomingBody(message, {
          lengthBytes,
          stated: NOTHING,
          payloadSha256Hex: undefined,
          decoder: undefined,
          stallTimeoutMs: 5000,
          onStart: () => {
            begun += 1
          },
          ...more,
        })
        resolve({ body, message })
      })
      const address = server.address()
      if (address === null || typeof address === 'string') throw new Error('not listening')
      client = connect(address.port, '127.0.0.1')
      client.on('error', () => client.destroy())
      client.write(`PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: ${lengthBytes}\r\n\r\n`)
    },
  )
}

describe('pump', () => {
  test('nothing is asked of the client before the first byte is wanted', async () => {
    const { body } = await arrive(5)
    expect(begun).toBe(0)
    const pumping = body.pump(() => undefined, never)
    expect(begun).toBe(1)
    client.write('hello')
    await pumping
    expect(body.receivedBytes).toBe(5)
  })

  test('while the consumer is busy no chunk comes, and the order is kept', async () => {
    const { body } = await arrive(300_000)
    client.write(Buffer.alloc(300_000, 'abc'))
    let active = 0
    const chunks: Buffer[] = []
    await body.pump(async (chunk) => {
      expect(++active).toBe(1)
      await systemClock.sleep(2)
      chunks.push(chunk)
      active--
    }, never)
    expect(Buffer.concat(chunks).equals(Buffer.alloc(300_000, 'abc'))).toBe(true)
  })

  test('dense chunks of one packet are handed out one after the other', async () => {
    const pieces = ['a', 'bc', 'def', 'g'].map((text) => Buffer.from(text))
    const wire = Buffer.concat([...encodeChunked(pieces, { trailers: {} })])
    const decoder = new ChunkedDecoder({
      mode: { kind: 'chunked-unsigned', trailer: true },
      declaredLength: 7,
      trailerNames: [],
      chunkBytesMin: 1,
    })
    const { body } = await arrive(wire.length, { decoder, lengthBytes: 7 })
    client.write(wire)
    const order: string[] = []
    await body.pump(async (chunk) => {
      order.push(`+${chunk}`)
      await systemClock.sleep(1)
      order.push(`-${chunk}`)
    }, never)
    expect(order).toEqual(['+a', '-a', '+bc', '-bc', '+def', '-def', '+g', '-g'])
  })

  test('a consumer that fails ends it with its own failure', async () => {
    const { body } = await arrive(5)
    client.write('hello')
    const full = new Failure('out-of-space', 'no room')
    await expect(body.pump(() => Promise.reject(full), never)).rejects.toBe(full)
    const { body: second } = await arrive(5)
    client.write('hello')
    await expect(
      second.pump(() => {
        throw full
      }, never),
    ).rejects.toBe(full)
  })

  test('a client that stops sending, or leaves, is a failure', async () => {
    const { body } = await arrive(10, { stallTimeoutMs: 50 })
    client.write('hello')
    await expect(body.pump(() => undefined, never)).rejects.toThrow(failsAs('request-timeout'))
    const { body: second } = await arrive(10)
    client.write('hello')
    const pumping = second.pump(() => undefined, never)
    client.destroy()
    await expect(pumping).rejects.toThrow(failsAs('body-incomplete'))
  })

  test('a consumer that is slow does not make the client late', async () => {
    const { body } = await arrive(5, { stallTimeoutMs: 20 })
    client.write('hello')
    await body.pump(() => systemClock.sleep(120), never)
    expect(body.receivedBytes).toBe(5)
  })

  test('the signal ends it at once', async () => {
    const { body } = await arrive(10)
    const abort = new AbortController()
    const pumping = body.pump(() => undefined, abort.signal)
    const reason = new Failure('client-gone', 'left')
    abort.abort(reason)
    await expect(pumping).rejects.toBe(reason)
    await expect(body.pump(() => undefined, abort.signal)).rejects.toBe(reason)
  })

  test('fewer bytes than declared are a failure', async () => {
    const { body } = await arrive(5, { lengthBytes: 6 })
    client.write('hello')
    await expect(body.pump(() => undefined, never)).rejects.toThrow(failsAs('body-incomplete'))
  })
})

describe('judge', () => {
  const crc = { algorithm: 'crc32', kind: 'whole', hex: '3610a686' } as const
  const digests = new Map([
    ['crc32', '3610a686'],
    ['md5', 'aa'],
    ['sha256', 'bb'],
  ] as const)

  test('it wants the digests that something was stated about, and no others', async () => {
    const stated = { checksum: crc, contentMd5Hex: 'aa', trailer: undefined }
    const { body } = await arrive(5, { stated, payloadSha256Hex: 'bb' })
    expect([...body.digestsNeeded].sort()).toEqual(['crc32', 'md5', 'sha256'])
    expect(body.judge(digests)).toEqual({ checksums: [crc] })
    const { body: plain } = await arrive(5)
    expect(plain.digestsNeeded).toEqual([])
    expect(plain.judge(new Map())).toEqual({ checksums: [] })
  })

  test.each([
    ['an MD5', { stated: { ...NOTHING, contentMd5Hex: 'ff' } }, 'digest-mismatch'],
    [
      'a checksum',
      { stated: { ...NOTHING, checksum: { ...crc, hex: '00000000' } } },
      'digest-mismatch',
    ],
    [
      'a composite',
      { stated: { ...NOTHING, checksum: { ...crc, kind: 'composite' } } },
      'digest-mismatch',
    ],
    ['a payload hash', { payloadSha256Hex: 'ff' }, 'payload-hash-mismatch'],
    [
      'a trailer that did not come',
      { stated: { ...NOTHING, trailer: 'crc32' } },
      'trailer-malformed',
    ],
  ] as const)('%s that does not hold refuses the body', async (_, options, code) => {
    const { body } = await arrive(5, options)
    expect(() => body.judge(digests)).toThrow(failsAs(code))
  })

  test('a digest that was not computed never counts as right', async () => {
    const { body } = await arrive(5, { stated: { ...NOTHING, contentMd5Hex: 'aa' } })
    expect(() => body.judge(new Map())).toThrow(failsAs('digest-mismatch'))
  })
})
