/** For the tests: requests as a client signs them, and ways to spoil what it signed. */
import { createHash } from 'node:crypto'
import { Failure, type FailureCode } from '@forebay/base/failure'
import { EMPTY_SHA256, encodeComponent } from './canonical.ts'
import { presign, signRequest } from './sign.ts'
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

/** The request with an Authorization header; `vectors.test.ts` shows that others sign alike. */
export function clientSign(request: ClientRequest, options: ClientOptions): RawRequest {
  const signing = signingRequest(request, options)
  const payload = request.headers['x-amz-content-sha256'] ?? EMPTY_SHA256
  const headers = { ...request.headers, ...signRequest({ ...signing, payload }) }
  return {
    method: request.method,
    target: signing.target,
    rawHeaders: Object.entries(headers).flat(),
  }
}

/** The request of a presigned URL, with `host` as its only header. */
export function clientPresign(request: ClientRequest, options: ClientOptions): RawRequest {
  const headers = { host: request.headers['host'] ?? '' }
  const target = presign({
    ...signingRequest(request, options),
    headers,
    expiresSeconds: options.expiresSeconds ?? 900,
  })
  return { method: request.method, target, rawHeaders: Object.entries(headers).flat() }
}

function signingRequest(request: ClientRequest, options: ClientOptions) {
  return {
    method: request.method,
    target: targetOf(request),
    headers: request.headers,
    credentials: {
      accessKeyId: options.accessKeyId ?? EXAMPLE.accessKeyId,
      secretAccessKey: options.secretAccessKey ?? EXAMPLE.secretAccessKey,
      sessionToken: options.sessionToken,
    },
    region: options.region ?? 'us-east-1',
    service: options.service,
    date: options.date,
  }
}

/** The target as on the wire. */
export function targetOf(request: Pick<ClientRequest, 'path' | 'query'>): string {
  const query = Object.entries(request.query ?? {})
    .map(([name, value]) => `${encodeComponent(name)}=${encodeComponent(value)}`)
    .join('&')
  return query === '' ? request.path : `${request.path}?${query}`
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
