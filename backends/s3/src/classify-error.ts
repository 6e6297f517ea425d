import { S3ServiceException } from '@aws-sdk/client-s3'
import {
  classifyNetworkError,
  codeOfStatus,
  retryAfterOf,
} from '@forebay/backend-transport/classify'
import { Failure, type FailureCode } from '@forebay/base/failure'

/** An answer of the store that is no success, as far as it could be read. */
export interface Refusal {
  readonly status: number
  /** `Code` of the error document; empty where there was none (HEAD, strangers' proxies). */
  readonly code: string
  readonly message: string
  readonly retryAfter?: string | undefined
  /** Region of the bucket where the store named it. */
  readonly region?: string | undefined
}

/** Error codes of the S3 API and of stores that imitate it; the status decides about others. */
const BY_CODE: ReadonlyMap<string, FailureCode> = new Map<string, FailureCode>([
  ['NoSuchKey', 'object-not-found'],
  ['NoSuchVersion', 'version-not-found'],
  ['NoSuchBucket', 'bucket-not-found'],
  ['NoSuchUpload', 'upload-not-found'],
  ['InvalidObjectState', 'object-archived'],
  ['InvalidPart', 'part-invalid'],
  ['InvalidPartOrder', 'part-order-invalid'],
  ['EntityTooSmall', 'entity-too-small'],
  ['EntityTooLarge', 'entity-too-large'],
  ['BadDigest', 'digest-mismatch'],
  ['XAmzContentChecksumMismatch', 'digest-mismatch'],
  ['XAmzContentSHA256Mismatch', 'digest-mismatch'],
  ['InvalidDigest', 'digest-invalid'],
  ['InvalidRange', 'range-not-satisfiable'],
  ['PreconditionFailed', 'precondition-failed'],
  ['ConditionalRequestConflict', 'conditional-conflict'],
  ['OperationAborted', 'conditional-conflict'],
  ['NotImplemented', 'not-implemented'],
  // 400 with these codes: temporary credentials that were taken before.
  ['ExpiredToken', 'backend-denied'],
  ['InvalidToken', 'backend-denied'],
  ['TokenRefreshRequired', 'backend-denied'],
  ['BackendIsSelf', 'backend-is-self'],
  // 400 with this code: the store waited for the body in vain, nothing was applied.
  ['RequestTimeout', 'backend-timeout'],
  ['SlowDown', 'backend-throttled'],
  ['SlowDownRead', 'backend-throttled'],
  ['SlowDownWrite', 'backend-throttled'],
  ['Throttling', 'backend-throttled'],
  ['ThrottlingException', 'backend-throttled'],
  ['KMS.ThrottlingException', 'backend-throttled'],
  ['RequestLimitExceeded', 'backend-throttled'],
  ['RequestThrottled', 'backend-throttled'],
  ['RequestThrottledException', 'backend-throttled'],
  ['TooManyRequests', 'backend-throttled'],
  ['TooManyRequestsException', 'backend-throttled'],
])

const HINTS: ReadonlyMap<string, string> = new Map([
  ['RequestTimeTooSkewed', "set this machine's clock"],
  ['InvalidAccessKeyId', 'check the credentials of the backend'],
  ['ExpiredToken', 'renew the credentials of the backend'],
  ['SignatureDoesNotMatch', 'check the secret key and the region of the backend'],
  ['AuthorizationHeaderMalformed', 'check the region of the backend'],
  ['PermanentRedirect', 'check the endpoint and the region of the backend'],
])

/**
 * The failure that an answer of the store means. The one place where this is decided.
 *
 * @param what the request, for the message: `PUT s3://bucket/key`
 */
export function classifyRefusal(refusal: Refusal, what: string): Failure {
  const { status, code, message, region } = refusal
  const said = code === '' ? `status ${status}` : `${status} ${code}`
  const detail = message === '' ? '' : `: ${message}`
  const hint =
    region === undefined || status < 300 || status > 399
      ? HINTS.get(code)
      : `the bucket is in region ${region}`
  const moved = region !== undefined && isElsewhere(status, code) && REGION.test(region)
  return new Failure(
    BY_CODE.get(code) ?? (status === 405 ? 'method-not-allowed' : codeOfStatus(status)),
    `${what} was answered ${said}${detail}`,
    {
      facts: {
        backendStatus: status,
        backendCode: code,
        ...(moved ? { bucketRegion: region } : {}),
      },
      ...(hint === undefined ? {} : { hint }),
      ...retryAfterOf(refusal.retryAfter),
    },
  )
}

/** A region's name becomes a part of a host's: nothing else may. */
const REGION = /^[a-z0-9][a-z0-9-]{1,31}$/

/** True for an answer that sends the caller to another region; a HEAD's has no code. */
function isElsewhere(status: number, code: string): boolean {
  if (status === 301 || status === 307) return true
  return status === 400 && (code === '' || ELSEWHERE.has(code))
}

const ELSEWHERE: ReadonlySet<string> = new Set([
  'AuthorizationHeaderMalformed',
  'IllegalLocationConstraintException',
])

/** Code and message of an error document of the S3 API; empty where there are none. */
export function readErrorXml(text: string): { readonly code: string; readonly message: string } {
  const code = /<Code>([^<]{1,100})<\/Code>/.exec(text)?.[1] ?? ''
  const message = /<Message>([^<]{1,1000})<\/Message>/.exec(text)?.[1] ?? ''
  return { code, message }
}

/**
 * The failure that a thrown error of undici, of the SDK or of the network means.
 *
 * @returns the signal's reason when the caller aborted, the error itself when it is a `Failure`
 */
export function classifyThrown(error: unknown, what: string, signal: AbortSignal): unknown {
  if (!(error instanceof Failure) && !signal.aborted && error instanceof Error) {
    if (error instanceof S3ServiceException) return classifyRefusal(refusalOf(error), what)
    if (error.name === 'CredentialsProviderError') {
      return new Failure('backend-denied', `${what}: no credentials were found: ${error.message}`, {
        cause: error,
        hint: 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile',
      })
    }
  }
  return classifyNetworkError(error, what, signal)
}

function refusalOf(error: S3ServiceException): Refusal {
  const headers = error.$response?.headers ?? {}
  return {
    status: error.$metadata.httpStatusCode ?? 500,
    code: error.name === 'NotFound' || error.name === 'Unknown' ? '' : error.name,
    message: error.message,
    retryAfter: headers['retry-after'],
    region: headers['x-amz-bucket-region'],
  }
}
