/** Seconds remembered by each writer of dates; a page of a listing names at most 1,000. */
const DATES_CACHED_MAX = 4096

const isoBySecond = new Map<number, string>()
const httpBySecond = new Map<number, string>()

const IMF_FIXDATE =
  /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d{2}:\d{2}:\d{2} GMT$/
const RFC_850 =
  /^(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (\d{2})-([A-Z][a-z]{2})-(\d{2}) (\d{2}:\d{2}:\d{2}) GMT$/
const ASCTIME = /^[A-Z][a-z]{2} ([A-Z][a-z]{2}) ([ \d]\d) (\d{2}:\d{2}:\d{2}) (\d{4})$/
const ISO_8601 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?Z$/

/** `2026-11-21T04:26:00.000Z`, as bodies of the S3 API have it; whole seconds. */
export function formatIsoDate(ms: number): string {
  return cached(isoBySecond, ms, (second) => new Date(second * 1000).toISOString())
}

/** `Sat, 21 Nov 2026 04:26:00 GMT`, as headers have it (RFC 9110 §5.6.7). */
export function formatHttpDate(ms: number): string {
  return cached(httpBySecond, ms, (second) => new Date(second * 1000).toUTCString())
}

/**
 * Milliseconds since 1970 of a date in one of the three forms of RFC 9110 §5.6.7, or in ISO 8601.
 *
 * @returns `undefined` for anything else: the header counts as absent (RFC 9110 §13.1.3)
 */
export function parseHttpDate(text: string): number | undefined {
  const value = text.trim()
  if (IMF_FIXDATE.test(value) || ISO_8601.test(value)) return finite(Date.parse(value))
  const rfc850 = RFC_850.exec(value)
  if (rfc850 !== null) {
    const [, day, month, year, time] = rfc850
    // RFC 9110 §5.6.7: two digits more than 50 years ahead mean the past century.
    const ahead = 2000 + Number(year) > new Date().getUTCFullYear() + 50
    return finite(Date.parse(`${day} ${month} ${(ahead ? 1900 : 2000) + Number(year)} ${time} GMT`))
  }
  const asctime = ASCTIME.exec(value)
  if (asctime === null) return undefined
  const [, month, day, time, year] = asctime
  return finite(Date.parse(`${day?.trim()} ${month} ${year} ${time} GMT`))
}

function finite(ms: number): number | undefined {
  return Number.isFinite(ms) ? ms : undefined
}

function cached(
  dates: Map<number, string>,
  ms: number,
  format: (second: number) => string,
): string {
  const second = Math.floor(ms / 1000)
  const known = dates.get(second)
  if (known !== undefined) return known
  if (dates.size === DATES_CACHED_MAX) dates.clear()
  const text = format(second)
  dates.set(second, text)
  return text
}
