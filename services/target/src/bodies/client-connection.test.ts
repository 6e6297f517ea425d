import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { connect, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ClientConnection } from './client-connection.ts'

const MIB = 1024 ** 2

let response: ServerResponse
let client: Socket
let close: () => Promise<void>

/** One request that was asked, and whose answer is up to the test. */
beforeEach(async () => {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('not listening')
  client = connect(address.port, '127.0.0.1').pause()
  client.on('error', () => undefined)
  client.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  const [, arrived] = await once(server, 'request')
  response = arrived
  close = async () => {
    client.destroy()
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  }
})
afterEach(() => close())

test('progress inside one long write counts: a slow reader who keeps reading stays', async () => {
  const limits = { stallTimeoutMs: 400, stallBytesMin: 1 }
  const connection = new ClientConnection(response, limits)
  response.writeHead(200, { 'content-length': 16 * MIB })
  connection.write(Buffer.alloc(16 * MIB))
  const startedMs = performance.now()
  const timer = setInterval(() => {
    client.read(Math.min(64 * 1024, client.readableLength))
  }, 20)
  await connection.room(0)
  clearInterval(timer)
  // Otherwise no progress was ever asked for, and the test shows nothing.
  expect(performance.now() - startedMs).toBeGreaterThan(2 * limits.stallTimeoutMs)
  connection.dispose()
})

test('the descriptor is given only while nothing stands between it and the client', async () => {
  const connection = new ClientConnection(response, { stallTimeoutMs: 60_000, stallBytesMin: 1 })
  response.writeHead(200, { 'content-length': 32 * MIB })
  response.flushHeaders()
  expect(connection.directDescriptor()).toBeGreaterThan(0)
  connection.write(Buffer.alloc(16 * MIB))
  expect(connection.directDescriptor()).toBeUndefined()
  client.resume()
  await connection.room(0)
  expect(connection.directDescriptor()).toBeGreaterThan(0)
  expect(connection.handedBytes).toBe(16 * MIB)
  connection.destroy()
  expect(connection.directDescriptor()).toBeUndefined()
  connection.dispose()
})

test('a body with chunked framing has no direct way', () => {
  const connection = new ClientConnection(response, { stallTimeoutMs: 60_000, stallBytesMin: 1 })
  response.writeHead(200)
  response.flushHeaders()
  expect(connection.directDescriptor()).toBeUndefined()
  connection.dispose()
})

test('a client that is gone before the body begins is noticed at once', async () => {
  client.destroy()
  await once(response, 'close')
  const connection = new ClientConnection(response, { stallTimeoutMs: 60_000, stallBytesMin: 1 })
  expect(() => connection.throwIfGone()).toThrow(expect.objectContaining({ code: 'client-gone' }))
  expect(connection.signal.aborted).toBe(true)
  await expect(connection.room(0)).rejects.toMatchObject({ code: 'client-gone' })
})

test('listeners are gone when the body is done', async () => {
  const before = response.listenerCount('close')
  const connection = new ClientConnection(response, { stallTimeoutMs: 60_000, stallBytesMin: 1 })
  response.writeHead(200, { 'content-length': 1 })
  connection.write(Buffer.alloc(1))
  await connection.room(0)
  expect(response.listenerCount('close')).toBe(before + 1)
  connection.dispose()
  expect(response.listenerCount('close')).toBe(before)
})
