import { execFileSync } from 'node:child_process'
import { fstatSync, readdirSync, readlinkSync, readSync } from 'node:fs'
import { Failure } from '@forebay/base/failure'
import { hashBuffer } from '@forebay/base/hash/digester'
import { closeHashWorkers } from '@forebay/base/hash/hash-workers'
import type { IncomingBody } from '@forebay/peer/bodies'
import fc from 'fast-check'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DiskGate } from '../os/disk-gate.ts'
import { FileSink, GATHER_BYTES, QUEUED_BYTES_MAX } from './file-sink.ts'
import { type ReceiveOptions, receiveToFile } from './receive.ts'
import { rings } from './rings.ts'
import { Files, patterned } from './testing/body-server.ts'
import { WritePolicy } from './write-policy.ts'

const MIB = 1024 ** 2
const dirtyPages = (dirtyBytes: number) => () => ({ dirtyBytes, thresholdBytes: 2 ** 40 })
const POLICIES = {
  'on the event loop': () => new WritePolicy({ readDirtyPages: dirtyPages(0) }),
  'on threads': () => new WritePolicy({ readDirtyPages: dirtyPages(2 ** 40) }),
}

let files: Files
beforeEach(() => {
  files = new Files()
})
afterEach(() => files.close())
afterAll(closeHashWorkers)

/** A body that gives these chunks, in order, and pauses when asked to. */
function bodyOf(chunks: readonly Buffer[], change: Partial<IncomingBody> = {}): IncomingBody {
  return {
    lengthBytes: undefined,
    digestsNeeded: [],
    async pump(write, signal) {
      for (const chunk of chunks) {
        signal.throwIfAborted()
        await write(chunk)
      }
    },
    judge: () => ({ checksums: [] }),
    ...change,
  }
}

function receive(body: IncomingBody, change: Partial<ReceiveOptions> = {}) {
  return receiveToFile({
    body,
    fd: files.with(Buffer.alloc(0)),
    reserve: async () => undefined,
    digests: [],
    signal: new AbortController().signal,
    ...change,
  })
}

/** All descriptors of this process that are of the same file. */
function descriptorsOf(fd: number): readonly number[] {
  const nameOf = (one: number): string | undefined => {
    try {
      return readlinkSync(`/proc/self/fd/${one}`)
    } catch {
      // The one by which the folder itself was read.
      return undefined
    }
  }
  return readdirSync('/proc/self/fd')
    .map(Number)
    .filter((one) => nameOf(one) === nameOf(fd))
}

function contentOf(fd: number): Buffer {
  const bytes = Buffer.alloc(fstatSync(fd).size)
  readSync(fd, bytes, 0, bytes.length, 0)
  return bytes
}

function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = []
  let at = 0
  for (const size of sizes) {
    chunks.push(bytes.subarray(at, at + size))
    at += size
  }
  return [...chunks, bytes.subarray(at)]
}

test('a body whose digests cannot be started keeps neither memory nor a descriptor', async () => {
  const fd = files.with(Buffer.alloc(0))
  const lentBytes = rings.lentBytes
  const digests = {
    [Symbol.iterator](): never {
      throw new Error('no thread is left')
    },
  }
  const body = bodyOf([], { lengthBytes: 4 * MIB })
  await expect(receive(body, { fd, digests })).rejects.toThrow('no thread is left')
  expect(rings.lentBytes).toBe(lentBytes)
  expect(descriptorsOf(fd)).toEqual([fd])
})

describe.each(Object.entries(POLICIES))('%s', (_, createPolicy) => {
  test('any chunks arrive in the file in order, with their digests and their progress', async () => {
    const sizes = fc.array(
      fc.oneof(fc.nat({ max: 100 }), fc.nat({ max: 70_000 }), fc.nat({ max: MIB })),
      {
        maxLength: 12,
      },
    )
    await fc.assert(
      fc.asyncProperty(sizes, fc.boolean(), async (parts, lengthKnown) => {
        const bytes = patterned(parts.reduce((sum, part) => sum + part, 1234))
        const fd = files.with(Buffer.alloc(0))
        const progress: number[] = [0]
        const body = bodyOf(cut(bytes, parts), {
          lengthBytes: lengthKnown ? bytes.length : undefined,
          digestsNeeded: ['md5', 'xxh64'],
        })
        const received = await receive(body, {
          fd,
          digests: ['sha256', 'xxh64'],
          policy: createPolicy(),
          onProgress: (writtenBytes) => progress.push(writtenBytes),
        })
        expect(received.sizeBytes).toBe(bytes.length)
        expect(contentOf(fd).equals(bytes)).toBe(true)
        expect(Object.fromEntries(received.digests)).toEqual({
          sha256: hashBuffer('sha256', bytes),
          xxh64: hashBuffer('xxh64', bytes),
          md5: hashBuffer('md5', bytes),
        })
        expect(progress).toEqual([...progress].sort((a, b) => a - b))
        expect(progress.at(-1)).toBe(bytes.length)
      }),
      { numRuns: 30 },
    )
  })

  test('ten thousand chunks of one byte become one file', async () => {
    const bytes = patterned(10_000)
    const fd = files.with(Buffer.alloc(0))
    const chunks = Array.from(bytes, (byte) => Buffer.from([byte]))
    await receive(bodyOf(chunks), { fd, policy: createPolicy() })
    expect(contentOf(fd).equals(bytes)).toBe(true)
  })

  test('a full file system is out-of-space, other errors are disk errors', async () => {
    for (const sizeBytes of [10, 3 * MIB]) {
      const body = () => bodyOf(cut(patterned(sizeBytes), [5, 400_000]))
      const full = files.open('/dev/full', 'w')
      await expect(receive(body(), { fd: full, policy: createPolicy() })).rejects.toMatchObject({
        code: 'out-of-space',
      })
      const unwritable = files.with(Buffer.alloc(0), 'r')
      const refused = receive(body(), { fd: unwritable, policy: createPolicy() })
      await expect(refused).rejects.toMatchObject({ code: 'disk-error' })
    }
  })
})

test('an empty body is an empty file with the digests of nothing', async () => {
  const fd = files.with(Buffer.alloc(0))
  const received = await receive(bodyOf([], { lengthBytes: 0 }), { fd, digests: ['md5'] })
  expect(received.sizeBytes).toBe(0)
  expect(received.digests.get('md5')).toBe('d41d8cd98f00b204e9800998ecf8427e')
  expect(fstatSync(fd).size).toBe(0)
})

test('room is made before it is needed: at once for a known length, else step by step', async () => {
  const bytes = patterned(700_000)
  for (const lengthBytes of [bytes.length, undefined]) {
    const reserved = [0]
    const written: number[] = []
    await receive(bodyOf(cut(bytes, [100_000, 1, 299_999]), { lengthBytes }), {
      reserve: async (upTo) => {
        await new Promise((resolve) => setImmediate(resolve))
        reserved.push(upTo)
      },
      unknownLengthStep: 250_000,
      onProgress: (writtenBytes) => {
        expect(writtenBytes).toBeLessThanOrEqual(reserved.at(-1) ?? 0)
        written.push(writtenBytes)
      },
    })
    expect(written.at(-1)).toBe(bytes.length)
    const steps = lengthBytes === undefined ? [0, 250_000, 500_000, 750_000] : [0, 700_000]
    expect(reserved).toEqual(steps)
  }
})

test('without room nothing more is written, and the failure is the reservation’s', async () => {
  const fd = files.with(Buffer.alloc(0))
  const reserve = async (bytes: number): Promise<void> => {
    if (bytes > 300_000) throw new Failure('slow-down', 'evicting')
  }
  const body = bodyOf(cut(patterned(MIB), [290_000, 290_000]))
  const options = { fd, reserve, unknownLengthStep: 300_000 }
  await expect(receive(body, options)).rejects.toMatchObject({ code: 'slow-down' })
  expect(fstatSync(fd).size).toBeLessThanOrEqual(290_000)
})

test('the verdict is the body’s, over the digests computed', async () => {
  const bytes = patterned(2 * MIB)
  const judged = bodyOf([bytes], {
    digestsNeeded: ['md5'],
    judge: (digests) => {
      const hex = digests.get('md5') ?? ''
      return { checksums: [{ algorithm: 'md5', kind: 'whole', hex }] }
    },
  })
  const received = await receive(judged)
  expect(received.verdict.checksums[0]?.hex).toBe(hashBuffer('md5', bytes))
  const refused = bodyOf([bytes], {
    judge: () => {
      throw new Failure('digest-mismatch', 'not these bytes')
    },
  })
  await expect(receive(refused)).rejects.toMatchObject({ code: 'digest-mismatch' })
})

test('a body that breaks, or is aborted, fails with its own reason', async () => {
  const broken = bodyOf([], {
    pump: async (write) => {
      await write(patterned(300_000))
      throw new Failure('body-incomplete', 'short')
    },
  })
  await expect(receive(broken)).rejects.toMatchObject({ code: 'body-incomplete' })
  const controller = new AbortController()
  const aborting = bodyOf([], {
    pump: async (write) => {
      await write(patterned(300_000))
      controller.abort(new Failure('client-gone', 'left'))
    },
  })
  const aborted = receive(aborting, { signal: controller.signal })
  await expect(aborted).rejects.toMatchObject({ code: 'client-gone' })
  const late = receive(aborting, { signal: controller.signal })
  await expect(late).rejects.toMatchObject({ code: 'client-gone' })
})

describe('a file sink', () => {
  const aside = () => new WritePolicy({ readDirtyPages: dirtyPages(2 ** 40) })

  test('asks its source to pause at the limit, and to go on when there is room', async () => {
    const gate = new DiskGate({ operationsMax: 1 })
    const hold = Promise.withResolvers<void>()
    const held = gate.run(() => hold.promise)
    const fd = files.with(Buffer.alloc(0))
    const sink = new FileSink({ fd, gate, policy: aside() })
    const chunk = patterned(64 * 1024)
    let fed = chunk.length
    let pause = sink.write(chunk)
    while (pause === undefined) {
      pause = sink.write(chunk)
      fed += chunk.length
    }
    expect(fed).toBe(QUEUED_BYTES_MAX)
    expect(sink.writtenBytes).toBe(0)
    hold.resolve()
    await Promise.all([held, pause])
    await sink.flush()
    expect(sink.writtenBytes).toBe(fed)
    expect(contentOf(fd).equals(Buffer.concat(Array(fed / chunk.length).fill(chunk)))).toBe(true)
  })

  test('writes from its offset on, and only what was gathered before it settled', async () => {
    const fd = files.with(Buffer.alloc(100, 1))
    const sink = new FileSink({ fd, offset: 50 })
    await sink.write(patterned(GATHER_BYTES))
    await sink.write(Buffer.from('forgotten'))
    await sink.settle()
    const expected = Buffer.concat([Buffer.alloc(50, 1), patterned(GATHER_BYTES)])
    expect(contentOf(fd).equals(expected)).toBe(true)
  })

  test('keeps failing after its first failure', async () => {
    const sink = new FileSink({ fd: files.open('/dev/full', 'w'), policy: aside() })
    await sink.write(patterned(GATHER_BYTES))
    await expect(sink.flush()).rejects.toMatchObject({ code: 'out-of-space' })
    expect(() => sink.write(patterned(1))).toThrow(/ENOSPC/)
    await expect(sink.flush()).rejects.toMatchObject({ code: 'out-of-space' })
    await sink.settle()
  })

  test.each([0, 2 ** 40])('keeps count of a partial write (dirty pages: %d)', (dirtyBytes) => {
    // A limit on the size of files makes the system take a part, and refuse only the rest.
    const output = underSizeLimit(`
      const readDirtyPages = () => ({ dirtyBytes: ${dirtyBytes}, thresholdBytes: 2 ** 40 })
      const fd = openSync('${files.path()}', 'w')
      const sink = new FileSink({ fd, policy: new WritePolicy({ readDirtyPages }) })
      try {
        for (let i = 0; i < 8; i += 1) await sink.write(Buffer.alloc(40_000, 1))
        await sink.flush()
      } catch (error) {
        process.stdout.write(error.code + ' ' + sink.writtenBytes)
      }`)
    expect(output).toBe(`disk-error ${LIMIT_BYTES}`)
  })

  test('goes on after a partial write with the very next byte', () => {
    const path = files.path()
    const output = underSizeLimit(`
      const { execFileSync } = await import('node:child_process')
      let runs = 0
      // The limit goes after the first write, so that the rest is taken.
      class Lifting extends DiskGate {
        run(operation, options) {
          runs += 1
          if (runs === 2) execFileSync('prlimit', ['--fsize=unlimited:', '--pid', process.pid])
          return super.run(operation, options)
        }
      }
      const readDirtyPages = () => ({ dirtyBytes: 2 ** 40, thresholdBytes: 2 ** 40 })
      const policy = new WritePolicy({ readDirtyPages })
      const sink = new FileSink({ fd: openSync('${path}', 'w'), policy, gate: new Lifting() })
      for (let i = 0; i < 8; i += 1) await sink.write(Buffer.alloc(40_000, i + 1))
      await sink.flush()
      process.stdout.write(runs + ' ' + sink.writtenBytes)`)
    expect(output).toMatch(/^[23] 320000$/)
    const chunks = Array.from({ length: 8 }, (_, index) => Buffer.alloc(40_000, index + 1))
    expect(contentOf(files.open(path, 'r')).equals(Buffer.concat(chunks))).toBe(true)
  })
})

const LIMIT_BYTES = 100 * 1024

/** Output of a script that runs where files may grow to `LIMIT_BYTES` at first. */
function underSizeLimit(script: string): string {
  const url = (name: string): string => new URL(name, import.meta.url).href
  const imports = `
    import { openSync } from 'node:fs'
    import { FileSink } from '${url('./file-sink.ts')}'
    import { WritePolicy } from '${url('./write-policy.ts')}'
    import { DiskGate } from '${url('../os/disk-gate.ts')}'
  `
  const command = `ulimit -S -f ${LIMIT_BYTES / 1024}; exec "$0" --input-type=module -e "$1"`
  const args = ['-c', command, process.execPath, imports + script]
  return execFileSync('bash', args).toString()
}
