import { readFile } from 'node:fs/promises'
import { Failure, type FailureCode } from '@forebay/base/failure'
import { isRecord, textOf } from './object-resource.ts'

/**
 * Who asks. `chain`: the vendor's search (GOOGLE_APPLICATION_CREDENTIALS, gcloud's files, the
 * metadata server). `anonymous`: nobody, for public buckets. A function returns an access token
 * whenever it is asked.
 */
export type GcsCredentials =
  | 'chain'
  | 'anonymous'
  /** Path of the key of a service account. */
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
  const source = once(() =>
    credentials === 'chain' ? searchCredentials() : readKeyFile(credentials.keyFile),
  )
  return {
    authorization: async (what, signal) => {
      const token = source().then((found) => found.accessToken())
      const text = await untilAborted(token, { what, signal })
      if (text) return `Bearer ${text}`
      throw new Failure('backend-denied', `${what}: the credentials gave no token`, { hint: HINT })
    },
    projectId: (signal) =>
      untilAborted(
        source().then((found) => found.projectId()),
        { what: 'project of the credentials', signal },
      ),
  }
}

/** Credentials that were found. Tokens are kept and renewed in time by the vendor's library. */
interface TokenSource {
  accessToken(): Promise<string | null | undefined>
  projectId(): Promise<string | undefined>
}

/** The vendor's library takes a while to load, so it is loaded by whoever needs it first. */
async function searchCredentials(): Promise<TokenSource> {
  const { GoogleAuth } = await import('google-auth-library')
  const auth = new GoogleAuth({ scopes: SCOPES })
  return {
    accessToken: () => auth.getAccessToken(),
    // Credentials of a person belong to no project, which is no failure here.
    projectId: () => auth.getProjectId().catch(() => undefined),
  }
}

/**
 * Service accounts only: other kinds of files name programs and addresses of their own, so they are
 * for the vendor's chain, where the operator's environment states them.
 */
async function readKeyFile(path: string): Promise<TokenSource> {
  const key = parseKey(await readFile(path, 'utf8'))
  if (key === undefined) {
    throw new Failure('backend-denied', `${path} is no key file of a service account`, {
      hint: 'name other kinds of credentials in GOOGLE_APPLICATION_CREDENTIALS',
    })
  }
  const { JWT } = await import('google-auth-library')
  const { email, privateKey, projectId } = key
  const client = new JWT({ email, key: privateKey, scopes: SCOPES })
  return {
    accessToken: () => client.getAccessToken().then(({ token }) => token),
    projectId: () => Promise.resolve(projectId),
  }
}

/** What a key file says; nothing of it is ever quoted. */
function parseKey(text: string) {
  try {
    const key: unknown = JSON.parse(text)
    if (!isRecord(key) || key['type'] !== 'service_account') return undefined
    const email = textOf(key['client_email'])
    const privateKey = textOf(key['private_key'])
    if (email === undefined || privateKey === undefined) return undefined
    return { email, privateKey, projectId: textOf(key['project_id']) }
  } catch {
    // The error would quote the file.
    return undefined
  }
}

/** Begins the work when it is first asked for; work that failed begins anew the next time. */
function once<T>(work: () => Promise<T>): () => Promise<T> {
  let begun: Promise<T> | undefined
  return () => {
    begun ??= work().catch((error: unknown) => {
      begun = undefined
      throw error
    })
    return begun
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
