import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { detectSendfile } from '../os/detect-sendfile.ts'
import { socketDescriptor } from '../os/socket.ts'
import { loopTurns } from './loop-turns.ts'
import { LOOP_TURN_BYTES, SLICE_BYTES } from './send-limits.ts'
import { createFileBody } from './send-range.ts'
import { countedLease, Files, patterned, until } from './testing/body-server.ts'

/** Turns of the event loop in which others send: enough for connections to end and begin. */
const TURNS_AHEAD = 5000

/** Connections after the one that left, of which one gets its descriptor. */
const MOST_OTHERS = 16

let files: Files

beforeEach(() => {
  files = new Files()
})
afterEach(() => files.close())

/** Takes all places of the next turns of the loop. */
function fillTurns(): void {
  loopTurns.spend(LOOP_TURN_BYTES)
  const places = (TURNS_AHEAD * LOOP_TURN_BYTES) / SLICE_BYTES
  for (let at = 0; at < places; at += 1) void loopTurns.admit()
}

test('a body that waited for its turn is not sent to whom has the descriptor of its client by then', async () => {
  expect(await detectSendfile()).toBe(true)
  const lease = countedLease(files.with(patterned(2 * SLICE_BYTES)))
  let outcome: unknown
  const server = createServer((_, response) => {
    const body = createFileBody({ lease, offset: 0, lengthBytes: 2 * SLICE_BYTES })
    response.writeHead(200, { 'content-length': body.lengthBytes })
    fillTurns()
    body.sendTo(response).then(
      () => {
        outcome = 'sent'
      },
      (error: unknown) => {
        outcome = error
      },
    )
  })
  const descriptors: (number | undefined)[] = []
  let open = 0
  server.on('connection', (socket: Socket) => {
    descriptors.push(socketDescriptor(socket))
    open += 1
    socket.once('close', () => {
      open -= 1
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  // An address of a listening TCP server is never a string or null.
  const { port = 0 }: Partial<AddressInfo> = Object(server.address())

  const leaving = connect(port, '127.0.0.1')
  leaving.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await once(leaving, 'data')
  leaving.resetAndDestroy()
  await until(() => open === 0)
  // Which descriptor is given next, other work of this process has a say in.
  const others: Socket[] = []
  const received: Buffer[] = []
  while (others.length < MOST_OTHERS && !descriptors.includes(descriptors[0], 1)) {
    const other = connect(port, '127.0.0.1')
    others.push(other)
    other.on('data', (chunk: Buffer) => received.push(chunk))
    await until(() => descriptors.length === 1 + others.length)
  }
  expect(descriptors.slice(1)).toContain(descriptors[0])
  expect(outcome).toBeUndefined()

  await until(() => lease.releasedCount > 0)
  expect(outcome).toMatchObject({ code: 'client-gone' })
  expect(lease.releasedCount).toBe(1)
  // The first that each gets is the answer to what it sent itself.
  for (const other of others) other.write('no request\r\n\r\n')
  await until(() => received.length >= others.length)
  const heads = received.map((chunk) => chunk.toString('latin1', 0, 12))
  expect(heads).toEqual(others.map(() => 'HTTP/1.1 400'))
  for (const other of others) other.destroy()
  server.close()
  await once(server, 'close')
})
