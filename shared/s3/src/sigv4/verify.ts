/**
 * Who signed a request: the one verifier of Signature Version 4, for credentials in the header and
 * in the query, and the start of the signature chain of an aws-chunked body.
 */
import { randomBytes } from 'node:crypto'
import type { Clock } from '@forebay/base/clock'
import { Failure } from '@forebay/base/failure'
import { badArgument, verbatim } from '../verbatim.ts'
import {
  canonicalQuery,
  fullyEncodedPath,
  parseQuery,
  type QueryParameter,
  splitTarget,
  stringToSign,
} from './canonical.ts'
import { ChunkChain } from './chunk-chain.ts'
import {
  type Claim,
  type HeaderTable,
  malformedCredential,
  malformedQuery,
  readClaim,
  readHeaders,
} from './claim.ts'
import { deriveSigningKey, equalSignatures, SigningKeys, signatureOf } from './signing-key.ts'

/** How far the clock of a client may be off, milliseconds (S3 API: 15 minutes). */
export const CLOCK_SKEW_MS_MAX = 15 * 60 * 1000

/** The head of a request, byte for byte as it came. */
export interface RawRequest {
  readonly method: string
  /** Path and query as on the wire. */
  readonly target: string
  /** Node's flat list: name, value, name, value. */
  readonly rawHeaders: readonly string[]
}

/** What x-amz-content-sha256 says about the body. */
export type PayloadMode =
  | { readonly kind: 'unsigned' }
  /** The body has this hash, lower-case hexadecimal. */
  | { readonly kind: 'hash'; readonly sha256Hex: string }
  | { readonly kind: 'chunked-signed'; readonly trailer: boolean }
  | { readonly kind: 'chunked-unsigned'; readonly trailer: true }

export type Authentication =
  | { readonly kind: 'anonymous' }
  | {
      readonly kind: 'signed'
      readonly accessKey: string
      readonly mechanism: 'header' | 'query'
      readonly payload: PayloadMode
      /** With `chunked-signed`: verifies the body's chunks; serves one body. */
      readonly chunks?: ChunkChain | undefined
    }

export interface SignatureVerifierOptions {
  /** The secret of an access key, undefined when there is no such key. */
  readonly secretOf: (accessKey: string) => string | undefined
  /** The region that clients must sign for. */
  readonly region: string
  readonly clock: Pick<Clock, 'now'>
  /**
   * False refuses bodies that no signature covers (`UNSIGNED-PAYLOAD` and unsigned chunks), for
   * networks where bodies could be changed on the way. Default true.
   */
  readonly allowUnsignedPayload?: boolean | undefined
  /** How old the signature of a URL may be, however long it was made to last, ms; absent: no limit. */
  readonly signatureAgeMaxMs?: number | undefined
}

const ANONYMOUS: Authentication = { kind: 'anonymous' }
const UNSIGNED: PayloadMode = { kind: 'unsigned' }
const SHA256_ANY_CASE = /^[0-9a-fA-F]{64}$/

const NAMED_MODES: ReadonlyMap<string, PayloadMode> = new Map<string, PayloadMode>([
  ['UNSIGNED-PAYLOAD', UNSIGNED],
  ['STREAMING-AWS4-HMAC-SHA256-PAYLOAD', { kind: 'chunked-signed', trailer: false }],
  ['STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER', { kind: 'chunked-signed', trailer: true }],
  ['STREAMING-UNSIGNED-PAYLOAD-TRAILER', { kind: 'chunked-unsigned', trailer: true }],
])

/**
 * How the body is framed and covered, whoever signed the request: a door without users checks
 * hashes and framing too. Without x-amz-content-sha256 (header, or parameter of a presigned URL)
 * the body is `unsigned`.
 *
 * @throws Failure `argument-invalid` for a value that S3 does not know, `not-implemented` for
 *   chunks signed with elliptic curves, `bad-request` for a repeated header, `uri-invalid`
 */
export function payloadMode(request: RawRequest): PayloadMode {
  const headers = readHeaders(request.rawHeaders)
  const text = payloadText(headers, parseQuery(splitTarget(request.target).query))
  return text === undefined ? UNSIGNED : modeOf(text)
}

/** Verifies the signatures of requests. Holds derived keys; one instance serves all requests. */
export class SignatureVerifier {
  readonly #options: SignatureVerifierOptions
  readonly #keys = new SigningKeys()
  /** Signs in the place of the key that an unknown access key does not have. */
  readonly #noKey = deriveSigningKey({
    accessKey: '',
    secretKey: randomBytes(32).toString('hex'),
    date: '19700101',
    region: '',
    service: 's3',
  })

  constructor(options: SignatureVerifierOptions) {
    this.#options = options
  }

  /**
   * Who signed the request; the body is not looked at. A request that shows any part of a
   * signature is verified or refused, never anonymous.
   *
   * @throws Failure with status 400 or 403: `signature-mismatch`, `access-key-unknown`,
   *   `access-denied` (a header that must be signed is not; an unsigned body that is not allowed),
   *   `request-time-skewed`, `request-expired`, `authorization-malformed`,
   *   `authorization-query-malformed`, `token-invalid`, `bad-request`, `argument-invalid`,
   *   `uri-invalid`; 501 `not-implemented` for chunks signed with elliptic curves
   */
  verify(request: RawRequest): Authentication {
    if (!request.target.startsWith('/')) {
      throw new Failure('uri-invalid', 'the request target must begin with a slash')
    }
    const headers = readHeaders(request.rawHeaders)
    const { path, query } = splitTarget(request.target)
    const parameters = parseQuery(query)
    const claim = readClaim(headers, parameters)
    if (claim === undefined) return ANONYMOUS

    this.#checkScope(claim)
    const signedValues = readSignedHeaders(claim.signedNames, headers)
    const payload = signedPayload(claim, headers, parameters)
    const mode = modeOf(payload)
    if (this.#options.allowUnsignedPayload === false) refuseUncoveredBody(mode, headers)
    this.#checkTime(claim)

    const parts = {
      method: request.method,
      path,
      query: canonicalQuery(parameters),
      headers: signedValues,
      signedHeaders: claim.signedHeaders,
      payload,
    }
    return this.#checkSignature(claim, parts, mode)
  }

  #checkScope(claim: Claim): void {
    const { mechanism, service, region, date, timestamp } = claim
    if (service !== 's3') {
      throw malformedCredential(
        mechanism,
        `incorrect service "${service}". This endpoint belongs to "s3".`,
      )
    }
    if (region !== this.#options.region) {
      throw wrongRegion(mechanism, region, this.#options.region)
    }
    if (!/^\d{8}$/.test(date)) {
      throw malformedCredential(
        mechanism,
        `incorrect date format "${date}". This date in the credential must be in the format "yyyyMMdd".`,
      )
    }
    if (timestamp.text.startsWith(date)) return
    throw mechanism === 'header'
      ? malformedCredential(
          mechanism,
          'Invalid credential date. Date is not the same as X-Amz-Date.',
        )
      : malformedQuery(
          `Invalid credential date "${date}". This date is not the same as X-Amz-Date: "${timestamp.text.slice(0, 8)}".`,
        )
  }

  #checkTime(claim: Claim): void {
    const now = this.#options.clock.now()
    const aheadMs = claim.timestamp.ms - now
    if (aheadMs > CLOCK_SKEW_MS_MAX) {
      throw new Failure('request-time-skewed', 'the request is dated too far in the future')
    }
    if (claim.expiresSeconds === undefined) {
      if (-aheadMs <= CLOCK_SKEW_MS_MAX) return
      throw new Failure(
        'request-time-skewed',
        "the request's time and the server's differ by more than 15 minutes",
      )
    }
    // A life of no seconds is over at once, whatever part of a second the client's clock left out.
    const { signatureAgeMaxMs = Number.POSITIVE_INFINITY } = this.#options
    const lifeMs = Math.min(claim.expiresSeconds * 1000, signatureAgeMaxMs)
    if (claim.expiresSeconds === 0 || -aheadMs > lifeMs) {
      throw new Failure('request-expired', 'the presigned URL has expired', {
        facts: {
          xAmzExpires: claim.expiresSeconds,
          expires: isoSeconds(claim.timestamp.ms + lifeMs),
          serverTime: isoSeconds(now),
        },
      })
    }
  }

  #checkSignature(
    claim: Claim,
    parts: Parameters<typeof stringToSign>[0],
    payload: PayloadMode,
  ): Authentication {
    const { accessKey, date, region, service, scope, timestamp } = claim
    const secretKey = this.#options.secretOf(accessKey)
    // An unknown key takes the same way as a known one, so that time does not tell them apart.
    const key =
      secretKey === undefined
        ? this.#noKey
        : this.#keys.get({ accessKey, secretKey, date, region, service })
    const matches = (path: string): boolean =>
      equalSignatures(
        signatureOf(key, stringToSign({ ...parts, path }, timestamp.text, scope)),
        claim.signature,
      )
    let accepted = matches(parts.path)
    if (!accepted) {
      const encoded = fullyEncodedPath(parts.path)
      accepted = encoded !== undefined && matches(encoded)
    }
    if (secretKey === undefined) {
      throw new Failure('access-key-unknown', 'there is no such access key', {
        facts: { awsAccessKeyId: accessKey },
      })
    }
    if (!accepted) {
      throw new Failure(
        'signature-mismatch',
        'the signature does not match the request: check the secret key and the signing method',
      )
    }
    const { mechanism, signature } = claim
    const signed = { kind: 'signed', accessKey, mechanism, payload } as const
    if (payload.kind !== 'chunked-signed') return signed
    return {
      ...signed,
      chunks: new ChunkChain({ key, timestamp: timestamp.text, scope, signature }),
    }
  }
}

/** `name:value\n` of every signed header, once it is sure that all are signed that must be. */
function readSignedHeaders(names: readonly string[], headers: HeaderTable): string {
  let text = ''
  let previous = ''
  for (const name of names) {
    const value = headers.values.get(name)
    if (value === undefined) {
      throw new Failure('access-denied', 'a header named in SignedHeaders is not in the request')
    }
    if (name <= previous) {
      throw new Failure('access-denied', 'SignedHeaders must be sorted and name each header once')
    }
    previous = name
    text += `${name}:${value}\n`
  }
  if (!names.includes('host')) throw notSigned('host')
  if (headers.amazonNames.every((name) => names.includes(name))) return text
  const unsigned = headers.amazonNames.filter((name) => !names.includes(name))
  throw notSigned(unsigned.sort().join(', '))
}

function notSigned(names: string): Failure {
  return verbatim(
    'access-denied',
    'There were headers present in the request which were not signed',
    { headersNotSigned: names },
  )
}

function wrongRegion(mechanism: Claim['mechanism'], region: string, expected: string): Failure {
  const failure = malformedCredential(
    mechanism,
    `the region "${region}" is wrong; expecting "${expected}"`,
  )
  return new Failure(failure.code, failure.message, {
    facts: { ...failure.facts, region: expected },
  })
}

function isoSeconds(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z')
}

/** The last line of the canonical request. */
function signedPayload(
  claim: Claim,
  headers: HeaderTable,
  parameters: readonly QueryParameter[],
): string {
  if (claim.mechanism === 'query') return payloadText(headers, parameters) ?? 'UNSIGNED-PAYLOAD'
  const text = headers.values.get('x-amz-content-sha256')
  if (text === undefined) {
    throw new Failure('bad-request', 'a signed request needs the header x-amz-content-sha256')
  }
  return text
}

function payloadText(
  headers: HeaderTable,
  parameters: readonly QueryParameter[],
): string | undefined {
  let text = headers.values.get('x-amz-content-sha256')
  for (const { name, value } of parameters) {
    if (name.length !== 20 || name.toLowerCase() !== 'x-amz-content-sha256') continue
    if (text !== undefined && text !== value) {
      throw new Failure('argument-invalid', 'x-amz-content-sha256 is stated twice, differently')
    }
    text = value
  }
  return text
}

function modeOf(text: string): PayloadMode {
  const named = NAMED_MODES.get(text)
  if (named !== undefined) return named
  if (SHA256_ANY_CASE.test(text)) return { kind: 'hash', sha256Hex: text.toLowerCase() }
  if (text.startsWith('STREAMING-AWS4-ECDSA-')) {
    throw new Failure('not-implemented', 'chunks signed with elliptic curves are not supported')
  }
  throw badArgument(
    'x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER or a valid sha256 value.',
    'x-amz-content-sha256',
    text,
  )
}

function refuseUncoveredBody(mode: PayloadMode, headers: HeaderTable): void {
  if (mode.kind === 'hash' || mode.kind === 'chunked-signed') return
  const length = headers.values.get('content-length')
  const body = headers.values.has('transfer-encoding') || (length !== undefined && length !== '0')
  if (body) throw new Failure('access-denied', 'the body must be signed here')
}
