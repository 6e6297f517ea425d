import { once } from 'node:events'
import { writeSync } from 'node:fs'
import { Failure } from '@forebay/base/failure'
import type { ObjectBody } from '@forebay/peer/bodies'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createFollowingBody } from './send-range.ts'
import { BodyServer, Files, patterned, until } from './testing/body-server.ts'

const MIB = 1024 ** 2

/** A file that fills step by step; what is not granted yet holds bytes that nobody may see. */
class Growing {
  readonly fd: number
  readonly #bytes: Buffer
  readonly #steps: number[]
  grantedBytes = 0
  /** True while a follower waits for bytes that will never come. */
  isWaiting = false
  aborted: unknown

  constructor(fd: number, bytes: Buffer, steps: readonly number[]) {
    this.fd = fd
    this.#bytes = bytes
    this.#steps = [...steps]
  }

  async waitFor(offset: number, signal: AbortSignal): Promise<number> {
    if (offset < this.grantedBytes) return this.grantedBytes - offset
    const step = this.#steps.shift()
    if (step === 0) throw new Failure('backend-unreachable', 'the origin left')
    if (step === undefined) {
      this.isWaiting = true
      await once(signal, 'abort')
      this.aborted = signal.reason
      throw signal.reason
    }
    await new Promise((resolve) => setImmediate(resolve))
    // Whoever sent more than was granted has sent other bytes than these.
    const end = Math.min(offset + step, this.#bytes.length)
    writeSync(this.fd, this.#bytes, this.grantedBytes, end - this.grantedBytes, this.grantedBytes)
    this.grantedBytes = end
    return end - offset
  }
}

let files: Files
let server: BodyServer
let body: () => ObjectBody

beforeEach(async () => {
  files = new Files()
  server = await new BodyServer(() => body()).start()
})
afterEach(async () => {
  await server.close()
  files.close()
})

describe.each(['auto', 'off'] as const)('sendfile %s', (sendfile) => {
  test('a follower gets the bytes as they are granted, and never others', async () => {
    const bytes = patterned(3 * MIB + 11)
    const garbage = Buffer.alloc(bytes.length, 0xee)
    const steps = fc.array(fc.oneof(fc.integer({ min: 1, max: 5000 }), fc.nat({ max: 2 * MIB })), {
      maxLength: 12,
    })
    await fc.assert(
      fc.asyncProperty(steps, fc.nat({ max: bytes.length }), async (sizes, offset) => {
        const positive = [...sizes.filter((size) => size > 0), bytes.length]
        const source = new Growing(files.with(garbage), bytes, positive)
        let closedCount = 0
        body = () =>
          createFollowingBody({
            source,
            offset,
            lengthBytes: bytes.length - offset,
            sendfile,
            onClose: () => {
              closedCount += 1
            },
          })
        // The part before the range counts as granted from the start.
        writeSync(source.fd, bytes, 0, offset, 0)
        source.grantedBytes = offset
        expect((await server.get('/')).equals(bytes.subarray(offset))).toBe(true)
        await server.outcomes.at(-1)
        expect(closedCount).toBe(1)
      }),
      { numRuns: 25 },
    )
    expect(server.connectionCount).toBe(1)
  })

  test('when the rest will not come the connection ends before its announced end', async () => {
    const bytes = patterned(MIB)
    const source = new Growing(files.with(Buffer.alloc(MIB)), bytes, [1000, 300_000, 0])
    let closedCount = 0
    const onClose = (): void => {
      closedCount += 1
    }
    body = () => createFollowingBody({ source, offset: 0, lengthBytes: MIB, sendfile, onClose })
    await expect(server.get('/')).rejects.toThrow()
    expect(await server.outcomes[0]).toMatchObject({ code: 'backend-unreachable' })
    expect(closedCount).toBe(1)
  })

  test('a follower whose client leaves stops waiting', async () => {
    const bytes = patterned(MIB)
    const source = new Growing(files.with(Buffer.alloc(MIB)), bytes, [1000, 300_000])
    let closedCount = 0
    const onClose = (): void => {
      closedCount += 1
    }
    body = () => createFollowingBody({ source, offset: 0, lengthBytes: MIB, sendfile, onClose })
    const client = await server.dial('/')
    client.resume()
    await until(() => source.isWaiting)
    client.destroy()
    await until(() => server.outcomes.length === 1)
    expect(await server.outcomes[0]).toMatchObject({ code: 'client-gone' })
    expect(source.aborted).toMatchObject({ code: 'client-gone' })
    expect(closedCount).toBe(1)
  })
})

test('waiting for the origin is not held against the client', async () => {
  const bytes = patterned(1000)
  const source = {
    fd: files.with(bytes),
    waitFor: (offset: number) =>
      new Promise<number>((resolve) => setTimeout(() => resolve(offset < 500 ? 500 : 500), 120)),
  }
  const limits = { stallTimeoutMs: 40, stallBytesMin: 1000 }
  const onClose = (): void => undefined
  body = () => createFollowingBody({ source, offset: 0, lengthBytes: 1000, limits, onClose })
  expect((await server.get('/')).equals(bytes)).toBe(true)
})

test('a following body has nothing to take, unless it is empty', () => {
  let closedCount = 0
  const source = { fd: files.with(patterned(10)), waitFor: async () => 10 }
  const onClose = (): void => {
    closedCount += 1
  }
  const some = createFollowingBody({ source, offset: 0, lengthBytes: 10, onClose })
  expect(some.take()).toBeUndefined()
  some.close()
  some.close()
  expect(closedCount).toBe(1)
  const none = createFollowingBody({ source, offset: 10, lengthBytes: 0, onClose })
  expect(none.take()).toHaveLength(0)
  expect(closedCount).toBe(2)
})
