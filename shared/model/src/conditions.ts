/** Conditions of a request (RFC 9110 §13); tags without quotes, `*` as it is. */
export interface Conditions {
  readonly ifMatch?: readonly string[] | undefined
  readonly ifNoneMatch?: readonly string[] | undefined
  readonly ifModifiedSinceMs?: number | undefined
  readonly ifUnmodifiedSinceMs?: number | undefined
}

/** What a read with conditions comes to. */
export type ReadVerdict = 'proceed' | 'not-modified' | 'precondition-failed'

/**
 * Evaluates the conditions of a GET or HEAD in the order of RFC 9110 §13.2.2.
 *
 * @param found the version that would be answered; dates compare in whole seconds
 */
export function judgeRead(
  conditions: Conditions,
  found: { readonly etag: string; readonly lastModifiedMs: number },
): ReadVerdict {
  const seconds = Math.floor(found.lastModifiedMs / 1000)
  if (conditions.ifMatch !== undefined) {
    if (!matchesAny(conditions.ifMatch, found.etag)) return 'precondition-failed'
  } else if (conditions.ifUnmodifiedSinceMs !== undefined) {
    if (seconds > Math.floor(conditions.ifUnmodifiedSinceMs / 1000)) return 'precondition-failed'
  }
  if (conditions.ifNoneMatch !== undefined) {
    if (matchesAny(conditions.ifNoneMatch, found.etag)) return 'not-modified'
  } else if (conditions.ifModifiedSinceMs !== undefined) {
    if (seconds <= Math.floor(conditions.ifModifiedSinceMs / 1000)) return 'not-modified'
  }
  return 'proceed'
}

/** What a write with conditions comes to; `absent-required` is the failure of an If-Match on nothing. */
export type WriteVerdict = 'proceed' | 'precondition-failed' | 'absent'

/** Evaluates If-Match and If-None-Match of a PUT, Complete or DELETE against the current version. */
export function judgeWrite(
  conditions: Conditions,
  current: { readonly etag: string } | undefined,
): WriteVerdict {
  if (conditions.ifMatch !== undefined) {
    if (current === undefined) return 'absent'
    if (!matchesAny(conditions.ifMatch, current.etag)) return 'precondition-failed'
  }
  if (conditions.ifNoneMatch !== undefined && current !== undefined) {
    if (matchesAny(conditions.ifNoneMatch, current.etag)) return 'precondition-failed'
  }
  return 'proceed'
}

/** True when there is no condition at all. */
export function isUnconditional(conditions: Conditions): boolean {
  return (
    conditions.ifMatch === undefined &&
    conditions.ifNoneMatch === undefined &&
    conditions.ifModifiedSinceMs === undefined &&
    conditions.ifUnmodifiedSinceMs === undefined
  )
}

function matchesAny(tags: readonly string[], etag: string): boolean {
  return tags.includes('*') || tags.includes(etag)
}
