import type { Headers } from '@forebay/backend-transport/conditional-headers'
import type { Clock } from '@forebay/base/clock'
import { Failure } from '@forebay/base/failure'
import { formatHttpDate } from '@forebay/s3/dates'
import { SigningKey } from '@forebay/s3/sigv4/signing-key'
import type { AzureAddress, TokenSource } from './azure-options.ts'
import { type SignedParts, sharedKeyAuthorization } from './shared-key.ts'

/** What a request needs besides its own fields, so that the service knows who asks. */
export interface Authorized {
  readonly target: string
  readonly headers: Headers
}

/** The credentials of one account, ready for requests. */
export interface Authorizer {
  /**
   * The request with what proves who asks.
   *
   * @throws Failure `backend-denied` when there are no credentials, the signal's reason
   */
  authorize(parts: SignedParts, call: AuthorizedCall): Promise<Authorized>
}

export interface AuthorizedCall {
  /** The request in messages. */
  readonly what: string
  readonly signal: AbortSignal
}

/** Scope of every access token (Azure, "Authorize with Microsoft Entra ID"). */
const SCOPE = 'https://storage.azure.com/.default'

const HINT = 'set AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN or what the Azure identity chain reads'

export function openAuthorizer(address: AzureAddress, clock: Clock): Authorizer {
  const { credentials, account } = address
  const secure = isSecure(address)
  switch (credentials.kind) {
    case 'anonymous':
      return { authorize: async ({ target }) => ({ target, headers: {} }) }
    case 'sas': {
      const query = credentials.token.replace(/^\?/, '')
      return {
        authorize: async ({ target }) => ({ target: withQuery(target, query), headers: {} }),
      }
    }
    case 'shared-key': {
      const key = new SigningKey(Buffer.from(credentials.key, 'base64'))
      return {
        authorize: async (parts) => {
          const date = { 'x-ms-date': formatHttpDate(clock.now()) }
          const headers = { ...parts.headers, ...date }
          const authorization = sharedKeyAuthorization({ ...parts, headers }, { account, key })
          return { target: parts.target, headers: { ...date, authorization } }
        },
      }
    }
    case 'bearer':
      return bearer(new Tokens(() => Promise.resolve(credentials.source), clock), secure)
    case 'chain':
      return bearer(new Tokens(vendorChain, clock), secure)
    default:
      return credentials satisfies never
  }
}

/** The vendor's library takes a while to load, so it is loaded by whoever needs it first. */
async function vendorChain(): Promise<TokenSource> {
  const { DefaultAzureCredential } = await import('@azure/identity')
  return new DefaultAzureCredential()
}

/** Whoever sees a token can use it, so it never goes over a network in the clear. */
function isSecure({ origin }: AzureAddress): boolean {
  const { protocol, hostname } = new URL(origin)
  return protocol === 'https:' || hostname === 'localhost' || hostname.startsWith('127.')
}

function bearer(tokens: Tokens, secure: boolean): Authorizer {
  return {
    authorize: async ({ target }, call) => {
      if (!secure) {
        const message = `${call.what}: access tokens are sent over https only`
        throw new Failure('backend-denied', message)
      }
      const token = await untilAborted(tokens.get(), call)
      return { target, headers: { authorization: `Bearer ${token}` } }
    },
  }
}

function withQuery(target: string, query: string): string {
  return `${target}${target.includes('?') ? '&' : '?'}${query}`
}

/** Milliseconds before its end at which a token is replaced. */
const TOKEN_MARGIN_MS = 5 * 60_000

/** One access token for all requests of the account, replaced before it ends. */
class Tokens {
  readonly #clock: Clock
  readonly #open: () => Promise<TokenSource>
  #source: Promise<TokenSource> | undefined
  #current: { readonly token: string; readonly freshUntilMs: number } | undefined
  #pending: Promise<string> | undefined

  constructor(open: () => Promise<TokenSource>, clock: Clock) {
    this.#open = open
    this.#clock = clock
  }

  async get(): Promise<string> {
    const current = this.#current
    if (current !== undefined && this.#clock.now() < current.freshUntilMs) return current.token
    this.#pending ??= this.#ask().finally(() => {
      this.#pending = undefined
    })
    return this.#pending
  }

  async #ask(): Promise<string> {
    this.#source ??= this.#open()
    const source = await this.#source
    const found = await source.getToken(SCOPE)
    if (found === null) throw new Error('the credentials gave no token')
    const { token, expiresOnTimestamp } = found
    this.#current = { token, freshUntilMs: expiresOnTimestamp - TOKEN_MARGIN_MS }
    return token
  }
}

/** The token is for all requests of the account; one that is aborted only stops waiting for it. */
async function untilAborted(work: Promise<string>, call: AuthorizedCall): Promise<string> {
  const { what, signal } = call
  signal.throwIfAborted()
  const aborted = Promise.withResolvers<never>()
  const abort = (): void => aborted.reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([work, aborted.promise])
  } catch (error) {
    if (signal.aborted) throw signal.reason
    if (error instanceof Failure) throw error
    // The error itself is left behind: it may hold the request for the token, and with it secrets.
    const name = error instanceof Error ? error.name : 'error'
    throw new Failure('backend-denied', `${what}: no access token: ${name}`, {
      hint: HINT,
    })
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
