import { crc32 } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { UploadStream } from './upload-stream.ts'

const MIB = 1024 ** 2

function bodyOf(bytes: Buffer, chunkBytes: number, lengthBytes = bytes.length) {
  return {
    lengthBytes,
    repeatable: true,
    async *chunks() {
      for (let at = 0; at < bytes.length; at += chunkBytes) {
        yield bytes.subarray(at, at + chunkBytes)
      }
    },
  }
}

async function wireOf(stream: UploadStream): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream.iterate()) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** What a store makes of a framed body. */
function unframe(wire: Buffer): { readonly bytes: Buffer; readonly trailer: string } {
  const frames: Buffer[] = []
  for (let at = 0; ; ) {
    const lineEnd = wire.indexOf('\r\n', at)
    const frameBytes = Number.parseInt(wire.toString('latin1', at, lineEnd), 16)
    if (frameBytes === 0) {
      return { bytes: Buffer.concat(frames), trailer: wire.toString('latin1', lineEnd + 2) }
    }
    frames.push(wire.subarray(lineEnd + 2, lineEnd + 2 + frameBytes))
    at = lineEnd + 2 + frameBytes + 2
  }
}

describe('a framed upload', () => {
  test.each(
    [1, 15, 16, MIB - 1, MIB, MIB + 1, 2 * MIB, 2 * MIB + 4095].flatMap((sizeBytes) =>
      [1000, 300_000, 3 * MIB].map((chunkBytes) => ({ sizeBytes, chunkBytes })),
    ),
  )('of $sizeBytes bytes in chunks of $chunkBytes is as long as announced', async (row) => {
    const bytes = Buffer.alloc(row.sizeBytes, 'abc')
    const stream = new UploadStream(bodyOf(bytes, row.chunkBytes), 'framed')
    const wire = await wireOf(stream)
    expect(wire.length).toBe(stream.wireBytes)
    const { bytes: found, trailer } = unframe(wire)
    expect(found.equals(bytes)).toBe(true)
    const digest = Buffer.alloc(4)
    digest.writeUInt32BE(crc32(bytes))
    expect(trailer).toBe(`x-amz-checksum-crc32:${digest.toString('base64')}\r\n\r\n`)
  })

  test('of no bytes is plain: there is nothing to cut', async () => {
    const stream = new UploadStream(bodyOf(Buffer.alloc(0), 1), 'framed')
    expect(stream.framing).toBe('plain')
    expect(await wireOf(stream)).toEqual(Buffer.alloc(0))
  })
})

test.each(['plain', 'framed'] as const)(
  'a %s upload with too few or too many bytes fails before its announced end',
  async (framing) => {
    for (const lengthBytes of [9, 11]) {
      const stream = new UploadStream(bodyOf(Buffer.alloc(10), 5, lengthBytes), framing)
      let sent = 0
      const send = async (): Promise<void> => {
        for await (const chunk of stream.iterate()) sent += chunk.length
      }
      await expect(send()).rejects.toMatchObject({ code: 'body-incomplete' })
      expect(sent).toBeLessThan(stream.wireBytes)
      expect(stream.isSent).toBe(false)
    }
  },
)

describe('an upload in an envelope', () => {
  const envelope = { head: Buffer.from('head:'), tail: Buffer.from(':tail') }

  test.each([0, 10])('of %i bytes is as long as announced, tail last', async (sizeBytes) => {
    const stream = new UploadStream(bodyOf(Buffer.alloc(sizeBytes, 'a'), 3), 'plain', envelope)
    const wire = await wireOf(stream)
    expect(wire.toString()).toBe(`head:${'a'.repeat(sizeBytes)}:tail`)
    expect(wire.length).toBe(stream.wireBytes)
    expect(stream.isSent).toBe(true)
  })

  test.each([9, 11])(
    'of another length than the %i announced bytes has no tail',
    async (length) => {
      const stream = new UploadStream(bodyOf(Buffer.alloc(10), 5, length), 'plain', envelope)
      const sent: Buffer[] = []
      const send = async (): Promise<void> => {
        for await (const chunk of stream.iterate()) sent.push(chunk)
      }
      await expect(send()).rejects.toMatchObject({ code: 'body-incomplete' })
      expect(Buffer.concat(sent).includes(':tail')).toBe(false)
      expect(stream.isSent).toBe(false)
    },
  )
})
