import { isFailure } from '@forebay/base/failure'

/**
 * True for failures of the way to a backend, and where asking it costs more than may be spent: the same
 * request may succeed later.
 */
export function isUnreachable(error: unknown): boolean {
  return isFailure(
    error,
    'backend-unreachable',
    'backend-timeout',
    'backend-throttled',
    'budget-spent',
  )
}
