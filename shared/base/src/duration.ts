import { Failure } from './failure.ts'

/** Milliseconds of each unit, largest first: the order in which a duration names them. */
const UNITS: readonly (readonly [word: string, ms: number])[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
]

/** The longest duration that settings and properties take, ms: 100 years, far inside 2^53. */
export const DURATION_MAX_MS = 36_525 * 86_400_000

const TERM = /(\d{1,15}(?:\.\d{1,9})?)(ms|[dhms])/y

/**
 * Milliseconds of a duration: `250ms`, `30s`, `5m`, `1h30m`, `2d`, `1.5s`, `0`.
 *
 * A number without a unit is refused unless it is 0; units stand in falling order, each once.
 *
 * @returns whole milliseconds, 0..`DURATION_MAX_MS`
 * @throws Failure `argument-invalid` saying what is wrong with the value
 */
export function parseDuration(value: string): number {
  const text = value.trim()
  if (text === '0') return 0
  let ms = 0
  let unitAfter = -1
  let at = 0
  while (at < text.length) {
    TERM.lastIndex = at
    const match = TERM.exec(text)
    if (match === null) throw invalid(value, explain(text))
    const [term, digits = '', word = ''] = match
    const unitIndex = UNITS.findIndex(([unit]) => unit === word)
    if (unitIndex <= unitAfter) throw invalid(value, 'does not name its units in falling order')
    ms += Number(digits) * (UNITS[unitIndex]?.[1] ?? 0)
    unitAfter = unitIndex
    at += term.length
  }
  if (text === '') throw invalid(value, 'is empty')
  if (!Number.isInteger(ms)) throw invalid(value, 'is not a whole number of milliseconds')
  if (ms > DURATION_MAX_MS) throw invalid(value, 'is longer than 100 years')
  return ms
}

/**
 * The text that `parseDuration` reads back as exactly `ms`: `5m`, `1h30m`, `250ms`, `0s`.
 *
 * @param ms whole, 0..`DURATION_MAX_MS`
 */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0s'
  let rest = ms
  let text = ''
  for (const [word, size] of UNITS) {
    const count = Math.floor(rest / size)
    if (count > 0) text += `${count}${word}`
    rest -= count * size
  }
  return text
}

function explain(text: string): string {
  if (text.startsWith('-')) return 'is negative'
  if (/^\d+(\.\d+)?$/.test(text)) return 'has no unit'
  return 'is not a duration'
}

function invalid(written: string, why: string): Failure {
  return new Failure(
    'argument-invalid',
    `duration "${written}" ${why}; want for example 250ms, 30s, 5m, 1h30m or 2d`,
    { facts: { why } },
  )
}
