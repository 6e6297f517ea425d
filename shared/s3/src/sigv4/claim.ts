/** What a request claims about its signer, read from its Authorization header or its query. */
import { Failure, type FailureCode } from '@forebay/base/failure'
import { ALGORITHM, canonicalHeaderValue, type QueryParameter } from './canonical.ts'
import { isSha256Hex } from './signing-key.ts'
import { parseDateHeader, parseTimestamp, type Timestamp } from './timestamp.ts'

/** Longest life of a presigned URL, seconds (S3 API: one week). */
export const PRESIGNED_SECONDS_MAX = 604_800

/** The headers of a request by lower-case name, values canonical and repeated ones joined by `,`. */
export interface HeaderTable {
  readonly values: ReadonlyMap<string, string>
  /** Names of all x-amz-* headers that are there. */
  readonly amazonNames: readonly string[]
}

/** A signature and what it is said to be made with; nothing of it is verified. */
export interface Claim {
  readonly mechanism: 'header' | 'query'
  readonly accessKey: string
  /** `date/region/service/aws4_request` */
  readonly scope: string
  readonly date: string
  readonly region: string
  readonly service: string
  /** Lower-case names joined by `;`, as signed. */
  readonly signedHeaders: string
  readonly signature: string
  readonly timestamp: Timestamp
  /** Life of a presigned URL, 1..604,800; absent for the header. */
  readonly expiresSeconds?: number | undefined
}

/** Headers that say nothing when they say two things. */
const SINGLE = new Set([
  'authorization',
  'date',
  'host',
  'x-amz-content-sha256',
  'x-amz-date',
  'x-amz-security-token',
])

const QUERY_NAMES: ReadonlyMap<string, string> = new Map(
  [
    'X-Amz-Algorithm',
    'X-Amz-Credential',
    'X-Amz-Date',
    'X-Amz-Expires',
    'X-Amz-Security-Token',
    'X-Amz-Signature',
    'X-Amz-SignedHeaders',
  ].map((name) => [name.toLowerCase(), name]),
)

/**
 * The headers of Node's flat `rawHeaders` as a table.
 *
 * @throws Failure `bad-request` when a header of authentication, or Host, is repeated
 */
export function readHeaders(rawHeaders: readonly string[]): HeaderTable {
  const values = new Map<string, string>()
  const amazonNames: string[] = []
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] ?? '').toLowerCase()
    const value = canonicalHeaderValue(rawHeaders[index + 1] ?? '')
    const earlier = values.get(name)
    if (earlier === undefined) {
      values.set(name, value)
      if (name.startsWith('x-amz-')) amazonNames.push(name)
      continue
    }
    if (SINGLE.has(name)) {
      throw new Failure('bad-request', `the request has more than one ${name} header`)
    }
    values.set(name, `${earlier},${value}`)
  }
  return { values, amazonNames }
}

/**
 * The claim of a request, undefined when it is anonymous. A request that shows any part of a
 * signature, of whatever scheme, is never anonymous.
 *
 * @throws Failure `bad-request` for two mechanisms or an old one, `authorization-malformed` and
 *   `authorization-query-malformed` for parts that are missing or broken, `argument-invalid` for a
 *   scheme that is not of S3, `token-invalid` for a session token, `access-denied` without a date
 */
export function readClaim(
  headers: HeaderTable,
  parameters: readonly QueryParameter[],
): Claim | undefined {
  const authorization = headers.values.get('authorization')
  const query = authenticationParameters(parameters)
  if (authorization !== undefined && query !== undefined) {
    throw new Failure(
      'bad-request',
      'credentials stand both in the Authorization header and the query',
    )
  }
  if (headers.values.has('x-amz-security-token') || query?.has('X-Amz-Security-Token')) {
    throw new Failure('token-invalid', 'session tokens are not used here: send none')
  }
  if (authorization !== undefined) return headerClaim(authorization, headers.values)
  return query === undefined ? undefined : queryClaim(query)
}

function authenticationParameters(
  parameters: readonly QueryParameter[],
): ReadonlyMap<string, string> | undefined {
  let found: Map<string, string> | undefined
  for (const { name, value } of parameters) {
    const lower = plainName(name)
    if (lower === 'awsaccesskeyid' || lower === 'signature') throw oldSignature()
    const known = QUERY_NAMES.get(lower)
    if (known === undefined) continue
    if (name !== known) throw malformedQuery(`${known} is written in another way`)
    found ??= new Map()
    if (found.has(name)) throw malformedQuery(`${name} stands there more than once`)
    found.set(name, decoded(name, value))
  }
  return found
}

/** The name of a parameter as any reader of the query might see it. */
function plainName(name: string): string {
  if (!name.includes('%')) return name.toLowerCase()
  return Buffer.from(name.replace(/%([0-9a-fA-F]{2})/g, hexToLatin1), 'latin1')
    .toString()
    .toLowerCase()
}

function hexToLatin1(_: string, hex: string): string {
  return String.fromCharCode(Number.parseInt(hex, 16))
}

function decoded(name: string, value: string): string {
  if (!value.includes('%')) return value
  try {
    return decodeURIComponent(value)
  } catch (cause) {
    throw new Failure('authorization-query-malformed', `${name} is not UTF-8`, { cause })
  }
}

function headerClaim(authorization: string, headers: ReadonlyMap<string, string>): Claim {
  const fields = authorizationFields(authorization)
  const code = 'authorization-malformed'
  const amazonDate = headers.get('x-amz-date')
  const date = headers.get('date')
  if (amazonDate === undefined && date === undefined) {
    throw new Failure('access-denied', 'a signed request needs an x-amz-date or a Date header')
  }
  const timestamp =
    amazonDate === undefined ? parseDateHeader(date ?? '') : parseTimestamp(amazonDate)
  if (timestamp === undefined) {
    throw new Failure(
      'access-denied',
      'the date of the request is not of the form 20260131T235959Z',
    )
  }
  return {
    mechanism: 'header',
    ...credential(fields.credential, timestamp, code),
    signedHeaders: fields.signedHeaders,
    signature: checkedSignature(fields.signature, code),
    timestamp,
  }
}

interface AuthorizationFields {
  readonly credential: string
  readonly signedHeaders: string
  readonly signature: string
}

function authorizationFields(authorization: string): AuthorizationFields {
  if (!authorization.startsWith(`${ALGORITHM} `)) throw unsupportedScheme(authorization)
  let credential: string | undefined
  let signedHeaders: string | undefined
  let signature: string | undefined
  for (let end = ALGORITHM.length, start = end; end < authorization.length; start = end + 1) {
    while (authorization.startsWith(' ', start)) start += 1
    const comma = authorization.indexOf(',', start)
    end = comma === -1 ? authorization.length : comma
    const field = authorization.slice(start, end)
    if (credential === undefined && field.startsWith('Credential=')) credential = field.slice(11)
    else if (signedHeaders === undefined && field.startsWith('SignedHeaders='))
      signedHeaders = field.slice(14)
    else if (signature === undefined && field.startsWith('Signature=')) signature = field.slice(10)
    else {
      throw new Failure(
        'authorization-malformed',
        'the Authorization header has a part that is unknown or repeated',
      )
    }
  }
  if (credential && signedHeaders && signature) return { credential, signedHeaders, signature }
  throw new Failure(
    'authorization-malformed',
    'the Authorization header needs Credential, SignedHeaders and Signature',
  )
}

function queryClaim(query: ReadonlyMap<string, string>): Claim {
  const code = 'authorization-query-malformed'
  const algorithm = parameter(query, 'X-Amz-Algorithm')
  if (algorithm !== ALGORITHM) throw malformedQuery(`X-Amz-Algorithm must be ${ALGORITHM}`)
  const timestamp = parseTimestamp(parameter(query, 'X-Amz-Date'))
  if (timestamp === undefined) throw malformedQuery('X-Amz-Date must be like 20260131T235959Z')
  return {
    mechanism: 'query',
    ...credential(parameter(query, 'X-Amz-Credential'), timestamp, code),
    signedHeaders: parameter(query, 'X-Amz-SignedHeaders'),
    signature: checkedSignature(parameter(query, 'X-Amz-Signature'), code),
    timestamp,
    expiresSeconds: expires(parameter(query, 'X-Amz-Expires')),
  }
}

function parameter(query: ReadonlyMap<string, string>, name: string): string {
  const value = query.get(name)
  if (value === undefined || value === '') throw malformedQuery(`${name} is missing`)
  return value
}

function expires(text: string): number {
  const seconds = /^[1-9]\d{0,5}$/.test(text) ? Number(text) : 0
  if (seconds === 0 || seconds > PRESIGNED_SECONDS_MAX) {
    throw malformedQuery(`X-Amz-Expires must be 1..${PRESIGNED_SECONDS_MAX} seconds`)
  }
  return seconds
}

function credential(
  text: string,
  timestamp: Timestamp,
  code: FailureCode,
): Pick<Claim, 'accessKey' | 'scope' | 'date' | 'region' | 'service'> {
  // From the right: the four parts of the scope have no slash, an access key may.
  const end = text.lastIndexOf('/')
  const afterRegion = text.lastIndexOf('/', end - 1)
  const afterDate = text.lastIndexOf('/', afterRegion - 1)
  const afterKey = text.lastIndexOf('/', afterDate - 1)
  if (afterKey < 1 || text.slice(end) !== '/aws4_request') {
    throw new Failure(
      code,
      'the credential must have the form accessKey/20260131/region/s3/aws4_request',
    )
  }
  const date = text.slice(afterKey + 1, afterDate)
  if (!timestamp.text.startsWith(date) || date.length !== 8) {
    throw new Failure(code, 'the date of the credential is not the date of the request')
  }
  return {
    accessKey: text.slice(0, afterKey),
    scope: text.slice(afterKey + 1),
    date,
    region: text.slice(afterDate + 1, afterRegion),
    service: text.slice(afterRegion + 1, end),
  }
}

function checkedSignature(text: string, code: FailureCode): string {
  if (isSha256Hex(text)) return text
  throw new Failure(code, 'the signature must be 64 lower-case hexadecimal digits')
}

function unsupportedScheme(authorization: string): Failure {
  if (authorization.startsWith('AWS ')) return oldSignature()
  if (authorization.startsWith('AWS4-')) {
    return new Failure('bad-request', `the only signature algorithm is ${ALGORITHM}`)
  }
  return new Failure('argument-invalid', `the Authorization header must use ${ALGORITHM}`)
}

function oldSignature(): Failure {
  return new Failure(
    'bad-request',
    `signature version 2 is not supported: use version 4 (${ALGORITHM})`,
  )
}

function malformedQuery(message: string): Failure {
  return new Failure('authorization-query-malformed', message)
}
