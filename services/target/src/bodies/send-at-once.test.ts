import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import { connect, type Socket } from 'node:net'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { detectSendfile } from '../os/detect-sendfile.ts'
import { BODY_ROOM_BYTES } from '../os/send.ts'
import { SLICE_BYTES, SMALL_BODY_DIRECT_BYTES_MAX } from './send-limits.ts'
import { createFileBody, type FileBodyOptions } from './send-range.ts'
import { countedLease, Files, patterned, readAnswers, until } from './testing/body-server.ts'

const SMALL = patterned(SMALL_BODY_DIRECT_BYTES_MAX)

let files: Files
let server: Server
let answer: (response: ServerResponse) => void

beforeAll(async () => {
  expect(await detectSendfile()).toBe(true)
  // What is small must fit into the room for it.
  expect(SMALL_BODY_DIRECT_BYTES_MAX).toBeLessThanOrEqual(BODY_ROOM_BYTES)
})
beforeEach(async () => {
  files = new Files()
  server = createServer((_, response) => answer(response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterEach(async () => {
  server.closeAllConnections()
  server.close()
  await once(server, 'close')
  files.close()
})

/** A connection on which these bytes were sent. */
async function dial(text: string): Promise<Socket> {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('not listening')
  const socket = connect(address.port, '127.0.0.1').pause()
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  socket.write(text)
  return socket
}

const GET = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'

function bodyOf(fd: number, change: Partial<FileBodyOptions> = {}) {
  const lease = countedLease(fd)
  return { lease, body: createFileBody({ lease, offset: 0, lengthBytes: SMALL.length, ...change }) }
}

/** Answers with the body at once, and tells whether that was possible. */
function sendAtOnce(response: ServerResponse, { body }: ReturnType<typeof bodyOf>): boolean {
  const headers = { 'content-length': body.lengthBytes, 'x-latin': '\u00e9' }
  return body.sendAtOnce?.(response, () => response.writeHead(200, headers)) ?? false
}

describe('a small body', () => {
  test('leaves with its head in one packet, and is closed', async () => {
    const made = bodyOf(files.with(SMALL), { offset: 5, lengthBytes: 1000 })
    answer = (response) => expect(sendAtOnce(response, made)).toBe(true)
    const client = await dial(GET)
    client.resume()
    const [first]: Buffer[] = await once(client, 'data')
    expect(first?.subarray(-1000).equals(SMALL.subarray(5, 1005))).toBe(true)
    expect(first?.toString('latin1')).toMatch(/^HTTP\/1\.1 200 OK\r\n(.+\r\n)*x-latin: \u00e9\r\n/)
    expect(made.lease.releasedCount).toBe(1)
    expect(() => made.body.take()).toThrow(/once/)
  })

  test('finishes its response, and leaves the connection to the next', async () => {
    const fd = files.with(SMALL)
    let connection: Socket | undefined
    let finished = 0
    answer = (response) => {
      response.once('finish', () => {
        finished += 1
        if (finished === 1) connection?.write(GET)
      })
      expect(sendAtOnce(response, bodyOf(fd))).toBe(true)
      expect(response.headersSent).toBe(true)
    }
    connection = await dial('')
    connection.write(GET)
    const bodies = await readAnswers(connection, 2)
    expect(bodies.map((body) => body.equals(SMALL))).toEqual([true, true])
    expect(finished).toBe(2)
  })

  test('ends the connection where the client asked for that', async () => {
    answer = (response) => expect(sendAtOnce(response, bodyOf(files.with(SMALL)))).toBe(true)
    const client = await dial('GET / HTTP/1.0\r\n\r\n')
    const chunks: Buffer[] = []
    for await (const chunk of client) chunks.push(chunk)
    expect(Buffer.concat(chunks).subarray(-SMALL.length).equals(SMALL)).toBe(true)
  })

  test('goes on in order when the socket has no room for all of it', async () => {
    const bytes = patterned(64 * 1024 ** 2)
    const fd = files.with(bytes)
    let connection: Socket | undefined
    let count = 0
    let full = false
    answer = (response) => {
      const made = bodyOf(fd, { offset: count })
      count += 1
      expect(sendAtOnce(response, made)).toBe(true)
      // A part of it waits for the client, in Node.
      full = (response.socket?.writableLength ?? 0) > 0
      if (!full) response.once('finish', () => connection?.write(GET))
    }
    connection = await dial('')
    connection.write(GET)
    await until(() => full)
    const bodies = await readAnswers(connection, count)
    for (const [at, body] of bodies.entries()) {
      expect(body.equals(bytes.subarray(at, at + SMALL.length))).toBe(true)
    }
    expect(bodies).toHaveLength(count)
  })

  test('behind an unfinished answer of the same connection is left to Node', async () => {
    const fd = files.with(SMALL)
    const sent: boolean[] = []
    answer = (response) => {
      const made = bodyOf(fd)
      sent.push(sendAtOnce(response, made))
      if (sent.at(-1) === true) return
      response.writeHead(200, { 'content-length': SMALL.length })
      void made.body.sendTo(response)
    }
    const bodies = await readAnswers(await dial(GET.repeat(3)), 3)
    expect(bodies.map((body) => body.equals(SMALL))).toEqual([true, true, true])
    expect(sent).toEqual([true, false, false])
  })

  test('that cannot be read fails before its head, and is closed', async () => {
    const short = bodyOf(files.with(SMALL.subarray(1)), { recentlyUsed: true })
    const unreadable = bodyOf(files.with(SMALL, 'a'))
    const codes: unknown[] = []
    answer = (response) => {
      for (const made of [short, unreadable]) {
        try {
          sendAtOnce(response, made)
        } catch (error) {
          codes.push(error)
        }
        expect(response.headersSent).toBe(false)
      }
      response.end('refused')
    }
    const client = await dial(GET)
    await readAnswers(client, 1)
    expect(codes).toMatchObject([{ code: 'object-corrupt' }, { code: 'disk-error' }])
    expect([short.lease.releasedCount, unreadable.lease.releasedCount]).toEqual([1, 1])
  })

  test('whose head cannot be written is closed unsent', async () => {
    const made = bodyOf(files.with(SMALL))
    answer = (response) => {
      const bad = (): never => {
        throw new Error('a head like this')
      }
      expect(() => made.body.sendAtOnce?.(response, bad)).toThrow('a head like this')
      response.end('refused')
    }
    expect((await readAnswers(await dial(GET), 1))[0]?.toString()).toBe('refused')
    expect(made.lease.releasedCount).toBe(1)
  })
})

test('what is large, cold, empty, waits, or must not go past Node is left alone', async () => {
  const refused: Record<string, boolean> = {}
  const fd = files.with(patterned(SMALL.length + 1))
  answer = (response) => {
    const over = { lengthBytes: SMALL.length + 1 }
    const cases = {
      large: bodyOf(fd, over),
      cold: bodyOf(files.cold(SMALL.length)),
      empty: bodyOf(fd, { lengthBytes: 0 }),
      off: bodyOf(fd, { sendfile: 'off' }),
    }
    for (const [name, made] of Object.entries(cases)) {
      refused[name] = !sendAtOnce(response, made) && made.lease.releasedCount === 0
      made.body.close()
    }
    response.socket?.cork()
    response.socket?.write('')
    response.writeContinue()
    const behind = bodyOf(fd)
    refused['behind'] = !sendAtOnce(response, behind)
    response.socket?.uncork()
    response.end('seen')
  }
  const client = await dial(GET)
  client.resume()
  await once(client, 'data')
  expect(refused).toEqual({ large: true, cold: true, empty: true, off: true, behind: true })
})

test('HEAD gets no body', async () => {
  const made = bodyOf(files.with(SMALL))
  answer = (response) => {
    expect(sendAtOnce(response, made)).toBe(false)
    made.body.close()
    response.end()
  }
  const client = await dial('HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
  const chunks: Buffer[] = []
  for await (const chunk of client) chunks.push(chunk)
  expect(Buffer.concat(chunks).toString()).toMatch(/\r\n\r\n$/)
})

test('a larger body begins behind its head, also where it is longer than a slice', async () => {
  const bytes = patterned(2 * SLICE_BYTES + 17)
  const fd = files.with(bytes)
  for (const lengthBytes of [SMALL.length + 1, SLICE_BYTES, SLICE_BYTES + 1, bytes.length]) {
    const { body, lease } = bodyOf(fd, { lengthBytes })
    answer = (response) => {
      response.writeHead(200, { 'content-length': lengthBytes })
      void body.sendTo(response)
      // Sent already: nothing was waited for.
      if (lengthBytes === SMALL.length + 1) expect(response.writableEnded).toBe(true)
    }
    const client = await dial(GET)
    const [received] = await readAnswers(client, 1)
    expect(received?.equals(bytes.subarray(0, lengthBytes))).toBe(true)
    await until(() => lease.releasedCount > 0)
    expect(lease.releasedCount).toBe(1)
  }
})

test('a larger body with chunked framing goes the ordinary way', async () => {
  const bytes = patterned(100_000)
  const { body } = bodyOf(files.with(bytes), { lengthBytes: bytes.length })
  answer = (response) => {
    response.writeHead(200)
    void body.sendTo(response)
  }
  const client = await dial(GET.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'))
  const chunks: Buffer[] = []
  for await (const chunk of client) chunks.push(chunk)
  const text = Buffer.concat(chunks).toString('latin1')
  expect(text).toContain('Transfer-Encoding: chunked')
  expect(text.endsWith('\r\n0\r\n\r\n')).toBe(true)
})
