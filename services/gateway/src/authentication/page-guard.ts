import type { IncomingMessage } from 'node:http'
import { Failure } from '@forebay/base/failure'

export interface PageGuardOptions {
  /** True where nobody has to sign: only then can a page act without a secret. */
  readonly open: boolean
  /**
   * Names of this node besides addresses and `localhost` (setting `s3.baseDomains`), lower case.
   * `any` where other machines reach it (`auth.insecure`): nobody knows then what they call it.
   */
  readonly domains: readonly string[] | 'any'
}

/**
 * Keeps web pages of others away from a node that asks nobody for a signature. Every page that a
 * browser on this machine shows can send requests to loopback. It cannot read the answers, but a
 * request that changes something has done its work by then.
 *
 * Browsers say whose page it is in `Origin` (Fetch Standard §3.1); programs send none and are not
 * touched. A page may also have made its own name point to this machine (DNS rebinding): then its
 * origin equals our `Host`, so that a name counts as ours only when it can be nobody else's.
 */
export class PageGuard {
  readonly #options: PageGuardOptions

  constructor(options: PageGuardOptions) {
    this.#options = options
  }

  /** @throws Failure `access-denied` for a change through `/v1` that a page of others asks for */
  checkNative(request: IncomingMessage): void {
    if (!this.#options.open || isRead(request) || !this.#isForeign(request)) return
    throw denied()
  }

  /**
   * For the S3 door: a browser asks by itself before all but POST whether it may (CORS).
   *
   * @param isAllowed true when the rules of the bucket allow the page's origin to do it
   * @throws Failure `access-denied`
   */
  checkS3(request: IncomingMessage, isAllowed: () => boolean): void {
    if (!this.#options.open || isRead(request) || !this.#isForeign(request)) return
    const isAsked = request.method !== 'POST' && !isSameHost(request)
    if (!isAsked && !isAllowed()) throw denied()
  }

  /** @throws Failure `access-denied` for the console under a name that may be somebody else's */
  checkConsole(request: IncomingMessage): void {
    if (!this.#options.open || this.#isOurName(request.headers.host ?? '')) return
    throw new Failure('access-denied', 'this node knows no such name of itself', {
      hint: 'Use localhost or the address, or name it in the setting s3.baseDomains.',
    })
  }

  #isForeign(request: IncomingMessage): boolean {
    if (request.headers.origin === undefined) return false
    return !isSameHost(request) || !this.#isOurName(request.headers.host ?? '')
  }

  #isOurName(host: string): boolean {
    const { domains } = this.#options
    if (domains === 'any') return true
    const name = host.toLowerCase().replace(/:\d*$/, '')
    const isAddress = /^\d{1,3}(?:\.\d{1,3}){3}$|^\[[0-9a-f:.]+\]$/.test(name)
    if (isAddress || name === 'localhost' || name.endsWith('.localhost')) return true
    return domains.some((domain) => name === domain || name.endsWith(`.${domain}`))
  }
}

function isRead({ method }: IncomingMessage): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS'
}

/** True when the page came from the very address that it speaks to. */
function isSameHost({ headers }: IncomingMessage): boolean {
  const url = URL.parse(headers.origin ?? '')
  return url !== null && url.host !== '' && url.host === headers.host?.toLowerCase()
}

function denied(): Failure {
  return new Failure('access-denied', 'a web page of another origin may not change anything here', {
    hint: 'Users with keys (auth.mode users) may: their requests are signed.',
  })
}
