import { DURATION_MAX_MS } from '@forebay/base/duration'
import { Failure } from '@forebay/base/failure'

const UNIT_MS: ReadonlyMap<string, number> = new Map([
  ['ns', 1e-6],
  ['us', 1e-3],
  ['µs', 1e-3],
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
])

/**
 * Reads a Go duration (`1h30m`, `1.5s`, `250ms`), not negative.
 *
 * @returns milliseconds, rounded
 * @throws Failure `argument-invalid`
 */
export function parseGoDuration(text: string): number {
  if (text === '0') return 0
  if (!/^(\d{1,15}(\.\d{1,9})?(ns|us|µs|ms|s|m|h))+$/.test(text)) throw invalid(text)
  let sum = 0
  for (const [, count = '', , unit = ''] of text.matchAll(/(\d+(\.\d+)?)(ns|us|µs|ms|s|m|h)/g)) {
    sum += Number(count) * (UNIT_MS.get(unit) ?? 0)
  }
  if (sum > DURATION_MAX_MS) throw invalid(text)
  return Math.round(sum)
}

/** Writes a duration as AIStore does: `2h0m`, `10m`, `30s`, `100ms`, `0s`. */
export function formatGoDuration(ms: number): string {
  if (ms < 1000) return ms === 0 ? '0s' : `${ms}ms`
  const hours = Math.floor(ms / 3_600_000)
  const minutes = Math.floor((ms % 3_600_000) / 60_000)
  const seconds = (ms % 60_000) / 1000
  const head = hours > 0 ? `${hours}h${minutes}m` : minutes > 0 ? `${minutes}m` : ''
  return head !== '' && seconds === 0 ? head : `${head}${seconds}s`
}

function invalid(text: string): Failure {
  return new Failure(
    'argument-invalid',
    `"${text.slice(0, 64)}" is not a duration such as 30s, 5m or 1h30m`,
  )
}
