import { Failure } from '@forebay/base/failure'
import { ForebayError } from '@forebay/client/forebay-error'

/** Lines for people: what went wrong, what to do, and how to find it in the log. */
export function formatError(error: unknown): readonly string[] {
  const { message, hint, requestId } = factsOf(error)
  return [
    `forebay: ${message}`,
    ...(hint === undefined ? [] : [`  try: ${hint}`]),
    ...(requestId === undefined ? [] : [`  request id: ${requestId}`]),
  ]
}

/** The same for programs. */
export function errorJson(error: unknown): string {
  return JSON.stringify({ error: factsOf(error) })
}

interface Facts {
  readonly code: string
  readonly message: string
  readonly status: number
  readonly hint?: string | undefined
  readonly requestId?: string | undefined
  readonly retryable: boolean
}

function factsOf(error: unknown): Facts {
  if (error instanceof ForebayError) {
    const { code, message, status, hint, requestId, retryable } = error
    return { code, message, status, hint: hint ?? HINTS.get(code), requestId, retryable }
  }
  if (error instanceof Failure) {
    const { code, message, hint, retryable } = error
    return { code, message, status: 0, hint: hint ?? HINTS.get(code), retryable }
  }
  const message = error instanceof Error ? error.message : String(error)
  return { code: 'failed', message, status: 0, retryable: false }
}

/** What to do about codes for which the server says nothing. */
const HINTS: ReadonlyMap<string, string> = new Map([
  [
    'bucket-not-found',
    '"forebay bucket ls" lists the buckets; "bucket add" adds one of a store, "bucket create" makes a native one.',
  ],
  ['object-not-found', '"forebay ls URL" lists the names; keys are case-sensitive.'],
  ['job-not-found', '"forebay job ls" lists the jobs; those that ended long ago are forgotten.'],
  ['job-state-invalid', '"forebay job show ID" tells its state.'],
  ['bucket-exists', '"forebay bucket show URL" tells what it is.'],
  ['bucket-not-remote', 'Its objects are nowhere else; "forebay rm" deletes them.'],
  ['bucket-not-empty', 'Add --force to remove it with its objects.'],
  ['access-denied', 'Set FOREBAY_ACCESS_KEY and FOREBAY_SECRET_KEY to a user that may.'],
  ['access-key-unknown', 'Check FOREBAY_ACCESS_KEY against auth.users of the node.'],
  ['signature-mismatch', 'Check FOREBAY_SECRET_KEY, and AWS_REGION against s3.region.'],
  ['request-time-skewed', 'Set this machine’s clock.'],
  ['backend-denied', 'The store refused the node’s credentials; check them, or --profile.'],
  ['backend-unreachable', 'Check --origin-endpoint and the node’s network.'],
  ['out-of-space', '"forebay status" tells which disk is full.'],
])
