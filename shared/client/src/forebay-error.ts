/** What the server knows about a failure; `status` 0 means that no answer came. */
export interface ErrorFacts {
  /** Code of Forebay's catalogue, e.g. `object-not-found`; AIStore's class name from other servers. */
  readonly code: string
  readonly status: number
  readonly requestId?: string | undefined
  /** What to do about it. */
  readonly hint?: string | undefined
  /** True when the same request may succeed later. */
  readonly retryable: boolean
  readonly cause?: unknown
}

/** Every failure of the client but an abort, which rejects with the signal's reason. */
export class ForebayError extends Error {
  readonly code: string
  readonly status: number
  readonly requestId: string | undefined
  readonly hint: string | undefined
  readonly retryable: boolean

  constructor(message: string, facts: ErrorFacts) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause })
    this.name = 'ForebayError'
    this.code = facts.code
    this.status = facts.status
    this.requestId = facts.requestId
    this.hint = facts.hint
    this.retryable = facts.retryable
  }
}

/** The failure that an answer with a status of 400 or more tells. */
export async function errorOfResponse(response: Response): Promise<ForebayError> {
  const inHeader = response.headers.get('hdr-error')
  const text = inHeader ?? (await response.text().catch(() => ''))
  const body = new Map<string, unknown>(Object.entries(parseObject(text)))
  const message = body.get('message')
  const code = body.get('code') ?? body.get('tcode')
  const hint = body.get('hint')
  const requestId = body.get('requestId') ?? response.headers.get('forebay-request-id')
  return new ForebayError(
    typeof message === 'string' ? message : `${response.status} ${response.statusText}`.trim(),
    {
      code: typeof code === 'string' ? code : `http-${response.status}`,
      status: response.status,
      requestId: typeof requestId === 'string' ? requestId : undefined,
      hint: typeof hint === 'string' ? hint : undefined,
      retryable: body.get('retryable') === true || response.status === 503,
    },
  )
}

/** The failure of a request that got no answer. */
export function errorOfConnection(cause: unknown, endpoint: string): ForebayError {
  return new ForebayError(`no answer from ${endpoint}: ${reasonOf(cause)}`, {
    code: 'unreachable',
    status: 0,
    hint: 'Start a node with "forebay up", or name the right one with --endpoint or FOREBAY_ENDPOINT.',
    retryable: true,
    cause,
  })
}

/** fetch hides the reason behind "fetch failed". */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { cause } = error
  if (cause instanceof AggregateError && cause.errors.length > 0) return reasonOf(cause.errors[0])
  return cause instanceof Error ? reasonOf(cause) : error.message
}

function parseObject(text: string): object {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    // A proxy in between answers with a page of its own; its status is all there is to say.
    return {}
  }
}
