import { Failure, type FailureCode, type FailureOptions } from '@forebay/base/failure'

/** What a status means where the store's own code does not decide. */
export function codeOfStatus(status: number): FailureCode {
  switch (status) {
    case 401:
    case 403:
      return 'backend-denied'
    case 404:
      return 'object-not-found'
    case 408:
    case 504:
      return 'backend-timeout'
    case 409:
      return 'conditional-conflict'
    case 412:
      return 'precondition-failed'
    case 416:
      return 'range-not-satisfiable'
    case 429:
      return 'backend-throttled'
    case 501:
      return 'not-implemented'
    case 508:
      return 'backend-is-self'
    default:
      return status >= 500 ? 'backend-unreachable' : 'backend-refused'
  }
}

/** Longest wait that is believed, seconds. */
const RETRY_AFTER_MAX = 999_999

/**
 * What Retry-After says: seconds, or a date (RFC 9110 section 10.2.3), which counts from the answer's own
 * `Date`: so it is the store's clock that both are by.
 */
export function retryAfterOf(text: string | undefined, date?: string): FailureOptions {
  if (text === undefined) return {}
  if (/^\d{1,6}$/.test(text)) return { retryAfterSeconds: Number(text) }
  const seconds = (Date.parse(text) - Date.parse(date ?? '')) / 1000
  return seconds >= 0 && seconds <= RETRY_AFTER_MAX ? { retryAfterSeconds: Math.ceil(seconds) } : {}
}

const TIMEOUTS: ReadonlySet<string> = new Set([
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'ETIMEDOUT',
])

/** Errors before the first byte of the request went out: the store cannot have applied anything. */
const NOT_SENT: ReadonlySet<string> = new Set([
  'UND_ERR_CONNECT_TIMEOUT',
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'CERT_HAS_EXPIRED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'ERR_TLS_CERT_ALTNAME_INVALID',
])

/**
 * The failure that a thrown error of undici or of the network means.
 *
 * @returns the signal's reason when the caller aborted, the error itself when it is a `Failure`
 */
export function classifyNetworkError(error: unknown, what: string, signal: AbortSignal): unknown {
  if (error instanceof Failure) return error
  if (signal.aborted) return signal.reason
  const code = codeOf(error)
  const name = error instanceof Error ? error.name : ''
  const message = error instanceof Error ? error.message : String(error)
  if (code === 'EMFILE' || code === 'ENFILE') {
    return new Failure('slow-down', `${what}: no file descriptor is left for a connection`, {
      cause: error,
      facts: { notSent: true },
      retryAfterSeconds: 1,
    })
  }
  // With a code of the network the name says nothing: the AWS SDK calls resets TimeoutError too.
  const timedOut = TIMEOUTS.has(code) || (code === '' && name === 'TimeoutError')
  return new Failure(
    timedOut ? 'backend-timeout' : 'backend-unreachable',
    `${what}: ${code === '' ? message : `${code} ${message}`}`,
    { cause: error, ...(NOT_SENT.has(code) ? { facts: { notSent: true } } : {}) },
  )
}

/** `code` of the error or of the first cause that has one. */
function codeOf(error: unknown): string {
  for (let at = error, depth = 0; at instanceof Error && depth < 4; at = at.cause, depth++) {
    if ('code' in at && typeof at.code === 'string') return at.code
    // happy eyeballs: one error per address, all of the same attempt
    if (at instanceof AggregateError && at.errors.length > 0) return codeOf(at.errors[0])
  }
  return ''
}
