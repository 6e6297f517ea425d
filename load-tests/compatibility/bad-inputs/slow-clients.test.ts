import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { signed, toBytes } from './raw-client.ts'
import { ADMIN, BadInputRig } from './rig.ts'

const CLIENTS = 250
/** The server's limits in these tests, and how long they may take to act on all clients, ms. */
const LIMIT_MS = 2000
const PATIENCE_MS = 20_000
const OBJECT_BYTES = 8 * 1024 ** 2

let rig: BadInputRig

beforeAll(async () => {
  const limits = ['headersTimeout', 'idleTimeout', 'readStallTimeout', 'writeStallTimeout']
  rig = await BadInputRig.start(limits.flatMap((name) => ['--set', `http.${name}=${LIMIT_MS}ms`]))
  const body = 'x'.repeat(OBJECT_BYTES)
  expect((await rig.ask('PUT', '/native/large', body)).outcome).toBe('200')
})
afterAll(() => rig.close())

type Client = { readonly socket: Socket; readonly gone: Promise<string> }

/** A connection that does as `act` says; `gone` tells what it was sent when it ends. */
function open(act: (socket: Socket) => void): Client {
  const socket = connect(rig.port, '127.0.0.1')
  let text = ''
  const gone = new Promise<string>((resolve) => socket.once('close', () => resolve(text)))
  socket.on('data', (chunk) => {
    if (text.length < 1000) text += chunk.toString('latin1')
  })
  socket.on('error', () => socket.destroy())
  socket.once('connect', () => act(socket))
  return { socket, gone }
}

/** Sends one byte a second, as long as it may. */
function drip(socket: Socket, text: string): void {
  let at = 0
  const timer = setInterval(() => {
    if (socket.destroyed || at >= text.length) clearInterval(timer)
    else socket.write(text[at++] ?? '')
  }, 1000)
  socket.once('close', () => clearInterval(timer))
}

/** How many of the clients the server has let go before patience ends. */
async function countGone(clients: readonly Client[]): Promise<number> {
  let gone = 0
  const all = Promise.all(clients.map((client) => client.gone.then(() => (gone += 1))))
  await Promise.race([all, sleep(PATIENCE_MS)])
  for (const { socket } of clients) socket.destroy()
  return gone
}

/** New clients are served while the others are there. */
async function expectServed(): Promise<void> {
  for (let count = 0; count < 20; count++) {
    expect((await rig.ask('GET', '/native?max-keys=1')).outcome).toBe('200')
  }
}

test('F20: 250 clients that send a byte of their headers a second are let go, others served', async () => {
  const clients = Array.from({ length: CLIENTS }, () =>
    open((socket) => drip(socket, `GET /native HTTP/1.1\r\nX-Slow: ${'x'.repeat(500)}`)),
  )
  await expectServed()
  expect(await countGone(clients)).toBe(CLIENTS)
})

test('F20: 250 clients that send nothing at all are let go', async () => {
  const clients = Array.from({ length: CLIENTS }, () => open(() => undefined))
  await expectServed()
  expect(await countGone(clients)).toBe(CLIENTS)
})

test('F19: 250 clients that do not read their answer are let go, and memory stays bounded', async () => {
  const request = toBytes(
    signed({ method: 'GET', target: '/native/large', keys: ADMIN, host: rig.host }),
  )
  const before = await rig.residentBytes()
  const clients = Array.from({ length: CLIENTS }, () =>
    open((socket) => {
      socket.pause()
      socket.write(request)
    }),
  )
  await expectServed()
  const during = await rig.residentBytes()
  // A paused socket does not see its end: read what is left of it, once the limit has passed.
  await sleep(LIMIT_MS * 3)
  for (const { socket } of clients) socket.resume()
  expect(await countGone(clients)).toBe(CLIENTS)
  // 250 answers of 8 MiB are 2 GB; what each connection may hold is far less than its answer.
  expect(during - before).toBeLessThan(CLIENTS * 1024 ** 2)
})

test('a body that stalls is given up: nothing is stored, no file is left', async () => {
  const clients = Array.from({ length: CLIENTS }, (_, index) =>
    open((socket) => {
      const bucket = index % 2 === 0 ? 'native' : 'remote'
      const request = signed({
        ...{ method: 'PUT', target: `/${bucket}/stalled-${index}`, keys: ADMIN, host: rig.host },
        payload: 'UNSIGNED-PAYLOAD',
      })
      socket.write(
        toBytes(request, {
          without: ['content-length'],
          more: ['content-length: 100000'],
          body: 'hello',
        }),
      )
    }),
  )
  await expectServed()
  expect(await countGone(clients)).toBe(CLIENTS)
  expect(await rig.workFiles()).toEqual([])
  for (const bucket of ['native', 'remote']) {
    expect((await rig.ask('GET', `/${bucket}?prefix=stalled`)).body).not.toContain('<Contents>')
  }
  expect((await rig.atOrigin('GET', '/remote?prefix=stalled')).body).not.toContain('<Contents>')
})
