import { describeBytes } from '@forebay/base/bytes'

/** Bytes for people, `-` where nobody knows. */
export function sizeText(bytes: number | undefined): string {
  return bytes === undefined ? '-' : describeBytes(bytes)
}

/** A time in UTC, to the second: `2026-11-21 04:44:45`; `-` where nobody knows. */
export function timeText(time: string | number | undefined): string {
  if (time === undefined) return '-'
  const date = new Date(time)
  return Number.isNaN(date.getTime()) ? '-' : date.toISOString().slice(0, 19).replace('T', ' ')
}

/** A span of time in its two largest units: `2d 3h`, `4m 5s`, `12s`. */
export function spanText(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  const parts = [
    [Math.floor(whole / 86_400), 'd'],
    [Math.floor((whole % 86_400) / 3600), 'h'],
    [Math.floor((whole % 3600) / 60), 'm'],
    [whole % 60, 's'],
  ] as const
  const first = parts.findIndex(([count]) => count > 0)
  if (first === -1) return '0s'
  return parts
    .slice(first, first + 2)
    .filter(([count], at) => at === 0 || count > 0)
    .map(([count, unit]) => `${count}${unit}`)
    .join(' ')
}

/** A share in percent; `-` of nothing. */
export function shareText(part: number, whole: number): string {
  return whole === 0 ? '-' : `${((part / whole) * 100).toFixed(1)} %`
}

/** Any value of a property or setting in one line. */
export function valueText(value: unknown): string {
  if (value === undefined || value === null) return '-'
  return typeof value === 'string' ? value : JSON.stringify(value)
}
