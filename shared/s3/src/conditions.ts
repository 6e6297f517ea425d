import { Failure } from '@forebay/base/failure'
import type { Conditions } from '@forebay/model/conditions'
import { parseHttpDate } from './dates.ts'
import { header, type RequestHeaders } from './request-headers.ts'

const ENTITY_TAG = /\s*(W\/)?(?:"([^"]*)"|([^\s,"]+))\s*(?:,|$)/g

const NONE: Conditions = Object.freeze({})

/**
 * The conditions of a request on the object itself. Dates that are none are ignored (RFC 9110
 * §13.1.3).
 */
export function parseConditions(headers: RequestHeaders): Conditions {
  const ifMatch = headers['if-match']
  const ifNoneMatch = headers['if-none-match']
  const modified = headers['if-modified-since']
  const unmodified = headers['if-unmodified-since']
  if (
    ifMatch === undefined &&
    ifNoneMatch === undefined &&
    modified === undefined &&
    unmodified === undefined
  ) {
    return NONE
  }
  return build(ifMatch, ifNoneMatch, { modified, unmodified })
}

/**
 * The conditions of a write: If-Match with tags, or If-None-Match: * (S3 API).
 *
 * @throws Failure `not-implemented` for every other condition: none is ever ignored
 */
export function parseWriteConditions(headers: RequestHeaders): Conditions {
  const conditions = parseConditions(headers)
  if (conditions === NONE) return NONE
  const { ifMatch, ifNoneMatch } = conditions
  if (ifMatch !== undefined && ifNoneMatch !== undefined) {
    throw new Failure('not-implemented', 'If-Match and If-None-Match together are not supported')
  }
  if (ifNoneMatch !== undefined && (ifNoneMatch.length !== 1 || ifNoneMatch[0] !== '*')) {
    throw new Failure('not-implemented', 'on a write If-None-Match can only be *')
  }
  if (headers['if-unmodified-since'] !== undefined) {
    throw new Failure('not-implemented', 'If-Unmodified-Since on a write is not supported')
  }
  // RFC 9110 §13.1.3: If-Modified-Since means nothing on a write.
  return { ifMatch, ifNoneMatch }
}

/** The conditions of a copy on its source (`x-amz-copy-source-if-*`). */
export function parseSourceConditions(headers: RequestHeaders): Conditions {
  return build(
    header(headers, 'x-amz-copy-source-if-match'),
    header(headers, 'x-amz-copy-source-if-none-match'),
    {
      modified: header(headers, 'x-amz-copy-source-if-modified-since'),
      unmodified: header(headers, 'x-amz-copy-source-if-unmodified-since'),
    },
  )
}

/**
 * The tags of a list, without quotes; clients also send them unquoted. `*` stays as it is.
 *
 * @param comparison `strong` leaves weak tags out: they never match (RFC 9110 §8.8.3.2)
 */
export function parseEntityTags(
  value: string,
  comparison: 'strong' | 'weak' = 'strong',
): readonly string[] {
  const tags: string[] = []
  for (const [, weak, quoted, bare] of value.matchAll(ENTITY_TAG)) {
    if (weak === undefined || comparison === 'weak') tags.push(quoted ?? bare ?? '')
  }
  return tags
}

/** A tag as one element or header names it: without its quotes. */
export function unquoteTag(tag: string): string {
  return tag.trim().replace(/^"(.*)"$/s, '$1')
}

function build(
  ifMatch: string | undefined,
  ifNoneMatch: string | undefined,
  dates: { readonly modified: string | undefined; readonly unmodified: string | undefined },
): Conditions {
  return {
    ifMatch: ifMatch === undefined ? undefined : parseEntityTags(ifMatch),
    ifNoneMatch: ifNoneMatch === undefined ? undefined : parseEntityTags(ifNoneMatch, 'weak'),
    ifModifiedSinceMs: dates.modified === undefined ? undefined : parseHttpDate(dates.modified),
    ifUnmodifiedSinceMs:
      dates.unmodified === undefined ? undefined : parseHttpDate(dates.unmodified),
  }
}
