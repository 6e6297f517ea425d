import { codeOfStatus, retryAfterOf } from '@forebay/backend-transport/classify'
import { headerOf, type WireAnswer } from '@forebay/backend-transport/exchange'
import { Failure, type FailureCode, isFailure } from '@forebay/base/failure'

/** An answer of the store that is no success, as far as it could be read. */
export interface Refusal {
  readonly status: number
  /** `Code` of the XML API or `reason` of the JSON API; empty where there was neither. */
  readonly code: string
  readonly message: string
  readonly retryAfter?: string | undefined
}

/** Words of both APIs; the status decides about others. */
const BY_CODE: ReadonlyMap<string, FailureCode> = new Map<string, FailureCode>([
  ['NoSuchKey', 'object-not-found'],
  ['NoSuchBucket', 'bucket-not-found'],
  ['BadDigest', 'digest-mismatch'],
  ['InvalidDigest', 'digest-invalid'],
  ['EntityTooLarge', 'entity-too-large'],
  ['InvalidRange', 'range-not-satisfiable'],
  ['PreconditionFailed', 'precondition-failed'],
  ['conditionNotMet', 'precondition-failed'],
  ['BackendIsSelf', 'backend-is-self'],
  ['SlowDown', 'backend-throttled'],
  ['rateLimitExceeded', 'backend-throttled'],
  ['userRateLimitExceeded', 'backend-throttled'],
  ['quotaExceeded', 'backend-throttled'],
  ['dailyLimitExceeded', 'backend-throttled'],
])

const HINTS: ReadonlyMap<string, string> = new Map([
  ['UserProjectMissing', 'set the project that pays for requests'],
  ['authError', 'check the credentials of the backend'],
])

/** An error document is read up to here; Google's have under 2 KiB. */
const ERROR_BYTES_MAX = 64 * 1024

/** The failure that an answer means; reads its error document and thereby frees the connection. */
export async function refusalOf(answer: WireAnswer, what: string): Promise<Failure> {
  const { status, headers, body } = answer
  // The document only explains; a connection that breaks in it changes nothing about the status.
  const text = await body.readText(ERROR_BYTES_MAX).catch(() => '')
  const retryAfter = headerOf(headers, 'retry-after')
  return classifyRefusal({ status, ...readErrorDocument(text), retryAfter }, what)
}

/**
 * The failure that an answer of the store means. The one place where this is decided.
 *
 * @param what the request, for the message: `GET gs://bucket/key`
 */
export function classifyRefusal(refusal: Refusal, what: string): Failure {
  const { status, code, message } = refusal
  const said = code === '' ? `status ${status}` : `${status} ${code}`
  const detail = message === '' ? '' : `: ${message}`
  const hint = HINTS.get(code)
  return new Failure(
    BY_CODE.get(code) ?? codeOfStatus(status),
    `${what} was answered ${said}${detail}`,
    {
      facts: { backendStatus: status, backendCode: code },
      ...(hint === undefined ? {} : { hint }),
      ...retryAfterOf(refusal.retryAfter),
    },
  )
}

/** True for a 404 that does not say whether the object or its bucket is missing. */
export function isVagueAbsence(failure: Failure): boolean {
  return failure.code === 'object-not-found' && failure.facts['backendCode'] !== 'NoSuchKey'
}

/** Code and message of an error document of either API; empty where there are none. */
export function readErrorDocument(text: string): {
  readonly code: string
  readonly message: string
} {
  const isJson = text.trimStart().startsWith('{')
  const code = (isJson ? /"reason":\s*"([^"]{1,100})"/ : /<Code>([^<]{1,100})<\/Code>/).exec(text)
  const message = (
    isJson ? /"message":\s*"((?:[^"\\]|\\.){1,1000})"/ : /<Message>([^<]{1,1000})<\/Message>/
  ).exec(text)
  const said = (message?.[1] ?? '').replaceAll('\\"', '"')
  return { code: preciseCode(code?.[1] ?? '', said), message: said }
}

/** The JSON API has one word for several things and tells them apart in the sentence alone. */
function preciseCode(code: string, message: string): string {
  if (code === 'notFound' || code === 'NotFound') {
    if (message.includes('bucket does not exist')) return 'NoSuchBucket'
    if (message.startsWith('No such object')) return 'NoSuchKey'
  }
  if (code === 'invalid' && message.includes("doesn't match calculated")) return 'BadDigest'
  if (code === 'required' && message.includes('requester pays')) return 'UserProjectMissing'
  return code
}

/** For requests that name no object: whatever is missing is the bucket. @throws the error */
export function bucketMissing(error: unknown): never {
  if (!isFailure(error, 'object-not-found')) throw error
  throw new Failure('bucket-not-found', error.message, { facts: error.facts })
}
