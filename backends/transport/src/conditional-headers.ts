import type { Conditions } from '@forebay/model/conditions'
import type { Pin } from '@forebay/model/version'
import { formatHttpDate } from '@forebay/s3/dates'

/** Headers of a request by lower-case name. */
export type Headers = Readonly<Record<string, string>>

/** If-Match and If-None-Match of a request that writes. */
export function writeConditionHeaders(conditions: Conditions): Headers {
  return present({
    'if-match': tagList(conditions.ifMatch),
    'if-none-match': tagList(conditions.ifNoneMatch),
  })
}

/** What asks the store to answer with this version or not at all. */
export function pinHeaders(pin: Pin | undefined): Headers {
  if (pin?.kind === 'etag') return { 'if-match': quote(pin.etag) }
  if (pin?.kind === 'last-modified') {
    // A second later: stores that keep fractions refuse their own date otherwise. The answer's own
    // Last-Modified is compared in any case.
    return { 'if-unmodified-since': formatHttpDate(pin.lastModifiedMs + 1000) }
  }
  return {}
}

/** What asks the store to answer only if the version is another one. */
export function unlessHeaders(known: Pin | undefined): Headers {
  if (known?.kind === 'etag') return { 'if-none-match': quote(known.etag) }
  if (known?.kind === 'version-id' && known.etag !== undefined) {
    return { 'if-none-match': quote(known.etag) }
  }
  if (known?.kind === 'last-modified') {
    return { 'if-modified-since': formatHttpDate(known.lastModifiedMs) }
  }
  return {}
}

/** Tags as a header has them; `*` stands alone and without quotes. */
export function tagList(tags: readonly string[] | undefined): string | undefined {
  if (tags === undefined || tags.length === 0) return undefined
  return tags.map((tag) => (tag === '*' ? tag : quote(tag))).join(', ')
}

function quote(tag: string): string {
  return `"${tag}"`
}

/** The headers that have a value. */
export function present(headers: Readonly<Record<string, string | undefined>>): Headers {
  const kept: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) if (value !== undefined) kept[name] = value
  return kept
}
