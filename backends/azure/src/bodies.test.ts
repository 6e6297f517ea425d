import type { BackendBody, UploadBody } from '@forebay/backend-port/backend'
import { describe, expect, test } from 'vitest'
import { BlockSource } from './block-source.ts'
import { relayBody } from './relay-body.ts'

const BYTES = Buffer.from('0123456789'.repeat(10))

function bodyOf(chunkBytes: number, onEnd: () => void = () => undefined): UploadBody {
  return {
    lengthBytes: BYTES.length,
    repeatable: false,
    async *chunks() {
      try {
        for (let at = 0; at < BYTES.length; at += chunkBytes) {
          yield BYTES.subarray(at, at + chunkBytes)
        }
      } finally {
        onEnd()
      }
    },
  }
}

async function collect(body: UploadBody): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of body.chunks()) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}

describe('a body in blocks', () => {
  test.each([
    [1, 100],
    [7, 30],
    [30, 30],
    [100, 33],
    [100, 100],
  ])('of chunks of %i bytes, in blocks of %i, has every byte once', async (chunkBytes, size) => {
    const source = new BlockSource(bodyOf(chunkBytes))
    const blocks: Buffer[] = []
    for (let at = 0; at < BYTES.length; at += size) {
      const block = await collect(source.block(Math.min(size, BYTES.length - at)))
      expect(block.length).toBe(Math.min(size, BYTES.length - at))
      blocks.push(block)
    }
    await source.end()
    expect(Buffer.concat(blocks)).toEqual(BYTES)
  })

  test.each([99, 1])(
    'that goes on after the announced end (in chunks of %i) is refused',
    async (n) => {
      const source = new BlockSource(bodyOf(n))
      await collect(source.block(98))
      await expect(source.end()).rejects.toMatchObject({ code: 'body-incomplete' })
    },
  )

  test('whose source throws after the last byte does not end well', async () => {
    const verdict = new Error('the checksum is wrong')
    const source = new BlockSource({
      lengthBytes: BYTES.length,
      repeatable: false,
      async *chunks() {
        yield BYTES
        throw verdict
      },
    })
    await collect(source.block(BYTES.length))
    await expect(source.end()).rejects.toBe(verdict)
  })

  test('that nobody wants any more lets its source end', async () => {
    let ended = false
    const source = new BlockSource(
      bodyOf(10, () => {
        ended = true
      }),
    )
    await collect(source.block(10))
    await source.close()
    expect(ended).toBe(true)
  })
})

function answerOf(chunks: readonly Buffer[], error?: Error): BackendBody & { discarded: boolean } {
  return {
    lengthBytes: undefined,
    discarded: false,
    async pump(write) {
      for (const chunk of chunks) await write(chunk)
      if (error !== undefined) throw error
    },
    discard() {
      this.discarded = true
    },
  }
}

describe('an answer that is uploaded', () => {
  test('has every byte once', async () => {
    const chunks = [BYTES.subarray(0, 10), BYTES.subarray(10, 11), BYTES.subarray(11)]
    expect(await collect(relayBody(answerOf(chunks), BYTES.length))).toEqual(BYTES)
  })

  test('fails where the answer breaks', async () => {
    const broken = new Error('cut')
    const body = relayBody(answerOf([BYTES], broken), 2 * BYTES.length)
    await expect(collect(body)).rejects.toBe(broken)
  })

  test('is discarded when the upload ends before', async () => {
    const answer = answerOf([BYTES, BYTES])
    for await (const _ of relayBody(answer, 2 * BYTES.length).chunks()) break
    expect(answer.discarded).toBe(true)
  })
})
