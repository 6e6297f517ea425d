import { Failure } from '@forebay/base/failure'
import { KEY_BYTES_MAX } from '@forebay/base/limits'

/** How much an archive may ask of whoever reads it. */
export interface ArchiveLimits {
  /** Entries of any sort. */
  readonly entriesMax: number
  /** Name of a member, bytes of UTF-8; one with a longer name is left out. */
  readonly nameBytesMax: number
  /** Unpacked bytes for each packed one, beyond `EXPANSION_FREE_BYTES`. */
  readonly expansionMax: number
}

/** AIStore indexes as many; names are keys; text packs 1:10, and the worst that deflate can do is 1:1032. */
export const ARCHIVE_LIMITS: ArchiveLimits = Object.freeze({
  entriesMax: 1_048_576,
  nameBytesMax: KEY_BYTES_MAX,
  expansionMax: 200,
})

/** So much may come out of however little, bytes: zeros are honest too. */
export const EXPANSION_FREE_BYTES = 64 * 1024 ** 2

/** @throws Failure `archive-invalid` when more came out than what went in accounts for */
export function checkExpansion(packedBytes: number, bytes: number, limits: ArchiveLimits): void {
  if (bytes <= EXPANSION_FREE_BYTES || bytes <= packedBytes * limits.expansionMax) return
  throw invalid(`it unpacks to more than ${limits.expansionMax} times its size`)
}

/** @throws Failure `archive-invalid` */
export function checkEntryCount(count: number, limits: ArchiveLimits): void {
  if (count > limits.entriesMax) throw invalid(`it has more than ${limits.entriesMax} entries`)
}

/** @param why "it …" */
export function invalid(why: string, cause?: unknown): Failure {
  return new Failure('archive-invalid', `the archive cannot be read: ${why}`, { cause })
}
