import { deflateRawSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { ARCHIVE_LIMITS } from './limits.ts'
import { pack, unpack } from './testing/archives.ts'
import { centralHeader, endRecords, localHeader, type ZipEntry } from './zip-records.ts'

const INVALID = { code: 'archive-invalid' }

interface Part {
  readonly name: string
  readonly bytes: Buffer
  readonly central?: ((header: Buffer) => void) | undefined
  readonly local?: ((header: Buffer) => void) | undefined
  readonly crc?: number | undefined
}

/** A ZIP of stored parts with both headers changed at will. */
function zipOf(parts: readonly Part[], shared = false): Buffer {
  const pieces: Buffer[] = []
  const directory: Buffer[] = []
  let offsetBytes = 0
  for (const { name, bytes, central, local, crc = 0 } of parts) {
    const entry: ZipEntry = {
      nameBytes: Buffer.from(name),
      sizeBytes: bytes.length,
      modifiedMs: 0,
      crc,
      offsetBytes: shared ? 0 : offsetBytes,
      described: false,
    }
    const header = localHeader(entry)
    local?.(header)
    if (!shared || pieces.length === 0) {
      pieces.push(header, bytes)
      offsetBytes += header.length + bytes.length
    }
    const listed = centralHeader(entry)
    central?.(listed)
    directory.push(listed)
  }
  const sizeBytes = directory.reduce((sum, { length }) => sum + length, 0)
  const end = endRecords({ count: parts.length, offsetBytes, sizeBytes })
  return Buffer.concat([...pieces, ...directory, end])
}

const EMPTY = Buffer.alloc(0)

test('a ZIP whose directory gives another name than the header is refused', async () => {
  const local = (header: Buffer): void => void header.write('y', 30)
  const zip = zipOf([{ name: 'x', bytes: EMPTY, local }])
  await expect(unpack('zip', zip)).rejects.toMatchObject(INVALID)
})

test.each([
  ['size', 24, 18],
  ['packed size', 20, 22],
  ['method', 10, 8],
])('a ZIP whose directory gives another %s than the header is refused', async (_, at) => {
  const zip = zipOf([
    { name: 'x', bytes: Buffer.alloc(9), central: (header) => void header.writeUInt16LE(8, at) },
  ])
  await expect(unpack('zip', zip)).rejects.toMatchObject(INVALID)
})

test('entries that share bytes are refused', async () => {
  const bytes = Buffer.alloc(100)
  const zip = zipOf(
    [
      { name: 'x', bytes },
      { name: 'x', bytes },
    ],
    true,
  )
  await expect(unpack('zip', zip)).rejects.toThrow(/share bytes/)
})

test('a directory that claims more than the archive could hold is refused at once', async () => {
  const central = (header: Buffer): void => void header.writeUInt32LE(0xfffffff0, 24)
  const zip = zipOf([{ name: 'x', bytes: EMPTY, central }])
  await expect(unpack('zip', zip)).rejects.toThrow(/unpacks to more/)
})

test('an end record that counts more entries than the directory has room for is refused', async () => {
  const zip = await pack('zip', { a: 'a' })
  zip.writeUInt16LE(60_000, zip.length - 12)
  await expect(unpack('zip', zip)).rejects.toMatchObject(INVALID)
})

test('links, devices, encrypted members and unknown methods are left out', async () => {
  const mode = (value: number) => (header: Buffer) => void header.writeUInt32LE(value * 65_536, 38)
  const zip = zipOf([
    { name: 'link', bytes: EMPTY, central: mode(0o120777) },
    { name: 'device', bytes: EMPTY, central: mode(0o020666) },
    { name: 'secret', bytes: EMPTY, central: (header) => void header.writeUInt16LE(1, 8) },
    { name: 'bzip2', bytes: EMPTY, central: (header) => void header.writeUInt16LE(12, 10) },
    { name: '../out', bytes: EMPTY },
    { name: 'folder/', bytes: EMPTY },
    { name: 'file', bytes: EMPTY },
  ])
  expect(await unpack('zip', zip)).toEqual({
    link: '[link]',
    device: '[device]',
    secret: '[encrypted]',
    bzip2: '[method]',
    '../out': '[name]',
    'folder/': '[folder]',
    file: '',
  })
})

/** An archive of one deflated member that says it has `sizeBytes`. */
function deflated(content: Buffer, sizeBytes: number, crc: number): Buffer {
  const bytes = deflateRawSync(content)
  return zipOf([
    {
      name: 'x',
      bytes,
      crc,
      local: (header) => {
        header.writeUInt16LE(8, 8)
        header.writeUInt32LE(sizeBytes, 22)
      },
      central: (header) => {
        header.writeUInt16LE(8, 10)
        header.writeUInt32LE(sizeBytes, 24)
      },
    },
  ])
}

test('deflated members are unpacked and verified', async () => {
  const content = Buffer.from('x'.repeat(1000))
  const { crc32 } = await import('node:zlib')
  const crc = crc32(content)
  expect(await unpack('zip', deflated(content, 1000, crc))).toEqual({ x: content.toString() })
  await expect(unpack('zip', deflated(content, 1000, crc + 1))).rejects.toThrow(/checksum/)
  await expect(unpack('zip', deflated(content, 999, crc))).rejects.toThrow(/as long as it says/)
  await expect(unpack('zip', deflated(content, 1001, crc))).rejects.toThrow(/as long as it says/)
})

test('a member that unpacks to more than it says is given up at once', async () => {
  const bomb = Buffer.alloc(64 * 1024 ** 2)
  await expect(unpack('zip', deflated(bomb, 10, 0))).rejects.toThrow(/as long as it says/)
})

test('a comment behind the end does not hide it', async () => {
  const zip = await pack('zip', { a: 'a' })
  zip.writeUInt16LE(7, zip.length - 2)
  expect(await unpack('zip', Buffer.concat([zip, Buffer.from('comment')]))).toEqual({ a: 'a' })
})

test('a million entries are too many where less is allowed', async () => {
  const zip = await pack('zip', { a: 'a', b: 'b' })
  await expect(unpack('zip', zip, { ...ARCHIVE_LIMITS, entriesMax: 1 })).rejects.toMatchObject(
    INVALID,
  )
})
