/**
 * For the tests: independent signers (@smithy/signature-v4, aws4) in the terms of `RawRequest`, and
 * ways to spoil what they signed.
 */
import { createHash, createHmac, type Hash, type Hmac } from 'node:crypto'
import { createRequire } from 'node:module'
import { Failure, type FailureCode } from '@forebay/base/failure'
import { SignatureV4 } from '@smithy/signature-v4'
import { encodeComponent } from './canonical.ts'
import {
  type Authentication,
  type RawRequest,
  SignatureVerifier,
  type SignatureVerifierOptions,
} from './verify.ts'

/** The credentials of the examples in the S3 API reference. */
export const EXAMPLE = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
} as const

export interface ClientRequest {
  readonly method: string
  /** Encoded as on the wire. */
  readonly path: string
  /** Decoded. */
  readonly query?: Readonly<Record<string, string>> | undefined
  readonly headers: Readonly<Record<string, string>>
}

export interface ClientOptions {
  readonly date: Date
  readonly accessKeyId?: string | undefined
  readonly secretAccessKey?: string | undefined
  readonly sessionToken?: string | undefined
  readonly region?: string | undefined
  readonly service?: string | undefined
  readonly expiresSeconds?: number | undefined
}

/** SHA-256 and HMAC-SHA-256 in the shape that @smithy/signature-v4 takes. */
class Sha256 {
  readonly #hash: Hash | Hmac

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    if (secret === undefined) this.#hash = createHash('sha256')
    else this.#hash = createHmac('sha256', bytesOf(secret))
  }

  update(data: Uint8Array): void {
    this.#hash.update(data)
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest()
  }

  reset(): void {
    throw new Error('a hash is used once')
  }
}

function bytesOf(secret: string | ArrayBuffer | ArrayBufferView): Buffer {
  if (typeof secret === 'string') return Buffer.from(secret)
  if (secret instanceof ArrayBuffer) return Buffer.from(secret)
  return Buffer.from(secret.buffer, secret.byteOffset, secret.byteLength)
}

/** The request with an Authorization header, as the AWS SDK for JavaScript would send it. */
export async function smithySign(
  request: ClientRequest,
  options: ClientOptions,
): Promise<RawRequest> {
  const signed = await smithy(options).sign(smithyRequest(request), { signingDate: options.date })
  return wire(request.method, request.path, signed)
}

/** The request of a presigned URL, as the AWS SDK for JavaScript would make it. */
export async function smithyPresign(
  request: ClientRequest,
  options: ClientOptions,
): Promise<RawRequest> {
  const signed = await smithy(options).presign(smithyRequest(request), {
    signingDate: options.date,
    expiresIn: options.expiresSeconds ?? 900,
  })
  return wire(request.method, request.path, signed)
}

function smithy(options: ClientOptions): SignatureV4 {
  return new SignatureV4({
    service: options.service ?? 's3',
    region: options.region ?? 'us-east-1',
    uriEscapePath: false,
    sha256: Sha256,
    credentials: {
      accessKeyId: options.accessKeyId ?? EXAMPLE.accessKeyId,
      secretAccessKey: options.secretAccessKey ?? EXAMPLE.secretAccessKey,
      ...(options.sessionToken === undefined ? {} : { sessionToken: options.sessionToken }),
    },
  })
}

function smithyRequest(request: ClientRequest) {
  return {
    method: request.method,
    protocol: 'http:',
    hostname: request.headers['host'] ?? '',
    path: request.path,
    query: { ...request.query },
    headers: { ...request.headers },
  }
}

interface SentRequest {
  readonly query?: Readonly<Record<string, unknown>> | undefined
  readonly headers: Readonly<Record<string, string>>
}

function wire(method: string, path: string, sent: SentRequest): RawRequest {
  const query = Object.entries(sent.query ?? {})
    .map(([name, value]) => `${encodeComponent(name)}=${encodeComponent(String(value))}`)
    .join('&')
  return {
    method,
    target: query === '' ? path : `${path}?${query}`,
    rawHeaders: Object.entries(sent.headers).flat(),
  }
}

interface Aws4Request {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly service: string
  readonly region: string
  readonly signQuery: boolean
}

interface Aws4 {
  sign(
    request: Aws4Request,
    credentials: typeof EXAMPLE,
  ): { readonly path: string; readonly headers: Readonly<Record<string, string>> }
}

const aws4: Aws4 = createRequire(import.meta.url)('aws4')

/** The request as aws4 signs it; `target` is path and query, `date` stands in the headers. */
export function aws4Sign(
  request: { readonly method: string; readonly target: string },
  headers: Readonly<Record<string, string>>,
  place: 'header' | 'query',
): RawRequest {
  const signed = aws4.sign(
    {
      method: request.method,
      path: request.target,
      headers,
      service: 's3',
      region: 'us-east-1',
      signQuery: place === 'query',
    },
    EXAMPLE,
  )
  return {
    method: request.method,
    target: signed.path,
    rawHeaders: Object.entries(signed.headers).flat(),
  }
}

/** When the tests take place. */
export const NOW = Date.UTC(2026, 0, 31, 12)
export const MINUTE = 60_000
export const HELLO_SHA256 = createHash('sha256').update('hello').digest('hex')

export const OPTIONS: SignatureVerifierOptions = {
  secretOf: (key) => (key === EXAMPLE.accessKeyId ? EXAMPLE.secretAccessKey : undefined),
  region: 'us-east-1',
  clock: { now: () => NOW },
}

export const PUT = {
  method: 'PUT',
  path: '/bucket/key',
  headers: { host: 'localhost:8080', 'x-amz-content-sha256': HELLO_SHA256, 'x-amz-meta-a': 'b' },
}

export const GET = {
  method: 'GET',
  path: '/bucket/key',
  headers: { host: 'localhost:8080', 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' },
}

export const date = (offsetMs = 0): Date => new Date(NOW + offsetMs)

export function verify(request: RawRequest, options: Partial<typeof OPTIONS> = {}): Authentication {
  return new SignatureVerifier({ ...OPTIONS, ...options }).verify(request)
}

/** Why the request is refused; an error when it is not. */
export function refusalOf(request: RawRequest, options: Partial<typeof OPTIONS> = {}): Failure {
  try {
    verify(request, options)
  } catch (error) {
    if (error instanceof Failure) return error
    throw error
  }
  throw new Error(`accepted: ${JSON.stringify(request)}`)
}

export const codeOf = (request: RawRequest): FailureCode => refusalOf(request).code

export function withHeader(request: RawRequest, name: string, value: string): RawRequest {
  return { ...request, rawHeaders: [...request.rawHeaders, name, value] }
}

export function withoutHeader(request: RawRequest, name: string): RawRequest {
  const rawHeaders = request.rawHeaders.flatMap((text, index, all) =>
    all[index - (index % 2)] === name ? [] : [text],
  )
  return { ...request, rawHeaders }
}

export function changeAuthorization(
  request: RawRequest,
  change: (authorization: string) => string,
): RawRequest {
  const rawHeaders = request.rawHeaders.map((text, index, all) =>
    all[index - 1] === 'authorization' ? change(text) : text,
  )
  return { ...request, rawHeaders }
}

export function changeTarget(request: RawRequest, from: string | RegExp, to: string): RawRequest {
  return { ...request, target: request.target.replace(from, to) }
}
