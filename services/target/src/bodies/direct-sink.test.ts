import { randomBytes } from 'node:crypto'
import { closeSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openDirect } from '../os/direct-file.ts'
import { DiskGate } from '../os/disk-gate.ts'
import { type BodySink, createBodySink, DIRECT_BODY_BYTES_MIN } from './body-sink.ts'
import { DIRECT_WRITE_BYTES } from './direct-sink.ts'
import { FileSink } from './file-sink.ts'
import { Rings } from './rings.ts'
import { Files } from './testing/body-server.ts'

const RING_BYTES = 2 * DIRECT_WRITE_BYTES
const SOURCE = randomBytes(4 * RING_BYTES)

let files: Files
let rings: Rings
beforeEach(() => {
  files = new Files()
  rings = new Rings()
})
afterEach(() => files.close())

function openSink(
  fd: number,
  options: { readonly gate?: DiskGate; readonly offset?: number } = {},
) {
  return createBodySink({
    fd,
    expectedBytes: SOURCE.length,
    ringBytes: RING_BYTES,
    rings,
    ...options,
  })
}

function newFile(): { readonly path: string; readonly fd: number } {
  const path = files.path()
  return { path, fd: files.open(path, 'wx+') }
}

/** Network and memory file systems may have no direct writes: there bodies take the other way. */
const probe = new Files()
const probeFd = openDirect(probe.with(Buffer.alloc(1)))
if (probeFd !== undefined) closeSync(probeFd)
probe.close()

describe.skipIf(probeFd === undefined)('a direct sink', () => {
  test('puts any chunks, flushed at any moment, into the file as they came', async () => {
    const step = fc.record({
      length: fc.oneof(
        fc.integer({ min: 0, max: 70_000 }),
        fc.integer({ min: 0, max: RING_BYTES + 9 }),
      ),
      flush: fc.boolean(),
    })
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 12 }),
        fc.constantFrom(0, 4096),
        async (steps, offset) => {
          const { path, fd } = newFile()
          const sink = openSink(fd, { offset })
          let end = 0
          for (const { length, flush } of steps) {
            const chunk = SOURCE.subarray(end, end + length)
            end += chunk.length
            await sink.write(chunk)
            if (flush) await sink.flush()
          }
          await sink.flush()
          sink.close()
          expect(sink.writtenBytes).toBe(end)
          const stored = readFileSync(path)
          expect(stored.length).toBe(end === 0 ? 0 : offset + end)
          expect(stored.subarray(offset).equals(SOURCE.subarray(0, end))).toBe(true)
        },
      ),
      { numRuns: 60 },
    )
  })

  test('hands out what is in its memory, the newest bytes among it, and nothing else', async () => {
    const { fd } = newFile()
    const sink = openSink(fd)
    const at = fc.integer({ min: 0, max: SOURCE.length + 10 })
    for (let end = 0; end < SOURCE.length; ) {
      const chunk = SOURCE.subarray(end, end + 60_001)
      end += chunk.length
      await sink.write(chunk)
      expect(copied(sink, end - 1, 10).equals(SOURCE.subarray(end - 1, end))).toBe(true)
      fc.assert(
        fc.property(at, fc.integer({ min: 1, max: 99_999 }), (from, length) => {
          const got = copied(sink, from, length)
          const held = from >= end - RING_BYTES && from < end
          expect(got.length).toBe(held ? Math.min(length, end - from) : 0)
          expect(got.equals(SOURCE.subarray(from, from + got.length))).toBe(true)
        }),
        { numRuns: 5 },
      )
    }
    await sink.flush()
    sink.close()
    expect(copied(sink, SOURCE.length - 1, 1)).toHaveLength(0)
  })

  test('pauses its source when the disk does not follow, and loses nothing', async () => {
    const gate = new DiskGate({ operationsMax: 1 })
    const blocker = Promise.withResolvers<void>()
    const blocked = gate.run(() => blocker.promise, { patient: true })
    const { path, fd } = newFile()
    const sink = openSink(fd, { gate })
    expect(sink.write(SOURCE.subarray(0, RING_BYTES))).toBeUndefined()
    const paused = sink.write(SOURCE.subarray(RING_BYTES))
    expect(paused).toBeInstanceOf(Promise)
    expect(sink.takenBytes).toBe(RING_BYTES)
    blocker.resolve()
    await blocked
    await paused
    await sink.flush()
    sink.close()
    expect(readFileSync(path).equals(SOURCE)).toBe(true)
  })

  test('reports a disk that fails, and settles with its descriptor unused', async () => {
    const { fd } = newFile()
    const gate = new DiskGate({ operationsMax: 1 })
    gate.run = () => Promise.reject(Object.assign(new Error('ENOSPC: full'), { code: 'ENOSPC' }))
    const sink = openSink(fd, { gate })
    await sink.write(SOURCE.subarray(0, DIRECT_WRITE_BYTES))
    await expect(sink.flush()).rejects.toMatchObject({ code: 'out-of-space' })
    expect(() => sink.write(Buffer.from('x'))).toThrow(/ENOSPC/)
    await sink.settle()
    sink.close()
    expect(rings.lentBytes).toBe(0)
  })
})

describe('a body goes through the page cache', () => {
  test('when it is small, or of unknown length', () => {
    const { fd } = newFile()
    const options = { fd, ringBytes: RING_BYTES, rings }
    const small = { ...options, expectedBytes: DIRECT_BODY_BYTES_MIN - 1 }
    expect(createBodySink(small)).toBeInstanceOf(FileSink)
    expect(createBodySink({ ...options, expectedBytes: undefined })).toBeInstanceOf(FileSink)
  })

  test('when it does not begin with a block of the disk', () => {
    expect(openSink(newFile().fd, { offset: 512 })).toBeInstanceOf(FileSink)
  })

  test('when no memory is left for it', () => {
    rings = new Rings(RING_BYTES)
    const first = openSink(newFile().fd)
    expect(openSink(newFile().fd)).toBeInstanceOf(FileSink)
    first.close()
    const next = openSink(newFile().fd)
    expect(next).not.toBeInstanceOf(FileSink)
    next.close()
  })
})

function copied(sink: BodySink, at: number, lengthBytes: number): Buffer {
  const into = Buffer.alloc(lengthBytes)
  return into.subarray(0, sink.copyHeld(at, into))
}
