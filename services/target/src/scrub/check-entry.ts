import { crc32c } from '@forebay/base/digest'
import { createDigester } from '@forebay/base/hash/digester'
import type { DamageKind } from '@forebay/peer/scrub-port'
import { storedDigest } from '../objects/expected-digest.ts'
import type { BlockTable, ObjectRecord } from '../store/contract.ts'
import type { Drive } from '../store/store-context.ts'
import { type EntryFile, isUnreadable, openEntry, SCRUB_SLICE_BYTES } from './entry-file.ts'

/** What a look at the bytes of an entry came to. */
export type Verdict =
  | { readonly kind: 'good' }
  /** The record had no checksum to compare with; this is the one of the bytes. */
  | { readonly kind: 'unknown'; readonly contentXxh64: string }
  /** `blocks`: of a partial entry, those that are wrong; absent when it is the file. */
  | { readonly kind: 'bad'; readonly damage: DamageKind; readonly blocks?: readonly number[] }

/** Asked before every read. */
export type BeforeRead = (cost: { readonly bytes: number; readonly files: number }) => Promise<void>

export interface CheckOptions {
  readonly drive: Drive
  readonly beforeRead: BeforeRead
  readonly signal: AbortSignal
}

/**
 * Reads the bytes of an entry and compares them with what the record says: its size, and its own
 * xxh64, else the cheapest checksum that the backend stated, else for a partial entry each block's
 * crc32c. The xxh64 was computed of the very bytes that passed every check when they came in, so no
 * stronger one would find more.
 *
 * @throws Failure `disk-error` | `slow-down` when nobody can say; the signal's reason
 */
export async function checkEntry(record: ObjectRecord, options: CheckOptions): Promise<Verdict> {
  await options.beforeRead({ bytes: 0, files: 1 })
  const file = await openEntry(options.drive, record)
  if (typeof file === 'string') return { kind: 'bad', damage: file }
  try {
    return record.blocks === undefined
      ? await checkWhole(record, file, options)
      : await checkBlocks(record.blocks, { record, file }, options)
  } catch (error) {
    if (isUnreadable(error)) return { kind: 'bad', damage: 'unreadable' }
    throw error
  } finally {
    file.close()
  }
}

async function checkWhole(
  record: ObjectRecord,
  file: EntryFile,
  options: CheckOptions,
): Promise<Verdict> {
  const { sizeBytes } = record.attributes
  const known = storedDigest(record)
  const algorithm = known?.algorithm ?? 'xxh64'
  const digester = createDigester([algorithm], { expectedBytes: sizeBytes })
  try {
    for (let offset = 0; offset < sizeBytes; ) {
      const bytes = await readNext(file, { offset, end: sizeBytes }, options)
      // Shorter by now than it was when it was opened.
      if (bytes.length === 0) return { kind: 'bad', damage: 'wrong-size' }
      await digester.update(bytes)
      offset += bytes.length
    }
    const hex = (await digester.digest()).get(algorithm) ?? ''
    if (known === undefined) return { kind: 'unknown', contentXxh64: hex }
    return hex === known.hex ? { kind: 'good' } : { kind: 'bad', damage: 'wrong-bytes' }
  } finally {
    digester.abandon()
  }
}

async function checkBlocks(
  table: BlockTable,
  { record, file }: { readonly record: ObjectRecord; readonly file: EntryFile },
  options: CheckOptions,
): Promise<Verdict> {
  const { sizeBytes } = record.attributes
  const wrong: number[] = []
  for (const [index, expected] of table.crcs.entries()) {
    if (expected < 0) continue
    const end = Math.min(sizeBytes, (index + 1) * table.blockBytes)
    let crc = 0
    let offset = index * table.blockBytes
    try {
      while (offset < end) {
        const bytes = await readNext(file, { offset, end }, options)
        if (bytes.length === 0) return { kind: 'bad', damage: 'wrong-size' }
        crc = crc32c(bytes, crc)
        offset += bytes.length
      }
    } catch (error) {
      if (!isUnreadable(error)) throw error
      wrong.push(index)
      continue
    }
    if (crc !== expected) wrong.push(index)
  }
  return wrong.length === 0
    ? { kind: 'good' }
    : { kind: 'bad', damage: 'wrong-bytes', blocks: wrong }
}

async function readNext(
  file: EntryFile,
  range: { readonly offset: number; readonly end: number },
  { beforeRead, signal }: CheckOptions,
): Promise<Buffer> {
  const length = Math.min(SCRUB_SLICE_BYTES, range.end - range.offset)
  await beforeRead({ bytes: length, files: 0 })
  return file.read({ offset: range.offset, lengthBytes: length }, signal)
}
