import { describeBytes } from '@forebay/base/bytes'

/** What stands where nothing is known. */
export const UNKNOWN = '–'

export function bytesText(bytes: number | undefined): string {
  return bytes === undefined ? UNKNOWN : describeBytes(bytes)
}

export function byteRateText(bytesPerSecond: number | undefined): string {
  return bytesPerSecond === undefined ? UNKNOWN : `${describeBytes(Math.round(bytesPerSecond))}/s`
}

/** `0/s`, `0.4/s`, `12.5/s`, `1,204/s`. */
export function rateText(perSecond: number | undefined): string {
  if (perSecond === undefined) return UNKNOWN
  if (perSecond === 0 || perSecond >= 100) return `${countText(Math.round(perSecond))}/s`
  return `${perSecond < 0.1 ? perSecond.toFixed(2) : perSecond.toFixed(1)}/s`
}

/** A whole number in groups of three digits. */
export function countText(count: number | undefined): string {
  return count === undefined ? UNKNOWN : count.toLocaleString('en-US', { maximumFractionDigits: 0 })
}

/** A share of 0..1 as percent. */
export function percentText(share: number | undefined): string {
  return share === undefined ? UNKNOWN : `${(share * 100).toFixed(1)} %`
}

/** A short time: `0.4 ms`, `12 ms`, `3.1 s`. */
export function timeText(seconds: number | undefined): string {
  if (seconds === undefined || Number.isNaN(seconds)) return UNKNOWN
  const ms = seconds * 1000
  if (ms < 10) return `${ms.toFixed(1)} ms`
  return ms < 1000 ? `${Math.round(ms)} ms` : `${seconds.toFixed(1)} s`
}

/** A long time in its two largest units: `3 d 4 h`, `12 min 5 s`. */
export function spanText(seconds: number | undefined): string {
  if (seconds === undefined) return UNKNOWN
  let rest = Math.max(0, Math.floor(seconds))
  const parts: string[] = []
  for (const [unit, size] of UNITS) {
    const count = Math.floor(rest / size)
    rest -= count * size
    if (count > 0) parts.push(`${count} ${unit}`)
    else if (parts.length > 0) break
    if (parts.length === 2) break
  }
  return parts.length === 0 ? '0 s' : parts.join(' ')
}

const UNITS = [
  ['d', 86_400],
  ['h', 3600],
  ['min', 60],
  ['s', 1],
] as const

/** A time as the node writes it, for people: `2026-11-21 14:05:00 UTC`. */
export function dateText(date: string | undefined): string | undefined {
  return date?.replace('T', ' ').replace(/(?:\.\d+)?Z$/, ' UTC')
}

/**
 * A name as text that shows what is in it: control characters, and those that change the direction of
 * what follows, are written out. The browser draws the rest.
 */
export function nameText(name: string): string {
  return name.replace(HIDDEN, (character) => {
    const code = character.codePointAt(0) ?? 0
    return `\\u{${code.toString(16)}}`
  })
}

/** Controls, line and paragraph separators, zero-width and bidirectional marks. */
const HIDDEN = /[\p{Cc}\p{Cf}\u2028\u2029]/gu
