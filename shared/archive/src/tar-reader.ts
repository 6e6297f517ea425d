import type { ByteReader } from './byte-source.ts'
import type { ArchiveEntry, LeftOut } from './entry.ts'
import { type ArchiveLimits, checkEntryCount, invalid } from './limits.ts'
import { memberNameProblem } from './member.ts'
import { decodeTarHeader, type TarHeader } from './tar-fields.ts'
import { TAR_BLOCK_BYTES, tarPaddingBytes } from './tar-header.ts'

/** Records before a header: names, sizes, what else a tar notes. More of them is no archive of files. */
const RECORDS_BYTES_MAX = 64 * 1024

/** Read of a member at a time, bytes. */
const MEMBER_CHUNK_BYTES = 1024 ** 2

const REGULAR = new Set(['0', '\0', '7'])

const LEFT_OUT: Readonly<Record<string, LeftOut>> = {
  '1': 'link',
  '2': 'link',
  '3': 'device',
  '4': 'device',
  '5': 'folder',
  '6': 'device',
  S: 'sparse',
}

/** Entries that are a header alone, whatever their size says (as the tars that write them do). */
const BODILESS = new Set(['1', '2', '3', '4', '5', '6'])

/** What records said of the entry that follows them. */
interface Records {
  readonly path?: string | undefined
  readonly sizeBytes?: number | undefined
  readonly sparse?: boolean | undefined
}

/**
 * The entries of a TAR in order, reading headers alone where nobody wants the bytes. Ends with the
 * archive's end; closes the reader.
 *
 * @returns where the end begins, bytes: new members would go there
 * @throws Failure `archive-invalid`
 */
export async function* readTar(
  reader: ByteReader,
  limits: ArchiveLimits,
): AsyncGenerator<ArchiveEntry, number> {
  try {
    let records: Records = {}
    let endBytes = 0
    for (let count = 1; ; count++) {
      checkEntryCount(count, limits)
      const header = await nextHeader(reader)
      if (header === undefined) {
        await reader.finish()
        return endBytes
      }
      const told = await readRecords(reader, header, records)
      if (told !== undefined) {
        records = told
        continue
      }
      const sizeBytes = BODILESS.has(header.type) ? 0 : (records.sizeBytes ?? header.sizeBytes)
      const end = reader.position + sizeBytes + tarPaddingBytes(sizeBytes)
      if (!Number.isSafeInteger(end)) throw invalid('the size of an entry is no number')
      yield entryOf(reader, { header, records, sizeBytes, limits })
      await reader.skip(end - reader.position)
      endBytes = end
      records = {}
    }
  } finally {
    await reader.close()
  }
}

/** `undefined` at the end: two blocks of zeros, one, or nothing at all, as tars in the wild end. */
async function nextHeader(reader: ByteReader): Promise<TarHeader | undefined> {
  const block = await reader.exactly(TAR_BLOCK_BYTES)
  return block === undefined || isZero(block) ? undefined : decodeTarHeader(block)
}

/** What records say; `undefined`: the header is that of an entry. */
async function readRecords(
  reader: ByteReader,
  { type, sizeBytes }: TarHeader,
  before: Records,
): Promise<Records | undefined> {
  if (!['x', 'g', 'L', 'K'].includes(type)) return undefined
  if (sizeBytes > RECORDS_BYTES_MAX) throw invalid('the records of an entry are too long')
  const bytes = await reader.needed(sizeBytes)
  await reader.skip(tarPaddingBytes(sizeBytes))
  if (type === 'x') return { ...before, ...decodePax(bytes) }
  // GNU: the name of the entry that follows, with a NUL at its end.
  if (type === 'L') return { ...before, path: bytes.toString('utf8').replace(/\0+$/, '') }
  return before
}

function entryOf(
  reader: ByteReader,
  entry: {
    readonly header: TarHeader
    readonly records: Records
    readonly sizeBytes: number
    readonly limits: ArchiveLimits
  },
): ArchiveEntry {
  const { header, records, sizeBytes, limits } = entry
  const name = records.path ?? header.name
  const why = leftOut(header, { ...records, name }, limits)
  if (why !== undefined) return { kind: 'left-out', name: name.slice(0, limits.nameBytesMax), why }
  const offsetBytes = reader.position
  return {
    kind: 'member',
    name,
    sizeBytes,
    modifiedMs: header.modifiedMs,
    offsetBytes,
    bytes: () => memberBytes(reader, offsetBytes, sizeBytes),
  }
}

function leftOut(
  { type }: TarHeader,
  { name, sparse }: Records & { readonly name: string },
  limits: ArchiveLimits,
): LeftOut | undefined {
  if (sparse === true) return 'sparse'
  if (!REGULAR.has(type)) return LEFT_OUT[type] ?? 'other'
  // Before POSIX a folder was a file whose name ends with a slash.
  if (name.endsWith('/')) return 'folder'
  return memberNameProblem(name, limits.nameBytesMax) === undefined ? undefined : 'name'
}

async function* memberBytes(
  reader: ByteReader,
  offsetBytes: number,
  sizeBytes: number,
): AsyncGenerator<Buffer> {
  if (reader.position !== offsetBytes) throw invalid('the bytes of a member were read already')
  for (let leftBytes = sizeBytes; leftBytes > 0; ) {
    const bytes = await reader.some(Math.min(leftBytes, MEMBER_CHUNK_BYTES))
    if (bytes === undefined) throw invalid('it ends in the middle')
    leftBytes -= bytes.length
    yield bytes
  }
}

/** `LENGTH KEY=VALUE\n`, one after the other (POSIX.1-2001). */
function decodePax(bytes: Buffer): Records {
  const found = new Map<string, string>()
  for (let offset = 0; offset < bytes.length; ) {
    const space = bytes.indexOf(0x20, offset)
    const length = space < 0 ? Number.NaN : Number(bytes.toString('latin1', offset, space))
    const end = offset + length
    const isRecord =
      Number.isSafeInteger(length) &&
      end > space + 1 &&
      end <= bytes.length &&
      bytes[end - 1] === 0x0a
    if (!isRecord) throw invalid('the records of an entry are broken')
    const record = bytes.toString('utf8', space + 1, end - 1)
    const equals = record.indexOf('=')
    if (equals <= 0) throw invalid('the records of an entry are broken')
    found.set(record.slice(0, equals), record.slice(equals + 1))
    offset = end
  }
  const size = found.get('size')
  if (size !== undefined && !/^\d{1,16}$/.test(size))
    throw invalid('the size of an entry is no number')
  return {
    ...(found.has('path') ? { path: found.get('path') } : {}),
    ...(size === undefined ? {} : { sizeBytes: Number(size) }),
    ...([...found.keys()].some((key) => key.startsWith('GNU.sparse.')) ? { sparse: true } : {}),
  }
}

function isZero(block: Buffer): boolean {
  return block[0] === 0 && block.every((byte) => byte === 0)
}
