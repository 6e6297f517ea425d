import { Failure, type FailureCode } from '@forebay/base/failure'

/**
 * Who asks. `chain`: the vendor's search (GOOGLE_APPLICATION_CREDENTIALS, gcloud's files, the
 * metadata server). `anonymous`: nobody, for public buckets. A function returns an access token
 * whenever it is asked.
 */
export type GcsCredentials =
  | 'chain'
  | 'anonymous'
  | { readonly keyFile: string }
  | (() => Promise<string>)

/** The credentials of one account, ready for requests. */
export interface AccessTokens {
  /**
   * `Authorization` of a request, `undefined` for an anonymous one.
   *
   * @throws Failure `backend-denied` when no credentials are found or Google refuses them,
   * `backend-unreachable` | `backend-timeout` when their issuer cannot be asked; the signal's reason
   */
  authorization(what: string, signal: AbortSignal): Promise<string | undefined>
  /** Project that the credentials belong to, where they name one. */
  projectId(signal: AbortSignal): Promise<string | undefined>
}

const SCOPES = ['https://www.googleapis.com/auth/devstorage.read_write']

const HINT = 'set GOOGLE_APPLICATION_CREDENTIALS, a credentials file, or anonymous access'

export function openAccessTokens(credentials: GcsCredentials): AccessTokens {
  if (credentials === 'anonymous') {
    return {
      authorization: () => Promise.resolve(undefined),
      projectId: () => Promise.resolve(undefined),
    }
  }
  if (typeof credentials === 'function') {
    return {
      authorization: async (what, signal) =>
        `Bearer ${await untilAborted(credentials(), { what, signal })}`,
      projectId: () => Promise.resolve(undefined),
    }
  }
  const auth = onceLoaded(credentials === 'chain' ? {} : { keyFilename: credentials.keyFile })
  return {
    authorization: async (what, signal) => {
      const token = auth().then((client) => client.getAccessToken())
      const text = await untilAborted(token, { what, signal })
      if (text) return `Bearer ${text}`
      throw new Failure('backend-denied', `${what}: the credentials gave no token`, { hint: HINT })
    },
    projectId: (signal) =>
      untilAborted(
        auth().then((client) => client.getProjectId()),
        { what: 'project of the credentials', signal },
      ).catch((error: unknown) => {
        // Credentials of a user name no project; the caller says what to do then.
        if (signal.aborted) throw error
        return undefined
      }),
  }
}

/** The vendor's library takes a while to load, so it is loaded by whoever needs it first. */
function onceLoaded(options: { readonly keyFilename?: string }) {
  const load = async () => {
    const { GoogleAuth } = await import('google-auth-library')
    return new GoogleAuth({ ...options, scopes: SCOPES })
  }
  let auth: ReturnType<typeof load> | undefined
  return () => {
    auth ??= load()
    return auth
  }
}

/** The token is for all requests of the account; one that is aborted only stops waiting for it. */
async function untilAborted<T>(
  work: Promise<T>,
  call: { readonly what: string; readonly signal: AbortSignal },
): Promise<T> {
  const { what, signal } = call
  signal.throwIfAborted()
  const aborted = Promise.withResolvers<never>()
  const abort = (): void => aborted.reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([work, aborted.promise])
  } catch (error) {
    throw signal.aborted ? signal.reason : refusalOf(error, what)
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

/**
 * What a failed search for a token means. The error itself is left behind: it holds the request for
 * the token, and with it secrets.
 */
function refusalOf(error: unknown, what: string): Failure {
  if (error instanceof Failure) return error
  const message = error instanceof Error ? error.message : String(error)
  return new Failure(codeOf(error), `${what}: no access token: ${message}`, {
    facts: { notSent: true },
    hint: HINT,
  })
}

/** Errors of the network on the way to who issues tokens. */
const CUT = /^(ECONN|EHOST|ENET|EAI_|ENOTFOUND|EPIPE|UND_ERR)/

function codeOf(error: unknown): FailureCode {
  if (!(error instanceof Error)) return 'backend-denied'
  const status = 'status' in error && typeof error.status === 'number' ? error.status : 0
  if (status === 429 || status >= 500) return 'backend-unreachable'
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  if (code === 'ETIMEDOUT' || error.name === 'TimeoutError') return 'backend-timeout'
  return CUT.test(code) ? 'backend-unreachable' : 'backend-denied'
}
