import { appendFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compareKeys } from '@forebay/model/key'
import type { ListedObject } from '@forebay/model/object'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { decodeChunk, encodeChunk, indexNames, NamesReader, writeChunk } from './names-file.ts'

const signal = new AbortController().signal

function object(key: string, more: Partial<ListedObject> = {}): ListedObject {
  return { key, sizeBytes: 3, etag: `etag-${key}`, lastModifiedMs: 1_785_578_400_000, ...more }
}

describe('a chunk of names', () => {
  it('gives back what a list told, whatever the names are', () => {
    const key = fc
      .string({ unit: 'binary', minLength: 1, maxLength: 20 })
      .filter((text) => text.isWellFormed() && !text.includes('\0'))
    const told = fc.record(
      {
        sizeBytes: fc.nat(),
        lastModifiedMs: fc.nat(),
        etag: fc.constantFrom('', 'é"', 'a-2'),
        storageClass: fc.constantFrom('STANDARD', 'GLACIER'),
        checksumAlgorithm: fc.constantFrom('crc32', 'sha256'),
        checksumKind: fc.constantFrom('whole' as const, 'composite' as const),
      },
      { requiredKeys: ['sizeBytes', 'lastModifiedMs', 'etag'] },
    )
    fc.assert(
      fc.property(
        fc.uniqueArray(key, { minLength: 1 }),
        fc.array(told, { minLength: 1 }),
        (keys, facts) => {
          const objects = keys
            .sort(compareKeys)
            .map((name, at) => object(name, facts[at % facts.length]))
          expect(decodeChunk(encodeChunk(objects))).toEqual(objects)
        },
      ),
    )
  })

  it('does not tear a pair of surrogates of which two names share the first half', () => {
    const objects = [object('a\u{1f600}'), object('a\u{1f601}'), object('a\u{1f601}b')]
    expect(decodeChunk(encodeChunk(objects))).toEqual(objects)
  })

  it('is refused with a NUL byte, which would be taken for the end of a name', () => {
    expect(() => encodeChunk([object('a\0b')])).toThrow(
      expect.objectContaining({ code: 'not-implemented' }),
    )
  })

  it('is damage when any of its bytes is another', () => {
    const chunk = encodeChunk([object('a'), object('b')])
    for (let at = 0; at < chunk.length; at++) {
      // The number of names is not under the checksum, but no other one fits.
      const other = Buffer.from(chunk)
      other[at] = (other[at] ?? 0) ^ 1
      expect(() => decodeChunk(other)).toThrow(expect.objectContaining({ code: 'internal' }))
    }
    for (const bytes of [0, 11, chunk.length - 1]) {
      expect(() => decodeChunk(chunk.subarray(0, bytes))).toThrow(
        expect.objectContaining({ code: 'internal' }),
      )
    }
  })
})

describe('a file of names', () => {
  let folder: string
  let path: string

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'names-'))
    path = join(folder, 'names')
  })

  afterEach(() => rm(folder, { recursive: true }))

  async function write(pages: readonly (readonly string[])[]): Promise<number> {
    let bytes = 0
    for (const page of pages) {
      bytes += await writeChunk(
        path,
        bytes,
        page.map((key) => object(key)),
      )
    }
    return bytes
  }

  it('is read chunk by chunk while it is open, and not after it was closed', async () => {
    const bytes = await write([['a', 'b'], ['c']])
    const { chunks, objects } = await indexNames(path, bytes, signal)
    expect(objects).toBe(3)
    const reader = new NamesReader(path)
    const [first, second] = chunks
    if (first === undefined || second === undefined) throw new Error('two chunks were written')
    // The read was begun before: it ends well.
    const begun = reader.read(second)
    const closed = reader.close()
    expect(await begun).toEqual([object('c')])
    await closed
    await expect(reader.read(first)).rejects.toMatchObject({ code: 'internal' })
  })

  it('is closed without a word where it could not be opened', async () => {
    const reader = new NamesReader(join(folder, 'none'))
    const place = { offset: 0, bytes: 20, first: 'a' }
    await expect(reader.read(place)).rejects.toMatchObject({ code: 'ENOENT' })
    await reader.close()
  })

  it('has no index when its names are not in order, or it ends too early', async () => {
    const bytes = await write([['b'], ['a']])
    const damaged = { code: 'internal' }
    await expect(indexNames(path, bytes, signal)).rejects.toMatchObject(damaged)
    const right = await write([['a'], ['b']])
    appendFileSync(path, 'x')
    await expect(indexNames(path, right + 1, signal)).rejects.toMatchObject(damaged)
    expect((await indexNames(path, right, signal)).objects).toBe(2)
  })
})
