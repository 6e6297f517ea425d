import { Failure } from '@forebay/base/failure'

/** The version that an answer was held to is gone; a read that sent nothing yet starts anew. */
export function changedMeanwhile(key: string): Failure {
  return new Failure(
    'backend-changed',
    `${key}: the object changed at the backend while it was read`,
    { hint: 'try again', retryAfterSeconds: 1 },
  )
}
