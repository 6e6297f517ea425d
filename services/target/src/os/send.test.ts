import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  BODY_ROOM_BYTES,
  bodyRoom,
  HEAD_BYTES_MAX,
  sendHead,
  sendHeadAndBody,
  unsentBytes,
} from './send.ts'
import { socketDescriptor } from './socket.ts'

let server: Socket
let client: Socket
let close: () => void

beforeEach(async () => {
  const listener = createServer()
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const address = listener.address()
  if (address === null || typeof address === 'string') throw new Error('not listening')
  client = connect(address.port, '127.0.0.1').pause()
  ;[server] = await once(listener, 'connection')
  close = () => {
    client.destroy()
    server.destroy()
    listener.close()
  }
})
afterEach(() => close())

function descriptor(): number {
  const fd = socketDescriptor(server)
  if (fd === undefined) throw new Error('the socket has no descriptor')
  return fd
}

async function receivedAll(): Promise<Buffer> {
  server.end()
  const chunks: Buffer[] = []
  for await (const chunk of client) chunks.push(chunk)
  return Buffer.concat(chunks)
}

const EVERY_BYTE = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))

test('head and body arrive byte for byte, also the longest', async () => {
  const head = EVERY_BYTE.toString('latin1')
  const longest = head.repeat(HEAD_BYTES_MAX / 256)
  bodyRoom.fill(7)
  expect(sendHeadAndBody(descriptor(), head, 3)).toBe(256 + 3)
  expect(sendHeadAndBody(descriptor(), longest, BODY_ROOM_BYTES)).toBe(
    HEAD_BYTES_MAX + BODY_ROOM_BYTES,
  )
  const received = await receivedAll()
  const expected = [EVERY_BYTE, Buffer.alloc(3, 7), Buffer.from(longest, 'latin1')]
  expect(received.equals(Buffer.concat([...expected, Buffer.alloc(BODY_ROOM_BYTES, 7)]))).toBe(true)
})

test('a head waits for what follows it, and is not lost when nothing does', async () => {
  expect(sendHead(descriptor(), 'head ')).toBe(5)
  server.write('body ')
  expect(sendHead(descriptor(), 'end')).toBe(3)
  expect((await receivedAll()).toString()).toBe('head body end')
})

test('a head that is too long is not sent at all', async () => {
  const tooLong = 'x'.repeat(HEAD_BYTES_MAX + 1)
  expect(sendHead(descriptor(), tooLong)).toBe(-1)
  expect(sendHeadAndBody(descriptor(), tooLong, 1)).toBe(-1)
  expect(await receivedAll()).toHaveLength(0)
})

test('a full socket takes a part or nothing, and the rest can be had', async () => {
  const head = EVERY_BYTE.toString('latin1')
  bodyRoom.set(Buffer.alloc(BODY_ROOM_BYTES, 'body'))
  const whole = Buffer.concat([EVERY_BYTE, bodyRoom])
  const fd = descriptor()
  let messages = 0
  let sentBytes = whole.length
  while (sentBytes === whole.length) {
    sentBytes = sendHeadAndBody(fd, head, BODY_ROOM_BYTES)
    messages += 1
  }
  const took = Math.max(0, sentBytes)
  const rest = unsentBytes(head, BODY_ROOM_BYTES, took)
  expect(rest.equals(whole.subarray(took))).toBe(true)
  expect(sendHeadAndBody(fd, head, BODY_ROOM_BYTES)).toBe(-1)
  server.write(rest)
  const received = await receivedAll()
  expect(received.equals(Buffer.concat(Array.from({ length: messages }, () => whole)))).toBe(true)
})

test('a descriptor that is no socket takes nothing', () => {
  expect(sendHead(1_000_000, 'head')).toBe(-1)
  expect(sendHeadAndBody(1_000_000, 'head', 1)).toBe(-1)
})
