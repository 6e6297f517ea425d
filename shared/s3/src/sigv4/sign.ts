/** Signs our own requests to S3: the header form for requests, the query form for URLs. */
import assert from 'node:assert/strict'
import {
  ALGORITHM,
  canonicalHeaderValue,
  canonicalQuery,
  encodeComponent,
  fullyEncodedPath,
  parseQuery,
  splitTarget,
  stringToSign,
} from './canonical.ts'
import { PRESIGNED_SECONDS_MAX } from './claim.ts'
import { SigningKeys, signatureOf } from './signing-key.ts'
import { formatTimestamp } from './timestamp.ts'

export interface Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string | undefined
}

export interface SigningRequest {
  readonly method: string
  /** Path and query as they will stand on the wire; see `encodePath` and `encodeComponent`. */
  readonly target: string
  /**
   * All of these are signed, so they must arrive unchanged; `host` must be among them. Values have
   * one character per byte, as `node:http` and undici write them.
   */
  readonly headers: Readonly<Record<string, string>>
  /** `UNSIGNED-PAYLOAD`, a `STREAMING-` value, or the SHA-256 of the body in hexadecimal. */
  readonly payload: string
  readonly credentials: Credentials
  readonly region: string
  /** Default `s3`. */
  readonly service?: string | undefined
  readonly date: Date
}

export interface PresigningRequest extends Omit<SigningRequest, 'payload'> {
  /** 1..604,800 */
  readonly expiresSeconds: number
}

const keys = new SigningKeys()

/**
 * The headers to add to a request so that S3 accepts it: authorization, x-amz-date,
 * x-amz-content-sha256 and, with a session token, x-amz-security-token.
 *
 * @throws Failure `uri-invalid` when the target is not a valid request target
 */
export function signRequest(request: SigningRequest): Record<string, string> {
  const timestamp = formatTimestamp(request.date.getTime())
  const added: Record<string, string> = {
    'x-amz-content-sha256': request.payload,
    'x-amz-date': timestamp,
  }
  const token = request.credentials.sessionToken
  if (token !== undefined) added['x-amz-security-token'] = token
  const { names, text } = signedHeaders(request.headers, added)
  const { path, query } = splitTarget(request.target)
  const scope = scopeOf(request, timestamp)
  const signature = sign(
    request,
    { timestamp, scope },
    {
      method: request.method,
      path: fullyEncodedPath(path) ?? path,
      query: canonicalQuery(parseQuery(query)),
      headers: text,
      signedHeaders: names,
      payload: request.payload,
    },
  )
  added['authorization'] =
    `${ALGORITHM} Credential=${request.credentials.accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${signature}`
  return added
}

/**
 * The target (path and query) of a URL that whoever holds it may use until it expires.
 *
 * @throws Failure `uri-invalid` when the target is not a valid request target
 */
export function presign(request: PresigningRequest): string {
  assert(request.expiresSeconds >= 1 && request.expiresSeconds <= PRESIGNED_SECONDS_MAX)
  const timestamp = formatTimestamp(request.date.getTime())
  const scope = scopeOf(request, timestamp)
  const { names, text } = signedHeaders(request.headers, {})
  const token = request.credentials.sessionToken
  const credential = `${request.credentials.accessKeyId}/${scope}`
  const { path, query } = splitTarget(request.target)
  const fullQuery = [
    ...(query === '' ? [] : [query]),
    `X-Amz-Algorithm=${ALGORITHM}`,
    `X-Amz-Credential=${encodeComponent(credential)}`,
    `X-Amz-Date=${timestamp}`,
    `X-Amz-Expires=${request.expiresSeconds}`,
    ...(token === undefined ? [] : [`X-Amz-Security-Token=${encodeComponent(token)}`]),
    `X-Amz-SignedHeaders=${encodeComponent(names)}`,
  ].join('&')
  const signature = sign(
    request,
    { timestamp, scope },
    {
      method: request.method,
      path: fullyEncodedPath(path) ?? path,
      query: canonicalQuery(parseQuery(fullQuery)),
      headers: text,
      signedHeaders: names,
      payload: 'UNSIGNED-PAYLOAD',
    },
  )
  return `${path}?${fullQuery}&X-Amz-Signature=${signature}`
}

function sign(
  request: Omit<SigningRequest, 'payload'>,
  { timestamp, scope }: { readonly timestamp: string; readonly scope: string },
  parts: Parameters<typeof stringToSign>[0],
): string {
  const key = keys.get({
    accessKey: request.credentials.accessKeyId,
    secretKey: request.credentials.secretAccessKey,
    date: timestamp.slice(0, 8),
    region: request.region,
    service: request.service ?? 's3',
  })
  return signatureOf(key, stringToSign(parts, timestamp, scope))
}

function scopeOf(request: Pick<SigningRequest, 'region' | 'service'>, timestamp: string): string {
  return `${timestamp.slice(0, 8)}/${request.region}/${request.service ?? 's3'}/aws4_request`
}

function signedHeaders(
  headers: Readonly<Record<string, string>>,
  added: Readonly<Record<string, string>>,
): { readonly names: string; readonly text: string } {
  const order = orderOf([...Object.keys(headers), ...Object.keys(added)])
  let text = ''
  for (const { name, from } of order.names) {
    const value = Object.hasOwn(added, from) ? added[from] : headers[from]
    text += `${name}:${canonicalHeaderValue(value ?? '')}\n`
  }
  return { names: order.text, text }
}

/** Names of headers as they are signed. */
interface Order {
  /** As the request has them. */
  readonly given: readonly string[]
  /** In lower case and sorted, with the name by which the request has each. */
  readonly names: readonly { readonly name: string; readonly from: string }[]
  readonly text: string
}

/** The one used last, which most requests use again: those to one store have the same headers. */
let lastOrder: Order | undefined

function orderOf(given: readonly string[]): Order {
  if (lastOrder === undefined || !areEqual(lastOrder.given, given)) {
    const byName = new Map(given.map((from) => [from.toLowerCase(), from]))
    assert(byName.has('host'), 'a request is signed with its host header')
    const names = [...byName.keys()]
      .sort()
      .map((name) => ({ name, from: byName.get(name) ?? name }))
    lastOrder = { given, names, text: names.map(({ name }) => name).join(';') }
  }
  return lastOrder
}

function areEqual(some: readonly string[], others: readonly string[]): boolean {
  if (some.length !== others.length) return false
  for (let at = 0; at < some.length; at++) if (some[at] !== others[at]) return false
  return true
}
