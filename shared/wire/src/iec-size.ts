import { Failure } from '@forebay/base/failure'

const UNITS = ['', 'k', 'm', 'g', 't', 'p'] as const

/**
 * Reads a size: `64MiB`, `1g`, `65536`. Letters in any case; `KB`, `MB` are powers of 1,024 as in
 * AIStore.
 *
 * @returns bytes, 0..2^53 - 1
 * @throws Failure `argument-invalid`
 */
export function parseIecSize(text: string): number {
  const match = /^(\d{1,16}(?:\.\d{1,6})?)\s*([kmgtp]?)(i?b)?$/i.exec(text)
  if (match === null) throw invalid(text)
  const power = UNITS.findIndex((unit) => unit === (match[2] ?? '').toLowerCase())
  const bytes = Math.round(Number(match[1]) * 1024 ** power)
  if (!Number.isSafeInteger(bytes)) throw invalid(text)
  return bytes
}

/** Writes a size as AIStore does: the largest unit that leaves a short exact number, else bytes. */
export function formatIecSize(bytes: number): string {
  for (let power = UNITS.length - 1; power > 0; power--) {
    const unitBytes = 1024 ** power
    if (bytes >= unitBytes && bytes % unitBytes === 0) {
      return `${bytes / unitBytes}${(UNITS[power] ?? '').toUpperCase()}iB`
    }
  }
  return `${bytes}B`
}

function invalid(text: string): Failure {
  return new Failure(
    'argument-invalid',
    `"${text.slice(0, 64)}" is not a size such as 64KiB, 4MiB or 65536`,
  )
}
