import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Clock } from '@forebay/base/clock'
import { Failure } from '@forebay/base/failure'
import type { FormFields } from '@forebay/s3/form-parser'
import { claimsSignatureV2, verifySignatureV2 } from '@forebay/s3/sigv2/verify'
import type { ChunkChain } from '@forebay/s3/sigv4/chunk-chain'
import {
  type Authentication,
  type PayloadMode,
  payloadMode,
  type RawRequest,
  SignatureVerifier,
} from '@forebay/s3/sigv4/verify'
import { verifyForm } from '@forebay/s3/sigv4/verify-form'
import { type Identity, NOBODY, OPEN, type User } from './identity.ts'

/** Who makes a request, and what the signature says about the bytes of its body. */
export interface Authenticated {
  readonly identity: Identity
  readonly payload: PayloadMode
  /** Verifies the signatures of the body's chunks; absent where nobody checks who signed. */
  readonly chunks?: ChunkChain | undefined
}

const UNSIGNED: PayloadMode = { kind: 'unsigned' }
const OPEN_UNSIGNED: Authenticated = { identity: OPEN, payload: UNSIGNED }

export interface AuthenticatorOptions {
  /** `open`: who signed does not matter. */
  readonly mode: 'open' | 'users'
  readonly users: readonly User[]
  readonly region: string
  readonly clock: Clock
  readonly allowUnsignedPayload?: boolean | undefined
  /** Also takes signatures of version 2 at the S3 door. Default false. */
  readonly allowSignatureV2?: boolean | undefined
  /** How old signatures of URLs and forms may be, ms; absent: no limit. Version 2 states no age. */
  readonly signatureAgeMaxMs?: number | undefined
  /** Opens `/metrics` as a bearer token. */
  readonly metricsToken?: string | undefined
  /** Open the path of events; without any, events come from this host or from admins. */
  readonly eventTokens?: readonly string[] | undefined
}

/**
 * The one place where callers are told apart, asked once per request before any routing. With users
 * it denies by default: no signature, no entry.
 */
export class Authenticator {
  readonly #open: boolean
  readonly #usersByKey: ReadonlyMap<string, User>
  readonly #verifier: SignatureVerifier
  readonly #region: string
  readonly #clock: Clock
  /** False where bodies must be covered or ages are limited: version 2 covers none, and states none. */
  readonly #allowsV2: boolean
  readonly #ageMaxMs: number | undefined
  readonly #metricsDigest: Buffer | undefined
  readonly #eventDigests: readonly Buffer[]

  constructor(options: AuthenticatorOptions) {
    this.#open = options.mode === 'open'
    this.#region = options.region
    this.#clock = options.clock
    this.#allowsV2 =
      options.allowSignatureV2 === true &&
      options.allowUnsignedPayload !== false &&
      options.signatureAgeMaxMs === undefined
    this.#ageMaxMs = options.signatureAgeMaxMs
    this.#usersByKey = new Map(options.users.map((user) => [user.accessKey, user]))
    this.#verifier = new SignatureVerifier({
      secretOf: (accessKey) => this.#usersByKey.get(accessKey)?.secretKey,
      region: options.region,
      clock: options.clock,
      allowUnsignedPayload: options.allowUnsignedPayload,
      signatureAgeMaxMs: options.signatureAgeMaxMs,
    })
    this.#metricsDigest =
      options.metricsToken === undefined ? undefined : digestOf(options.metricsToken)
    this.#eventDigests = (options.eventTokens ?? []).map(digestOf)
  }

  /**
   * Authenticates a request of the S3 API, with version 2 where that is allowed.
   *
   * @param door tells the bucket that a Host header names, which version 2 signs
   * @throws Failure as `authenticate`, and of `verifySignatureV2`
   */
  authenticateS3(
    message: IncomingMessage,
    door: { readonly hostBucketOf: (message: IncomingMessage) => string | undefined },
  ): Authenticated {
    const { url = '', headers } = message
    if (this.#open || !this.#allowsV2 || !claimsSignatureV2(headers.authorization, url)) {
      return this.authenticate(message)
    }
    const request = rawRequestOf(message)
    const accessKey = verifySignatureV2(request, {
      secretOf: (key) => this.#usersByKey.get(key)?.secretKey,
      nowMs: this.#clock.now(),
      hostBucket: door.hostBucketOf(message),
    })
    const payload = payloadMode(request)
    if (payload.kind === 'chunked-signed') {
      throw new Failure('bad-request', 'signed chunks need a signature of version 4')
    }
    return { identity: this.#identityOf({ accessKey }), payload }
  }

  /**
   * Authenticates a request by a signature of version 4.
   *
   * @throws Failure of `SignatureVerifier.verify`, and `access-denied` for nobody
   */
  authenticate(message: IncomingMessage): Authenticated {
    if (this.#open && statesNoPayload(message)) return OPEN_UNSIGNED
    const request = rawRequestOf(message)
    if (this.#open) return { identity: OPEN, payload: payloadMode(request) }
    const verified = this.#verifier.verify(request)
    if (verified.kind === 'anonymous') throw denied()
    const { payload, chunks } = verified
    return { identity: this.#identityOf(verified), payload, chunks }
  }

  /**
   * Authenticates an HTML form by what its fields say.
   *
   * @throws Failure of `verifyForm`, and `access-denied` for nobody
   */
  authenticateForm(fields: FormFields): Authenticated {
    if (this.#open) return OPEN_UNSIGNED
    const accessKey = verifyForm(fields, {
      secretOf: (key) => this.#usersByKey.get(key)?.secretKey,
      region: this.#region,
      allowSignatureV2: this.#allowsV2,
      age:
        this.#ageMaxMs === undefined
          ? undefined
          : { nowMs: this.#clock.now(), maxMs: this.#ageMaxMs },
    })
    const user = accessKey === undefined ? undefined : this.#usersByKey.get(accessKey)
    if (user === undefined) throw denied()
    return { identity: { kind: 'user', user }, payload: UNSIGNED }
  }

  /**
   * Authenticates a request of another door: `/v1`, `/metrics`, `/ui`. The health of the node is
   * public, so that supervisors can ask for it.
   *
   * @throws Failure as `authenticate`
   */
  authenticateNative(message: IncomingMessage): Authenticated {
    if (this.#open) return OPEN_UNSIGNED
    if (isPublic(message) || isUnsignedEvent(message) || this.#showsMetricsToken(message)) {
      return { identity: NOBODY, payload: UNSIGNED }
    }
    return this.authenticate(message)
  }

  /** True when a request may read `/metrics`: everybody in open mode, else by token. */
  mayReadMetrics(message: IncomingMessage): boolean {
    return this.#open || this.#showsMetricsToken(message)
  }

  /**
   * True when a request may send events by what it shows: a token where there are any; without, in
   * open mode, that it comes from this host.
   */
  maySendEvents(message: IncomingMessage): boolean {
    if (this.#eventDigests.length === 0) return this.#open && isFromHere(message)
    const shown = eventTokensOf(message).map(digestOf)
    // All are compared, so that the time does not tell which one came close.
    return this.#eventDigests
      .flatMap((known) => shown.map((digest) => timingSafeEqual(known, digest)))
      .includes(true)
  }

  #identityOf(verified: Pick<Extract<Authentication, { kind: 'signed' }>, 'accessKey'>): Identity {
    const user = this.#usersByKey.get(verified.accessKey)
    if (user === undefined) throw denied()
    return { kind: 'user', user }
  }

  #showsMetricsToken(message: IncomingMessage): boolean {
    if (this.#metricsDigest === undefined || !isPath(message, '/metrics')) return false
    const shown = /^Bearer ([\x21-\x7e]{1,256})$/i.exec(message.headers.authorization ?? '')?.[1]
    // Digests have one length, so that comparing them tells nothing about the token.
    return shown !== undefined && timingSafeEqual(digestOf(shown), this.#metricsDigest)
  }
}

function rawRequestOf(message: IncomingMessage): RawRequest {
  return {
    method: message.method ?? '',
    target: message.url ?? '',
    rawHeaders: message.rawHeaders,
  }
}

/** The common case of an unsigned GET, without reading all headers. */
function statesNoPayload(message: IncomingMessage): boolean {
  return (
    message.headers['x-amz-content-sha256'] === undefined && message.url?.includes('?') === false
  )
}

/** The health, and what the API is: the same words on every node. */
const PUBLIC_PATHS = ['/v1/health', '/v1/openapi.json', '/v1/docs'] as const

function isPublic(message: IncomingMessage): boolean {
  const { method } = message
  if (method !== 'GET' && method !== 'HEAD') return false
  return PUBLIC_PATHS.some((path) => isPath(message, path))
}

/** Events are let in to where their token is looked at, unless somebody signed for them. */
function isUnsignedEvent(message: IncomingMessage): boolean {
  const { method, url = '', headers } = message
  if ((method !== 'POST' && method !== 'OPTIONS') || !isPath(message, '/v1/forebay/events')) {
    return false
  }
  return !/^AWS4-/.test(headers.authorization ?? '') && !/[?&]X-Amz-/i.test(url)
}

/**
 * In a header, and in the query for services that are given an address and nothing else: some of them
 * send a header of their own besides.
 */
function eventTokensOf({ headers, url = '' }: IncomingMessage): readonly string[] {
  const ofHeader = /^Bearer ([\x21-\x7e]{1,256})$/i.exec(headers.authorization ?? '')?.[1]
  const ofQuery = new URLSearchParams(url.split('?', 2)[1] ?? '').get('token')
  return [ofHeader, ofQuery].filter((token) => typeof token === 'string')
}

function isFromHere({ socket }: IncomingMessage): boolean {
  return /^(?:127\.|::1$|::ffff:127\.)/.test(socket.remoteAddress ?? '')
}

function isPath(message: IncomingMessage, path: string): boolean {
  return message.url === path || message.url?.startsWith(`${path}?`) === true
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function denied(): Failure {
  return new Failure('access-denied', 'access denied')
}
