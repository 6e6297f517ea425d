/**
 * The order of versions of one key at one owner: first by map version, then by the owner's counter.
 * A larger stamp is newer (design: rule 1).
 */
export interface Stamp {
  readonly mapVersion: number
  /** Per-owner counter; raised by every commit, never reused. */
  readonly counter: number
}

/** Negative when `a` is older than `b`, 0 when they are the same version. */
export function compareStamps(a: Stamp, b: Stamp): number {
  return a.mapVersion - b.mapVersion || a.counter - b.counter
}

/** What a backend said about the version of an object, as far as it said it. */
export interface Validators {
  /** Opaque id of an object version (S3 versioning); the literal "null" counts as none. */
  readonly versionId?: string | undefined
  /** GCS generation. */
  readonly generation?: string | undefined
  /** Entity tag without quotes and without `W/`. */
  readonly etag?: string | undefined
  /** True when the tag was sent as weak: it may not pin bytes. */
  readonly etagWeak?: boolean | undefined
  /** Milliseconds since 1970, whole seconds. */
  readonly lastModifiedMs?: number | undefined
  /** The answer's Date header, milliseconds since 1970. */
  readonly dateMs?: number | undefined
}

/** What every byte of one answer is held to; `none` allows one connection to be one version only. */
export type Pin =
  | { readonly kind: 'version-id'; readonly versionId: string; readonly etag?: string | undefined }
  | { readonly kind: 'generation'; readonly generation: string }
  | { readonly kind: 'etag'; readonly etag: string }
  | { readonly kind: 'last-modified'; readonly lastModifiedMs: number }
  | { readonly kind: 'none' }

/** A Last-Modified pins only when the second it names was over: 2 s before the answer's Date (RFC 9110 §8.8.2.2). */
export const LAST_MODIFIED_AGE_MIN_MS = 2000

/** The strongest pin that validators allow, in the order of rule 6. */
export function choosePin(validators: Validators): Pin {
  const { versionId, generation, etag, etagWeak, lastModifiedMs, dateMs } = validators
  if (versionId !== undefined && versionId !== '' && versionId !== 'null') {
    return { kind: 'version-id', versionId, etag: etagWeak === true ? undefined : etag }
  }
  if (generation !== undefined && generation !== '') return { kind: 'generation', generation }
  if (etag !== undefined && etag !== '' && etagWeak !== true) return { kind: 'etag', etag }
  if (
    lastModifiedMs !== undefined &&
    dateMs !== undefined &&
    lastModifiedMs <= dateMs - LAST_MODIFIED_AGE_MIN_MS
  ) {
    return { kind: 'last-modified', lastModifiedMs }
  }
  return { kind: 'none' }
}

/** True when an answer with these validators is of the pinned version; `none` matches nothing. */
export function matchesPin(pin: Pin, validators: Validators): boolean {
  switch (pin.kind) {
    case 'version-id':
      if (validators.versionId !== undefined) return validators.versionId === pin.versionId
      return pin.etag !== undefined && validators.etag === pin.etag && validators.etagWeak !== true
    case 'generation':
      return validators.generation === pin.generation
    case 'etag':
      return validators.etag === pin.etag && validators.etagWeak !== true
    case 'last-modified':
      return validators.lastModifiedMs === pin.lastModifiedMs
    case 'none':
      return false
    default:
      return pin satisfies never
  }
}
