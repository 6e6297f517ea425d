import { Failure, type FailureCode } from '@forebay/base/failure'

/** Refusals after which the store certainly did not apply the mutation. */
const DEFINITE: ReadonlySet<FailureCode> = new Set([
  'backend-denied',
  'backend-refused',
  'bucket-not-found',
  'precondition-failed',
  'conditional-conflict',
  'object-archived',
  'object-not-found',
  'upload-not-found',
  'part-invalid',
  'part-order-invalid',
  'entity-too-small',
  'entity-too-large',
  'digest-mismatch',
  'digest-invalid',
  // Codes of the source of a body: the request was cut before its end.
  'payload-hash-mismatch',
  'body-incomplete',
  'client-gone',
  'backend-is-self',
  'not-implemented',
])

/**
 * True when a failed mutation may have been applied all the same: a timeout, a reset, a 5xx, an abort.
 * The key then stays unsettled (rule 3).
 */
export function isUndecided(error: unknown): boolean {
  if (!(error instanceof Failure)) return true
  // Adapters say so when not one byte of the request could go out.
  if (error.facts['notSent'] === true) return false
  return !DEFINITE.has(error.code)
}
