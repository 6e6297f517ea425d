/** The time of a signature, in the forms in which requests state it. */

/** A moment as it is signed: `text` is `20260131T235959Z`. */
export interface Timestamp {
  readonly text: string
  readonly ms: number
}

const BASIC = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/

let lastParsed: Timestamp | undefined

/**
 * Reads `20260131T235959Z`; undefined when it is not a time of the calendar in that form. The last
 * time is kept: requests of one second state the same.
 */
export function parseTimestamp(text: string): Timestamp | undefined {
  if (lastParsed?.text === text) return lastParsed
  const match = BASIC.exec(text)
  if (match === null) return undefined
  const [, year, month, day, hour, minute, second] = match
  const ms = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
  // Date.parse lets 30 February and 24:00 roll over: only a time that reads back is one.
  if (Number.isNaN(ms) || formatTimestamp(ms) !== text) return undefined
  lastParsed = { text, ms }
  return lastParsed
}

/**
 * Reads a Date header: the basic form, or `Sat, 31 Jan 2026 23:59:59 GMT` (RFC 9110 §5.6.7), which
 * Python's clients write with `-0000` or `+0000`. The day of the week is not held against the date.
 * Nothing before 1970 is a date of a request.
 */
export function parseDateHeader(text: string): Timestamp | undefined {
  const timestamp = parseTimestamp(text)
  if (timestamp !== undefined) return timestamp
  const [, date] =
    /^[A-Z][a-z]{2}, (\d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d) (?:GMT|[+-]0000)$/.exec(text) ?? []
  if (date === undefined) return undefined
  const ms = Date.parse(`${date} GMT`)
  // Date.parse lets 30 February roll over: only a time that reads back is one.
  if (Number.isNaN(ms) || ms < 0 || !new Date(ms).toUTCString().includes(date)) return undefined
  return { text: formatTimestamp(ms), ms }
}

let lastSecond = Number.NaN
let lastText = ''

/** `20260131T235959Z` of milliseconds since 1970; the last second's text is kept. */
export function formatTimestamp(ms: number): string {
  const second = Math.floor(ms / 1000)
  if (second !== lastSecond) {
    lastText = `${new Date(second * 1000).toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`
    lastSecond = second
  }
  return lastText
}
