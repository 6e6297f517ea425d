import { codeOfStatus, retryAfterOf } from '@forebay/backend-transport/classify'
import { headerOf, type WireAnswer } from '@forebay/backend-transport/exchange'
import { Failure, type FailureCode } from '@forebay/base/failure'

/** The failure that an answer other than a success means; its document says nothing that counts. */
export function failureOf(answer: WireAnswer, what: string): Failure {
  const { status, headers } = answer
  const retryAfter = retryAfterOf(headerOf(headers, 'retry-after'), headerOf(headers, 'date'))
  const asksToWait = status === 503 && retryAfter.retryAfterSeconds !== undefined
  return new Failure(
    asksToWait ? 'backend-throttled' : meaningOf(status),
    `${what} was answered ${status}`,
    { facts: { backendStatus: status }, ...retryAfter },
  )
}

function meaningOf(status: number): FailureCode {
  switch (status) {
    case 407:
      return 'backend-denied'
    case 409:
      return 'backend-refused'
    case 410:
      return 'object-not-found'
    default:
      return codeOfStatus(status)
  }
}
