/** The formats, by the ends of names that stand for them. */
export const ARCHIVE_FORMATS = ['tar', 'tgz', 'zip', 'tar.lz4'] as const

export type ArchiveFormat = (typeof ARCHIVE_FORMATS)[number]

const ENDINGS: readonly (readonly [ending: string, format: ArchiveFormat])[] = [
  ['.tar.lz4', 'tar.lz4'],
  ['.tar.gz', 'tgz'],
  ['.tgz', 'tgz'],
  ['.tar', 'tar'],
  ['.zip', 'zip'],
]

/** First bytes that tell a format: enough for `formatOfBytes`. */
export const MAGIC_BYTES = 262

const USTAR_OFFSET = 257

const CONTENT_TYPES: Readonly<Record<ArchiveFormat, string>> = {
  tar: 'application/x-tar',
  tgz: 'application/gzip',
  zip: 'application/zip',
  'tar.lz4': 'application/x-lz4',
}

/** The format that a name stands for; `undefined` where it ends in none. */
export function formatOfName(name: string): ArchiveFormat | undefined {
  const lower = name.toLowerCase()
  return ENDINGS.find(([ending]) => lower.endsWith(ending))?.[1]
}

/** The format of an archive that begins with `head`, its first `MAGIC_BYTES`; `undefined`: none of ours. */
export function formatOfBytes(head: Buffer): ArchiveFormat | undefined {
  if (head.subarray(USTAR_OFFSET, USTAR_OFFSET + 5).toString('latin1') === 'ustar') return 'tar'
  if (head.length >= 2 && head.readUInt16BE(0) === 0x1f8b) return 'tgz'
  if (head.length < 4) return undefined
  const magic = head.readUInt32LE(0)
  // The second is an archive without members: its end alone.
  if (magic === 0x04034b50 || magic === 0x06054b50) return 'zip'
  return magic === 0x184d2204 ? 'tar.lz4' : undefined
}

export function contentTypeOf(format: ArchiveFormat): string {
  return CONTENT_TYPES[format]
}
