import { Failure } from './failure.ts'

/** Bytes of each unit word, largest first; words are matched without regard to case. */
const UNITS: readonly (readonly [word: string, bytes: number])[] = [
  ['PiB', 1024 ** 5],
  ['PB', 1000 ** 5],
  ['TiB', 1024 ** 4],
  ['TB', 1000 ** 4],
  ['GiB', 1024 ** 3],
  ['GB', 1000 ** 3],
  ['MiB', 1024 ** 2],
  ['MB', 1000 ** 2],
  ['KiB', 1024],
  ['KB', 1000],
  ['B', 1],
]

const BYTES_BY_WORD = new Map(UNITS.map(([word, bytes]) => [word.toLowerCase(), bytes]))

/** The unit words as users may write them. */
export const BYTE_UNITS_TEXT = 'B, KB, MB, GB, TB, PB (powers of 1000) or KiB, MiB, GiB, TiB, PiB'

const SIZE = /^(\d{1,16}(?:\.\d{1,9})?)\s*([A-Za-z]*)$/

/**
 * Bytes that a size means: a count (`4096`, also as text) or a number with a unit (`4MiB`, `1.5 GB`).
 *
 * `K`, `M` and `G` alone are refused, because half of the world reads them as powers of 1024.
 *
 * @returns a whole number, 0..2^53-1
 * @throws Failure `argument-invalid` saying what is wrong with the value
 */
export function parseBytes(value: string | number): number {
  if (typeof value === 'number') return checkWhole(value, String(value))
  const match = SIZE.exec(value.trim())
  if (match === null) throw invalid(value, 'is not a size')
  const [, digits = '', word = ''] = match
  const unit = word === '' ? 1 : BYTES_BY_WORD.get(word.toLowerCase())
  if (unit === undefined) throw invalid(value, `has the unknown unit "${word}"`)
  return checkWhole(Number(digits) * unit, value)
}

/**
 * The shortest text that `parseBytes` reads back as exactly `bytes`: `4MiB`, `1GB`, `4097`.
 *
 * @param bytes whole, 0..2^53-1
 */
export function formatBytes(bytes: number): string {
  if (bytes === 0) return '0'
  const unit = UNITS.find(([, size]) => bytes % size === 0 && size > 1)
  return unit === undefined ? String(bytes) : `${bytes / unit[1]}${unit[0]}`
}

/** A size for people to read, three digits and a binary unit: `1.42 GiB`, `512 B`. Not exact. */
export function describeBytes(bytes: number): string {
  const unit = UNITS.find(([word, size]) => word.endsWith('iB') && bytes >= size)
  if (unit === undefined) return `${Math.round(bytes)} B`
  const count = bytes / unit[1]
  const digits = count >= 100 ? 0 : count >= 10 ? 1 : 2
  return `${count.toFixed(digits)} ${unit[0]}`
}

function checkWhole(bytes: number, written: string): number {
  if (!Number.isFinite(bytes)) throw invalid(written, 'is not a finite number')
  if (bytes < 0) throw invalid(written, 'is negative')
  if (!Number.isInteger(bytes)) throw invalid(written, 'is not a whole number of bytes')
  if (!Number.isSafeInteger(bytes)) throw invalid(written, 'is larger than 2^53-1 bytes')
  return bytes
}

function invalid(written: string, why: string): Failure {
  return new Failure(
    'argument-invalid',
    `size "${written}" ${why}; want a number of bytes or one with a unit: ${BYTE_UNITS_TEXT}`,
    { facts: { why } },
  )
}
