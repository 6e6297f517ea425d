import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import type { ArchiveEntry } from './entry.ts'
import { ARCHIVE_FORMATS, contentTypeOf, formatOfBytes, formatOfName } from './format.ts'
import { readArchive } from './reader.ts'
import { OCTAL_SIZE_MAX } from './tar-header.ts'
import { MemoryFile, MODIFIED_MS, pack, unpack } from './testing/archives.ts'
import { archiveBytes, memberBytes, openArchiveWriter } from './writer.ts'

const LARGE = randomBytes(2_500_001)

/** Names that a header of TAR holds, those that it does not, sizes around its blocks. */
const MEMBERS = {
  'b.txt': 'second letter first: the order is that of the calls',
  'a.txt': '',
  'folder/ü/ä.bin': randomBytes(512),
  [`${'p'.repeat(155)}/${'n'.repeat(100)}`]: randomBytes(511),
  [`${'p'.repeat(156)}/${'n'.repeat(100)}`]: randomBytes(513),
  ['x'.repeat(1024)]: 'the longest key there is',
  'large.bin': LARGE,
}

const EXPECTED = Object.fromEntries(
  Object.entries(MEMBERS).map(([name, bytes]) => [name, Buffer.from(bytes).toString('latin1')]),
)

test.each(ARCHIVE_FORMATS)(
  '%s: what is read is what was written, in the same order',
  async (format) => {
    const found = await unpack(format, await pack(format, MEMBERS))
    expect(Object.keys(found)).toEqual(Object.keys(EXPECTED))
    expect(found).toEqual(EXPECTED)
  },
)

test.each(ARCHIVE_FORMATS)('%s: the same members give the same bytes', async (format) => {
  expect((await pack(format, MEMBERS)).equals(await pack(format, MEMBERS))).toBe(true)
})

test.each(ARCHIVE_FORMATS)('%s: an archive without members has an end', async (format) => {
  const empty = await pack(format, {})
  expect(empty.length).toBeGreaterThan(0)
  expect(await unpack(format, empty)).toEqual({})
})

test.each(ARCHIVE_FORMATS)('%s: is told by its first bytes and by its name', async (format) => {
  expect(formatOfBytes(await pack(format, { a: 'a' }))).toBe(format)
  expect(formatOfName(`shard-000001.${format}`)).toBe(format)
  expect(contentTypeOf(format)).toMatch(/^application\//)
})

test('a name that ends otherwise, and bytes of something else, tell no format', () => {
  expect(formatOfName('tar')).toBeUndefined()
  expect(formatOfName('a.tar.bz2')).toBeUndefined()
  expect(formatOfName('A.TAR.GZ')).toBe('tgz')
  expect(formatOfBytes(Buffer.alloc(0))).toBeUndefined()
  expect(formatOfBytes(Buffer.alloc(300))).toBeUndefined()
})

test.each(['tar', 'zip'] as const)('%s: the length is known before', async (format) => {
  const planned = Object.entries(MEMBERS).map(([name, bytes]) => ({
    name,
    sizeBytes: bytes.length,
    modifiedMs: MODIFIED_MS,
  }))
  expect(archiveBytes(format, planned)).toBe((await pack(format, MEMBERS)).length)
  expect(archiveBytes(format, [])).toBe((await pack(format, {})).length)
})

test.each(['tgz', 'tar.lz4'] as const)('%s: the length is not known before', (format) => {
  expect(archiveBytes(format, [])).toBeUndefined()
  expect(memberBytes(format, { name: 'a', sizeBytes: 1 })).toBe(1024)
})

test.each(ARCHIVE_FORMATS)(
  '%s: buffers are of about a megabyte, whatever the members',
  async (format) => {
    const sizes: number[] = []
    const sink = { write: (chunk: Buffer) => void sizes.push(chunk.length), end: () => undefined }
    const writer = openArchiveWriter(format, sink)
    for (let i = 0; i < 3000; i++)
      await writer.add({ name: `${i}`, sizeBytes: 1000, modifiedMs: 0 }, async (write) => {
        await write(randomBytes(1000))
      })
    await writer.end()
    expect(Math.max(...sizes)).toBeLessThan(1024 ** 2 + 65_536)
    expect(sizes.length).toBeLessThan(20)
  },
)

test('a sink that cannot take more is waited for', async () => {
  let open = 0
  let most = 0
  const sink = {
    write: async () => {
      most = Math.max(most, ++open)
      await new Promise((resolve) => setImmediate(resolve))
      open -= 1
    },
    end: () => undefined,
  }
  const writer = openArchiveWriter('tar', sink)
  await writer.add({ name: 'a', sizeBytes: 5 * 1024 ** 2, modifiedMs: 0 }, async (write) => {
    for (let i = 0; i < 5; i++) await write(Buffer.alloc(1024 ** 2))
  })
  await writer.end()
  expect(most).toBe(1)
})

test.each([
  ['../x', /leads out/],
  ['a/../../x', /leads out/],
  ['/etc/passwd', /begins at the root/],
  ['a\0b', /NUL/],
  ['', /no name/],
  ['folder/', /folder/],
  ['é'.repeat(513), /longer than 1024/],
])('a member cannot be named %j', async (name, why) => {
  for (const format of ARCHIVE_FORMATS)
    await expect(pack(format, { [name]: '' })).rejects.toMatchObject({
      code: 'key-invalid',
      message: expect.stringMatching(why),
    })
})

test.each(ARCHIVE_FORMATS)(
  '%s: a member must have the bytes that were announced',
  async (format) => {
    const add = (given: number) =>
      openArchiveWriter(format, { write: () => undefined, end: () => undefined }).add(
        { name: 'a', sizeBytes: 10, modifiedMs: 0 },
        async (write) => void (await write(Buffer.alloc(given))),
      )
    await expect(add(9)).rejects.toMatchObject({ code: 'body-incomplete' })
    await expect(add(11)).rejects.toMatchObject({ code: 'body-incomplete' })
    await expect(add(10)).resolves.toBeUndefined()
  },
)

test('a size of 8 GiB goes into a record, one byte less into the header', () => {
  const headerBytes = (sizeBytes: number): number =>
    memberBytes('tar', { name: 'a', sizeBytes }) - Math.ceil(sizeBytes / 512) * 512
  expect(headerBytes(OCTAL_SIZE_MAX)).toBe(512)
  expect(headerBytes(OCTAL_SIZE_MAX + 1)).toBe(3 * 512)
})

test('a ZIP may have more entries than its old end record can count', async () => {
  const chunks: Buffer[] = []
  const sink = { write: (chunk: Buffer) => void chunks.push(chunk), end: () => undefined }
  const writer = openArchiveWriter('zip', sink)
  for (let i = 0; i < 66_000; i++)
    await writer.add({ name: `${i}`, sizeBytes: 0, modifiedMs: 0 }, () => Promise.resolve())
  await writer.end()
  let count = 0
  let last: ArchiveEntry | undefined
  for await (const entry of readArchive('zip', new MemoryFile(Buffer.concat(chunks)))) {
    count += 1
    last = entry
  }
  expect(count).toBe(66_000)
  expect(last).toMatchObject({ kind: 'member', name: '65999' })
})

test('dates before 1980 and odd seconds are what a ZIP makes of them', async () => {
  const dates: number[] = []
  const chunks: Buffer[] = []
  const sink = { write: (chunk: Buffer) => void chunks.push(chunk), end: () => undefined }
  const writer = openArchiveWriter('zip', sink)
  for (const modifiedMs of [0, MODIFIED_MS, MODIFIED_MS + 1999])
    await writer.add({ name: `${modifiedMs}`, sizeBytes: 0, modifiedMs }, () => Promise.resolve())
  await writer.end()
  for await (const entry of readArchive('zip', new MemoryFile(Buffer.concat(chunks))))
    if (entry.kind === 'member') dates.push(entry.modifiedMs)
  expect(dates).toEqual([Date.UTC(1980, 0, 1), MODIFIED_MS, MODIFIED_MS])
})
