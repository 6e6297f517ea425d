import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RangeRequest } from '@forebay/model/range'
import type { ObjectBody } from '@forebay/peer/bodies'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { BodyServer, patterned, until } from '../bodies/testing/body-server.ts'
import { readObject } from './read.ts'
import { cachedBucket, Rig } from './testing/rig.ts'

/** Large enough for the way past the page cache, and for bytes to leave the memory again. */
const MIB = 1024 ** 2
const TAIL = 16 * 1024
const PAUSE_AT = 304 * 1024

let rig: Rig
let server: BodyServer
let bodies: Map<string, ObjectBody>
beforeEach(async () => {
  rig = await Rig.open()
  bodies = new Map()
  server = await new BodyServer((path) => {
    const body = bodies.get(path)
    if (body === undefined) throw new Error(`nobody opened ${path}`)
    return body
  }).start()
})
afterEach(async () => {
  await server.close()
  await rig.close()
})

/** Opens a read of the object `a`, to be sent under `path`. */
async function open(path: string, range?: RangeRequest): Promise<void> {
  const { signal } = new AbortController()
  const place = { bucket: rig.bucket, key: 'a', signal, conditions: {} }
  const answer = await readObject(rig.context, { ...place, range })
  if (answer.kind !== 'found') throw new Error(answer.kind)
  bodies.set(path, answer.body)
}

/** Asks for `path`; `body` is what has come of its body so far, `closed` the end of the connection. */
async function follow(
  path: string,
): Promise<{ readonly body: () => Buffer; readonly closed: Promise<unknown> }> {
  const socket = await server.dial(path)
  let got = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    got = Buffer.concat([got, chunk])
  })
  const closed = once(socket, 'close')
  // Not every test waits for it.
  closed.catch(() => undefined)
  socket.resume()
  return { body: () => bodyOf(got), closed }
}

describe('a large object on its way from the backend', () => {
  test('reaches its reader before it is in the file', async () => {
    const bytes = patterned(3 * MIB)
    rig.remote.put('remote', 'a', bytes)
    const held = Promise.withResolvers<void>()
    const act = (): Promise<void> => held.promise
    rig.remote.addFault({ action: { kind: 'at', point: PAUSE_AT, act }, on: ['read'] })
    await open('/a')
    const { body } = await follow('/a')
    await until(() => body().length === PAUSE_AT)
    expect(body().equals(bytes.subarray(0, PAUSE_AT))).toBe(true)
    held.resolve()
    await until(() => body().length === bytes.length)
    expect(body().equals(bytes)).toBe(true)
  })

  test('never gives its end to a reader when it does not match its checksum', async () => {
    const bytes = patterned(3 * MIB + 777)
    rig.remote.put('remote', 'a', bytes)
    const end = Promise.withResolvers<void>()
    const act = (): Promise<void> => end.promise
    rig.remote.addFault({ action: { kind: 'at', point: bytes.length - 9, act }, on: ['read'] })
    rig.remote.addFault({ action: { kind: 'corrupt-answer', at: 5 }, on: ['read'] })
    await open('/a')
    const { body, closed } = await follow('/a')
    await until(() => body().length >= bytes.length - TAIL)
    end.resolve()
    await closed
    expect(body().length).toBe(bytes.length - TAIL)
    expect(rig.context.store.get(2, 'a')).toBeUndefined()
  })

  test('nor when its connection broke in between', async () => {
    rig.bucket = cachedBucket({ blockBytes: MIB })
    const bytes = patterned(6 * MIB + 777)
    rig.remote.put('remote', 'a', bytes)
    rig.remote.addFault({ action: { kind: 'corrupt-answer', at: 5 }, on: ['read'] })
    rig.remote.addFault({ action: { kind: 'cut-body', afterBytes: 3 * MIB }, on: ['read'] })
    await open('/a')
    const { body, closed } = await follow('/a')
    await closed
    // What is in the file of the last block it may get, the last byte never.
    expect(body().length).toBeLessThan(bytes.length)
    expect(rig.context.store.get(2, 'a')).toBeUndefined()
  })

  test('nor when blocks before its end are in memory only', async () => {
    rig.bucket = cachedBucket({ blockBytes: MIB, sparseThresholdBytes: MIB })
    const bytes = patterned(6 * MIB + 4 * TAIL)
    rig.remote.put('remote', 'a', bytes)
    // Its end is in the file first.
    await open('/end', { kind: 'from-to', first: 6 * MIB, last: 6 * MIB + 9 })
    await server.get('/end')
    await rig.idle()
    // Of what comes then, the last piece is not written before its connection ends.
    const held = Promise.withResolvers<void>()
    const act = (): Promise<void> => held.promise
    rig.remote.addFault({ action: { kind: 'at', point: 6 * MIB, act }, on: ['read'] })
    rig.remote.addFault({ action: { kind: 'corrupt-answer', at: 5 }, on: ['read'] })
    await open('/a')
    const { body, closed } = await follow('/a')
    await until(() => body().length >= bytes.length - TAIL)
    held.resolve()
    await closed
    expect(body().length).toBe(bytes.length - TAIL)
    // The fill is over before the entry is gone.
    await until(() => rig.context.store.get(2, 'a') === undefined)
  })

  test('is the same for readers who keep up, fall behind and come in later', async () => {
    const bytes = patterned(24 * MIB + 77)
    rig.remote.put('remote', 'a', bytes)
    const late = 11 * MIB + 5
    await open('/fast')
    await open('/slow')
    await open('/late', { kind: 'from-to', first: late, last: bytes.length - 1 })
    const [fast, slow, behind] = await Promise.all([
      server.get('/fast'),
      readSlowly('/slow'),
      server.get('/late'),
    ])
    expect(fast.equals(bytes)).toBe(true)
    expect(slow.equals(bytes)).toBe(true)
    expect(behind.equals(bytes.subarray(late))).toBe(true)
    await open('/again')
    expect((await server.get('/again')).equals(bytes)).toBe(true)
  })

  test('gives the right bytes to readers when its connection breaks and is made anew', async () => {
    rig.bucket = cachedBucket({ sparseThresholdBytes: MIB, blockBytes: MIB })
    const bytes = patterned(12 * MIB + 77)
    rig.remote.put('remote', 'a', bytes)
    for (const afterBytes of [700 * 1024, 5 * MIB]) {
      rig.remote.addFault({ action: { kind: 'cut-body', afterBytes }, on: ['read'] })
    }
    await open('/fast')
    await open('/slow')
    const [fast, slow] = await Promise.all([server.get('/fast'), readSlowly('/slow')])
    expect(fast.equals(bytes)).toBe(true)
    expect(slow.equals(bytes)).toBe(true)
  })
})

/** Reads an answer with pauses that let the fetch run away. */
async function readSlowly(path: string): Promise<Buffer> {
  const socket = await server.dial(path)
  const chunks: Buffer[] = []
  let readBytes = 0
  let pauseAt = MIB
  for await (const chunk of socket) {
    chunks.push(chunk)
    readBytes += chunk.length
    const head = headOf(chunks[0] ?? chunk)
    if (readBytes >= head.bytes + head.bodyBytes) break
    if (readBytes < pauseAt) continue
    pauseAt += 4 * MIB
    await sleep(30)
  }
  return bodyOf(Buffer.concat(chunks))
}

function headOf(bytes: Buffer): { readonly bytes: number; readonly bodyBytes: number } {
  const end = bytes.indexOf('\r\n\r\n')
  const length = /content-length: (\d+)/i.exec(bytes.toString('latin1', 0, end))?.[1]
  return { bytes: end + 4, bodyBytes: Number(length) }
}

function bodyOf(answer: Buffer): Buffer {
  return answer.subarray(headOf(answer).bytes)
}
