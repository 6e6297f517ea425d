import { randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { compressFrameSync } from 'lz4-napi'
import { expect, test } from 'vitest'
import { ARCHIVE_FORMATS } from './format.ts'
import { ARCHIVE_LIMITS } from './limits.ts'
import { findTarEnd, readArchive } from './reader.ts'
import { TAR_BLOCK_BYTES } from './tar-header.ts'
import { MemoryFile, MODIFIED_MS, pack, unpack } from './testing/archives.ts'

const INVALID = { code: 'archive-invalid' }

const TWO = { 'a.txt': 'first', 'b.txt': 'x'.repeat(1000) }

/** The block of a TAR at `at` with other bytes in it, and the sum that belongs to them. */
function patched(tar: Buffer, at: number, change: (block: Buffer) => void): Buffer {
  const copy = Buffer.from(tar)
  const block = copy.subarray(at, at + TAR_BLOCK_BYTES)
  change(block)
  block.fill(0x20, 148, 156)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return copy
}

test('members are told with their place, and a TAR is indexed without reading their bytes', async () => {
  const file = new MemoryFile(await pack('tar', { a: 'x'.repeat(10_000_000), b: 'y' }))
  const members = []
  for await (const entry of readArchive('tar', file)) members.push(entry)
  expect(members).toMatchObject([
    { name: 'a', sizeBytes: 10_000_000, offsetBytes: 512, modifiedMs: MODIFIED_MS },
    { name: 'b', sizeBytes: 1, offsetBytes: 512 + 10_000_384 + 512 },
  ])
  expect(file.readBytes).toBeLessThan(200_000)
})

test('the end of a TAR is where its members end', async () => {
  const tar = await pack('tar', TWO)
  expect(await findTarEnd(new MemoryFile(tar))).toBe(tar.length - 1024)
  expect(await findTarEnd(new MemoryFile(tar.subarray(0, -1024)))).toBe(tar.length - 1024)
  expect(await findTarEnd(new MemoryFile(Buffer.alloc(0)))).toBe(0)
})

test('whoever stops in the middle of a member is let go', async () => {
  for (const format of ARCHIVE_FORMATS) {
    const archive = await pack(format, { a: 'x'.repeat(3_000_000), b: 'y' })
    let seen = 0
    for await (const entry of readArchive(format, new MemoryFile(archive))) {
      if (entry.kind === 'member')
        for await (const chunk of entry.bytes()) {
          seen += chunk.length
          break
        }
      break
    }
    expect(seen).toBeGreaterThan(0)
  }
})

test('a member of which a part was read is followed by the next', async () => {
  const archive = await pack('tgz', { a: 'x'.repeat(3_000_000), b: 'y' })
  const names: string[] = []
  for await (const entry of readArchive('tgz', new MemoryFile(archive))) {
    names.push(entry.name)
    if (entry.kind === 'member') for await (const _ of entry.bytes()) break
  }
  expect(names).toEqual(['a', 'b'])
})

test.each(['../../x', '/etc/passwd', 'a/../../b'])(
  'a member named %j is left out, and the rest is read',
  async (name) => {
    const tar = await pack('tar', TWO)
    const hostile = patched(tar, 0, (block) => {
      block.fill(0, 0, 100)
      block.write(name)
    })
    expect(await unpack('tar', hostile)).toEqual({ [name]: '[name]', 'b.txt': TWO['b.txt'] })
  },
)

test('a name with a NUL in a record is left out', async () => {
  const name = 'ü'.repeat(60)
  const tar = await pack('tar', { [name]: 'x', b: 'y' })
  const at = tar.indexOf(name)
  tar.write('\0', at + 5)
  const found = await unpack('tar', tar)
  expect(Object.values(found)).toEqual(['[name]', 'y'])
})

test.each([
  ['1', 'link'],
  ['2', 'link'],
  ['3', 'device'],
  ['4', 'device'],
  ['6', 'device'],
  ['5', 'folder'],
  ['S', 'sparse'],
  ['?', 'other'],
])('an entry of type %s is left out', async (type, why) => {
  const tar = await pack('tar', { a: '', b: 'y' })
  const hostile = patched(tar, 0, (block) => block.write(type, 156))
  expect(await unpack('tar', hostile)).toEqual({ a: `[${why}]`, b: 'y' })
})

test.each([
  ['negative', Buffer.from('ffffffffffffffffffffffff', 'hex')],
  ['2^63', Buffer.from('800000008000000000000000', 'hex')],
  ['2^62', Buffer.from('800000004000000000000000', 'hex')],
  ['no octal number', Buffer.from('99999999999\0')],
  ['with a sign', Buffer.from('-0000000001\0')],
])('a size that is %s is refused', async (_, size) => {
  const tar = await pack('tar', TWO)
  await expect(
    unpack(
      'tar',
      patched(tar, 0, (block) => size.copy(block, 124)),
    ),
  ).rejects.toMatchObject(INVALID)
})

test('a size beyond the end is refused, without memory for it', async () => {
  const tar = await pack('tar', TWO)
  const hostile = patched(tar, 0, (block) => block.write('77777777777', 124))
  await expect(unpack('tar', hostile)).rejects.toMatchObject(INVALID)
})

test('a header whose sum is wrong is refused', async () => {
  const tar = await pack('tar', TWO)
  tar.write('z', 0)
  await expect(unpack('tar', tar)).rejects.toMatchObject(INVALID)
})

test('records that are too long, broken or endless are refused', async () => {
  const tar = await pack('tar', { ['ü'.repeat(60)]: 'x' })
  const tooLong = patched(tar, 0, (block) => block.write('00000300000', 124))
  await expect(unpack('tar', tooLong)).rejects.toMatchObject(INVALID)
  for (const bad of ['0 path=', '999 path', '-1 path=', '7 path\n', 'NaN   =']) {
    const broken = Buffer.from(tar)
    broken.write(bad, TAR_BLOCK_BYTES)
    await expect(unpack('tar', broken)).rejects.toMatchObject(INVALID)
  }
  const endless = Buffer.concat(Array.from({ length: 20 }, () => tar.subarray(0, 1024)))
  await expect(unpack('tar', endless, { ...ARCHIVE_LIMITS, entriesMax: 10 })).rejects.toMatchObject(
    INVALID,
  )
})

test('GNU names and old headers without magic are read', async () => {
  const long = 'n'.repeat(150)
  const body = Buffer.alloc(512)
  body.write(long)
  const [header] = [await pack('tar', { '././@LongLink': '' })]
  const gnu = patched(header, 0, (block) => {
    block.write('L', 156)
    block.write('00000000227', 124)
  }).subarray(0, 512)
  const old = patched(await pack('tar', { a: 'x' }), 0, (block) => block.fill(0, 257))
  expect(await unpack('tar', Buffer.concat([gnu, body, old]))).toEqual({ [long]: 'x' })
})

test('an archive that is cut is refused, and never hangs', async () => {
  const content = { 'a.txt': 'first', 'b.bin': randomBytes(70_000) }
  for (const format of ARCHIVE_FORMATS) {
    const archive = await pack(format, content)
    // A TAR without its end is whole: old tars wrote none. What is packed has a checksum at its end.
    const most = format === 'tar' ? archive.length - 1024 : archive.length
    for (const cutBytes of [1, 100, 30_000, 60_000]) {
      const cut = archive.subarray(0, most - cutBytes)
      await expect(unpack(format, cut)).rejects.toMatchObject(INVALID)
    }
  }
})

test('random bytes are no archive, in no format', async () => {
  for (const format of ARCHIVE_FORMATS)
    await expect(unpack(format, Buffer.alloc(5000, 'no archive'))).rejects.toMatchObject(INVALID)
})

test('a bit that fell over is noticed where the format has checksums', async () => {
  for (const format of ['tgz', 'zip', 'tar.lz4'] as const) {
    const archive = await pack(format, { a: 'x'.repeat(5000) })
    const at = format === 'zip' ? 100 : 40
    archive.writeUInt8(archive.readUInt8(at) ^ 1, at)
    await expect(unpack(format, archive)).rejects.toMatchObject(INVALID)
  }
})

test('more entries or longer names than allowed are refused or left out', async () => {
  for (const format of ARCHIVE_FORMATS) {
    const archive = await pack(format, { a: '1', bb: '2' })
    expect(
      Object.keys(await unpack(format, archive, { ...ARCHIVE_LIMITS, entriesMax: 3 })),
    ).toHaveLength(2)
    await expect(
      unpack(format, archive, { ...ARCHIVE_LIMITS, entriesMax: 1 }),
    ).rejects.toMatchObject(INVALID)
    const short = await unpack(format, archive, { ...ARCHIVE_LIMITS, nameBytesMax: 1 })
    expect(Object.values(short)).toEqual(['1', '[name]'])
  }
})

test('a bomb is refused long before it is unpacked', async () => {
  const zeros = Buffer.alloc(100 * 1024 ** 2)
  const tar = await pack('tar', { bomb: zeros })
  const before = process.memoryUsage().arrayBuffers
  await expect(unpack('tgz', gzipSync(tar))).rejects.toMatchObject(INVALID)
  const packed = compressFrameSync(tar)
  await expect(
    unpack('tar.lz4', packed, { ...ARCHIVE_LIMITS, expansionMax: 100 }),
  ).rejects.toMatchObject(INVALID)
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(200 * 1024 ** 2)
})

test('a member that packs well within the allowance is read', async () => {
  const zeros = Buffer.alloc(30 * 1024 ** 2)
  const found = await unpack('tgz', await pack('tgz', { zeros }))
  expect(found['zeros']).toHaveLength(zeros.length)
})

test('frames and gzip streams of other writers are read, several in a row too', async () => {
  const tar = await pack('tar', TWO)
  const cut = 700
  const halves = [tar.subarray(0, cut), tar.subarray(cut)]
  expect(await unpack('tgz', Buffer.concat(halves.map((half) => gzipSync(half))))).toEqual(TWO)
  const skippable = Buffer.from([0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3])
  const frames = halves.map((half) =>
    compressFrameSync(half, { contentChecksum: true, blockChecksums: true }),
  )
  expect(await unpack('tar.lz4', Buffer.concat([skippable, ...frames]))).toEqual(TWO)
})
