import { once } from 'node:events'
import { ftruncateSync, readSync } from 'node:fs'
import fc from 'fast-check'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { detectSendfile } from '../os/detect-sendfile.ts'
import { DISK_OPERATIONS_MAX, diskGateOf } from '../os/disk-gate.ts'
import { createFileBody, type FileBodyOptions } from './send-range.ts'
import {
  BodyServer,
  CountedBuffers,
  countedLease,
  Files,
  patterned,
  readAnswers,
  until,
} from './testing/body-server.ts'

const MIB = 1024 ** 2
const IMPATIENT = { stallTimeoutMs: 150, stallBytesMin: 16 * 1024 }

/** The ways in which a slice may leave; `direct` is what `auto` becomes where sendfile works. */
const MODES = ['direct', 'pump', 'starved', 'tls'] as const
type Mode = (typeof MODES)[number]

let files: Files
let servers: BodyServer[]

beforeAll(async () => {
  // Where it does not work the direct mode would test nothing.
  expect(await detectSendfile()).toBe(true)
})
beforeEach(() => {
  files = new Files()
  servers = []
})
afterEach(async () => {
  for (const server of servers) await server.close()
  files.close()
})

function serve(
  options: (path: string) => Partial<FileBodyOptions> & Pick<FileBodyOptions, 'lease'>,
  mode: Mode = 'direct',
): Promise<BodyServer> {
  const server = new BodyServer(
    (path) => {
      const given = options(path)
      return createFileBody({
        offset: 0,
        lengthBytes: 0,
        sendfile: mode === 'pump' ? 'off' : 'auto',
        ...(mode === 'starved' ? { sendfile: 'off', buffers: new CountedBuffers(0) } : {}),
        ...given,
      })
    },
    { tls: mode === 'tls' },
  )
  servers.push(server)
  return server.start()
}

describe.each(MODES)('%s', (mode) => {
  test('any range of a file arrives byte for byte, and its lease is released once', async () => {
    const bytes = patterned(5 * MIB + 333)
    const fd = files.with(bytes)
    let lease = countedLease(fd)
    let range = { offset: 0, lengthBytes: 0 }
    const server = await serve(() => ({ lease, ...range }), mode)
    const size = fc.oneof(
      fc.nat({ max: 70_000 }),
      fc.nat({ max: bytes.length }),
      fc.constantFrom(0, 1, 65_536, 65_537, MIB, MIB + 1, 4 * MIB, 4 * MIB + 1, bytes.length),
    )
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: bytes.length }), size, async (offset, wanted) => {
        lease = countedLease(fd)
        range = { offset, lengthBytes: Math.min(wanted, bytes.length - offset) }
        const received = await server.get('/')
        expect(received.equals(bytes.subarray(offset, offset + range.lengthBytes))).toBe(true)
        expect(await server.outcomes.at(-1)).toBe('sent')
        expect(lease.releasedCount).toBe(1)
      }),
      { numRuns: 40 },
    )
    expect(server.connectionCount).toBe(1)
  })

  test('HEAD sends nothing and keeps the connection usable', async () => {
    const bytes = patterned(100_000)
    const lease = countedLease(files.with(bytes))
    const server = await serve(() => ({ lease, lengthBytes: bytes.length }), mode)
    expect(await server.get('/', { method: 'HEAD' })).toHaveLength(0)
    expect((await server.get('/')).equals(bytes)).toBe(true)
    expect(server.connectionCount).toBe(1)
    expect(lease.releasedCount).toBe(2)
  })

  test('a file that ends early destroys the connection before its announced end', async () => {
    for (const missing of [1, 3 * MIB]) {
      const fd = files.with(patterned(3 * MIB))
      const lease = countedLease(fd)
      const server = await serve(() => ({ lease, lengthBytes: 3 * MIB + missing }), mode)
      await expect(server.get('/')).rejects.toThrow()
      expect(await server.outcomes[0]).toMatchObject({ code: 'object-corrupt' })
      expect(lease.releasedCount).toBe(1)
    }
  })

  test('a file that cannot be read destroys the connection', async () => {
    const lease = countedLease(files.open(files.folder, 'r'))
    const server = await serve(() => ({ lease, lengthBytes: MIB, recentlyUsed: true }), mode)
    await expect(server.get('/')).rejects.toThrow()
    expect(await server.outcomes[0]).toMatchObject({ code: 'disk-error' })
    expect(lease.releasedCount).toBe(1)
  })
})

const PLAIN = ['direct', 'pump', 'starved'] as const

describe.each(PLAIN)('%s, plain TCP', (mode) => {
  test('pipelined requests are answered in order', async () => {
    const bytes = patterned(2 * MIB + 5)
    const fd = files.with(bytes)
    const ranges = [
      { offset: 7, lengthBytes: 2 * MIB - 9 },
      { offset: 0, lengthBytes: 10 },
      { offset: 100_000, lengthBytes: 900_001 },
      { offset: 5, lengthBytes: 0 },
      { offset: 0, lengthBytes: bytes.length },
    ]
    const server = await serve(
      (path) => ({ lease: countedLease(fd), ...ranges[Number(path.slice(1))] }),
      mode,
    )
    const client = await server.dial(...ranges.map((_, index) => `/${index}`))
    const bodies = await readAnswers(client, ranges.length)
    for (const [index, { offset, lengthBytes }] of ranges.entries()) {
      expect(bodies[index]?.equals(bytes.subarray(offset, offset + lengthBytes))).toBe(true)
    }
  })

  test('a reader that pauses gets every byte in the end', async () => {
    const bytes = patterned(24 * MIB)
    const lease = countedLease(files.with(bytes))
    const server = await serve(() => ({ lease, lengthBytes: bytes.length }), mode)
    const client = await server.dial('/')
    await until(() => server.outcomes.length === 1)
    const reading = readAnswers(client, 1)
    for (const pauseMs of [50, 30, 10]) {
      client.pause()
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
      client.resume()
    }
    expect((await reading)[0]?.equals(bytes)).toBe(true)
    expect(await server.outcomes[0]).toBe('sent')
    expect(lease.releasedCount).toBe(1)
  })

  test('a reader that stops reading is dropped', async () => {
    const lease = countedLease(files.with(patterned(32 * MIB)))
    const buffers = new CountedBuffers(mode === 'starved' ? 0 : 4)
    const server = await serve(
      () => ({ lease, lengthBytes: 32 * MIB, limits: IMPATIENT, buffers }),
      mode,
    )
    await server.dial('/')
    await until(() => server.outcomes.length === 1)
    expect(await server.outcomes[0]).toMatchObject({ code: 'client-gone' })
    expect(lease.releasedCount).toBe(1)
    expect(buffers.lentCount).toBe(0)
  })

  test('a reader of a byte now and then is dropped', async () => {
    const lease = countedLease(files.with(patterned(32 * MIB)))
    const server = await serve(() => ({ lease, lengthBytes: 32 * MIB, limits: IMPATIENT }), mode)
    const client = await server.dial('/')
    const timer = setInterval(() => client.read(1), 10)
    await until(() => server.outcomes.length === 1)
    expect(await server.outcomes[0]).toMatchObject({ code: 'client-gone' })
    clearInterval(timer)
    expect(lease.releasedCount).toBe(1)
  })

  test('a client that leaves midway ends the transfer', async () => {
    const lease = countedLease(files.with(patterned(32 * MIB)))
    const buffers = new CountedBuffers(mode === 'starved' ? 0 : 4)
    const server = await serve(() => ({ lease, lengthBytes: 32 * MIB, buffers }), mode)
    const client = await server.dial('/')
    client.resume()
    await once(client, 'data')
    client.destroy()
    await until(() => server.outcomes.length === 1)
    expect(await server.outcomes[0]).toMatchObject({ code: 'client-gone' })
    await until(() => lease.releasedCount > 0 && buffers.lentCount === 0)
    expect(lease.releasedCount).toBe(1)
  })

  test('responses that wait behind a stalled one end with the connection', async () => {
    const fd = files.with(patterned(32 * MIB))
    const leases = [countedLease(fd), countedLease(fd), countedLease(fd)]
    const buffers = new CountedBuffers(mode === 'starved' ? 0 : 16)
    const server = await serve((path) => {
      const lease = leases[Number(path.slice(1))] ?? countedLease(fd)
      return { lease, lengthBytes: 32 * MIB, buffers }
    }, mode)
    const client = await server.dial('/0', '/1', '/2')
    await until(() => server.outcomes.length === 3)
    client.destroy()
    for (const outcome of await Promise.all(server.outcomes)) {
      expect(outcome).toMatchObject({ code: 'client-gone' })
    }
    await until(() => leases.every((lease) => lease.releasedCount > 0))
    expect(leases.map((lease) => lease.releasedCount)).toEqual([1, 1, 1])
    expect(buffers.lentCount).toBe(0)
  })
})

/** Reads of a file that was just in memory; one of them finds it still there. */
const READS_OF_RESIDENT = 5

test('what is in memory leaves without a buffer, unless sendfile is off or TLS is on', async () => {
  const fd = files.with(patterned(300_000))
  for (const mode of MODES.filter((each) => each !== 'starved')) {
    const buffers = new CountedBuffers()
    const server = await serve(
      () => ({ lease: countedLease(fd), lengthBytes: 300_000, buffers }),
      mode,
    )
    // The system may take pages back at any time: only a body that never leaves directly is a fault.
    let withoutBuffer = false
    for (let attempt = 0; attempt < READS_OF_RESIDENT && !withoutBuffer; attempt++) {
      readSync(fd, Buffer.alloc(300_000), 0, 300_000, 0)
      const taken = buffers.takenCount
      await server.get('/')
      withoutBuffer = buffers.takenCount === taken
    }
    expect(withoutBuffer).toBe(mode === 'direct')
    // The client may have the last byte before the server hears that it was taken.
    await until(() => buffers.lentCount === 0)
  }
})

test('what is not in memory is read aside, and leaves directly the next time', async () => {
  const fd = files.cold(3 * MIB)
  const buffers = new CountedBuffers()
  const server = await serve(() => ({ lease: countedLease(fd), lengthBytes: 3 * MIB, buffers }))
  expect((await server.get('/')).equals(Buffer.alloc(3 * MIB))).toBe(true)
  // The system reads ahead, so not every slice was missing.
  expect(buffers.takenCount).toBeGreaterThan(0)
  let direct = false
  for (let attempt = 0; attempt < READS_OF_RESIDENT && !direct; attempt++) {
    const taken = buffers.takenCount
    expect((await server.get('/')).equals(Buffer.alloc(3 * MIB))).toBe(true)
    direct = buffers.takenCount === taken
  }
  expect(direct).toBe(true)
})

test('a client that leaves while its body waits for a busy disk gives everything back', async () => {
  const fd = files.cold(MIB)
  const lease = countedLease(fd)
  const buffers = new CountedBuffers()
  const server = await serve(() => ({ lease, lengthBytes: MIB, buffers }))
  const busy = Promise.withResolvers<void>()
  const held = Array.from({ length: DISK_OPERATIONS_MAX }, () =>
    diskGateOf(fd).run(() => busy.promise),
  )
  const client = await server.dial('/')
  await until(() => buffers.lentCount === 1)
  client.destroy()
  expect(await server.outcomes[0]).toMatchObject({ code: 'client-gone' })
  expect(buffers.lentCount).toBe(0)
  expect(lease.releasedCount).toBe(1)
  busy.resolve()
  await Promise.all(held)
})

test('a file cut while it is sent ends the connection', async () => {
  const fd = files.with(patterned(32 * MIB))
  const lease = countedLease(fd)
  const server = await serve(() => ({ lease, lengthBytes: 32 * MIB }))
  const client = await server.dial('/')
  await until(() => server.outcomes.length === 1)
  ftruncateSync(fd, MIB)
  client.resume()
  await once(client, 'close')
  expect(await server.outcomes[0]).toMatchObject({ code: 'object-corrupt' })
  expect(lease.releasedCount).toBe(1)
})

test('the bytes handed over are told, for the metrics', async () => {
  const fd = files.with(patterned(2 * MIB))
  const counts: number[] = []
  for (const mode of MODES) {
    const server = await serve(
      () => ({
        lease: countedLease(fd),
        lengthBytes: 2 * MIB - 1,
        onSent: (sentBytes: number) => counts.push(sentBytes),
      }),
      mode,
    )
    await server.get('/')
    await server.outcomes[0]
  }
  expect(counts).toEqual([2 * MIB - 1, 2 * MIB - 1, 2 * MIB - 1, 2 * MIB - 1])
})

describe('take', () => {
  const body = (fd: number, lengthBytes: number, change: Partial<FileBodyOptions> = {}) => {
    const lease = countedLease(fd)
    return { lease, body: createFileBody({ lease, offset: 0, lengthBytes, ...change }) }
  }

  test('gives a small body that is in memory, and closes it', () => {
    const bytes = patterned(70_000)
    const fd = files.with(bytes)
    for (const [offset, lengthBytes, sendfile] of [
      [0, 65_536, 'off'],
      [4463, 65_536, 'off'],
      [4463, 16_384, 'auto'],
      [69_999, 1, 'auto'],
      [70_000, 0, 'auto'],
    ] as const) {
      let taken: Buffer | undefined
      for (let attempt = 0; attempt < READS_OF_RESIDENT && taken === undefined; attempt++) {
        readSync(fd, Buffer.alloc(70_000), 0, 70_000, 0)
        const small = body(fd, lengthBytes, { offset, sendfile })
        taken = small.body.take()
        small.body.close()
        expect(small.lease.releasedCount).toBe(1)
      }
      expect(taken?.equals(bytes.subarray(offset, offset + lengthBytes))).toBe(true)
    }
  })

  test('leaves a larger one, and one that is not in memory, to be sent', () => {
    const large = body(files.with(patterned(65_537)), 65_537, { sendfile: 'off' })
    const direct = body(files.with(patterned(65_537)), 16_385)
    const cold = body(files.cold(4096), 4096)
    for (const each of [large, direct, cold]) {
      expect(each.body.take()).toBeUndefined()
      expect(each.lease.releasedCount).toBe(0)
      each.body.close()
      each.body.close()
      expect(each.lease.releasedCount).toBe(1)
    }
  })

  test('refuses a file that is too short or cannot be read, and closes the body', () => {
    const lease = countedLease(files.with(patterned(4095)))
    const short = createFileBody({ lease, offset: 0, lengthBytes: 4096, recentlyUsed: true })
    // The last page is there, so the system calls the range resident.
    expect(() => short.take()).toThrow(expect.objectContaining({ code: 'object-corrupt' }))
    expect(lease.releasedCount).toBe(1)
    const unreadable = countedLease(files.with(patterned(4096), 'a'))
    const body = createFileBody({ lease: unreadable, offset: 0, lengthBytes: 4096 })
    expect(() => body.take()).toThrow(expect.objectContaining({ code: 'disk-error' }))
    expect(unreadable.releasedCount).toBe(1)
  })

  test('a body that is spent cannot be used again', () => {
    const spent = body(files.with(patterned(10)), 10)
    spent.body.take()
    expect(() => spent.body.take()).toThrow(/once/)
  })
})
