import { isFailure } from '@forebay/base/failure'

/** True for failures of the way to a backend: the same request may succeed later. */
export function isUnreachable(error: unknown): boolean {
  return isFailure(error, 'backend-unreachable', 'backend-timeout', 'backend-throttled')
}
