/** What a request claims about its signer, read from its Authorization header or its query. */
import { Failure, type FailureCode } from '@forebay/base/failure'
import { badArgument, verbatim } from '../verbatim.ts'
import { ALGORITHM, canonicalHeaderValue, type QueryParameter } from './canonical.ts'
import { isSha256Hex, SIGNATURE_LENGTH } from './signing-key.ts'
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
  /** The same, apart. */
  readonly signedNames: readonly string[]
  readonly signature: string
  readonly timestamp: Timestamp
  /** Life of a presigned URL, 0..604,800; absent for the header. */
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

/** What S3 says of a date that is absent and of one that is none. */
const DATE_NEEDED = 'AWS authentication requires a valid Date or x-amz-date header.'

/** What an Authorization header says but for its signature. */
interface Credential {
  /** The header up to the signature. */
  readonly prefix: string
  readonly accessKey: string
  readonly scope: string
  readonly date: string
  readonly region: string
  readonly service: string
  readonly signedHeaders: string
  readonly signedNames: readonly string[]
}

/** Credentials of well-formed headers that are kept: a client states one, the same all day. */
const CREDENTIALS_KEPT_MAX = 8

const kept: Credential[] = []
let keptNext = 0

/** The kept credential of a header that is like an earlier one in everything but its signature. */
function keptCredential(authorization: string): Credential | undefined {
  const prefix = authorization.slice(0, -SIGNATURE_LENGTH)
  for (const each of kept) {
    if (each.prefix === prefix) return each
  }
  return undefined
}

function headerClaim(authorization: string, headers: ReadonlyMap<string, string>): Claim {
  const earlier = keptCredential(authorization)
  const signature = earlier === undefined ? '' : authorization.slice(-SIGNATURE_LENGTH)
  if (earlier === undefined || !isSha256Hex(signature)) return newClaim(authorization, headers)
  return {
    mechanism: 'header',
    accessKey: earlier.accessKey,
    scope: earlier.scope,
    date: earlier.date,
    region: earlier.region,
    service: earlier.service,
    signedHeaders: earlier.signedHeaders,
    signedNames: earlier.signedNames,
    signature,
    timestamp: headerTimestamp(headers),
  }
}

/** The claim of a header unlike those before it. */
function newClaim(authorization: string, headers: ReadonlyMap<string, string>): Claim {
  const fields = authorizationFields(authorization)
  const timestamp = headerTimestamp(headers)
  const stated = {
    ...credential(fields.credential, 'header'),
    signedHeaders: fields.signedHeaders,
    signedNames: fields.signedHeaders.split(';'),
  }
  const signature = checkedSignature(fields.signature, 'authorization-malformed')
  const prefix = authorization.slice(0, -SIGNATURE_LENGTH)
  kept[keptNext] = { prefix, ...stated }
  keptNext = (keptNext + 1) % CREDENTIALS_KEPT_MAX
  return { mechanism: 'header', ...stated, signature, timestamp }
}

function headerTimestamp(headers: ReadonlyMap<string, string>): Timestamp {
  const amazonDate = headers.get('x-amz-date')
  const date = headers.get('date')
  if (amazonDate === undefined && date === undefined) {
    throw verbatim('access-denied', DATE_NEEDED)
  }
  const timestamp = parseDateHeader(amazonDate ?? date ?? '')
  if (timestamp === undefined) {
    throw verbatim('access-denied', DATE_NEEDED)
  }
  return timestamp
}

interface AuthorizationFields {
  readonly credential: string
  readonly signedHeaders: string
  readonly signature: string
}

const FIELDS = ['Credential', 'SignedHeaders', 'Signature'] as const

function authorizationFields(authorization: string): AuthorizationFields {
  if (!authorization.startsWith(`${ALGORITHM} `)) throw unsupportedScheme(authorization)
  const values: string[] = []
  const found = authorization.slice(ALGORITHM.length + 1).split(',', FIELDS.length + 1)
  if (found.length !== FIELDS.length) {
    throw malformedHeader(
      'the authorization header requires three components: Credential, SignedHeaders, and Signature.',
    )
  }
  for (const [index, name] of FIELDS.entries()) {
    const field = found[index]?.replace(/^ +/, '') ?? ''
    const equals = field.indexOf('=')
    // No value is echoed: it could be the signature.
    if (equals === -1 || field.includes('=', equals + 1)) {
      const echo = /^[A-Za-z-]{1,40}$/.test(field) ? ` "${field}"` : ''
      throw malformedHeader(`the authorization component${echo} is malformed.`)
    }
    if (field.slice(0, equals) !== name || equals === field.length - 1) {
      throw malformedHeader(`missing ${name}.`)
    }
    values.push(field.slice(equals + 1))
  }
  const [credential = '', signedHeaders = '', signature = ''] = values
  return { credential, signedHeaders, signature }
}

function malformedHeader(message: string): Failure {
  return verbatim('authorization-malformed', `The authorization header is malformed; ${message}`)
}

function queryClaim(query: ReadonlyMap<string, string>): Claim {
  for (const name of QUERY_NAMES.values()) {
    if (name !== 'X-Amz-Security-Token') parameter(query, name)
  }
  const algorithm = parameter(query, 'X-Amz-Algorithm')
  if (algorithm === 'AWS4-ECDSA-P256-SHA256') {
    throw malformedQuery(`X-Amz-Algorithm only supports "${ALGORITHM}"`)
  }
  if (algorithm !== ALGORITHM) {
    throw malformedQuery(`X-Amz-Algorithm only supports "${ALGORITHM} and AWS4-ECDSA-P256-SHA256"`)
  }
  const timestamp = parseTimestamp(parameter(query, 'X-Amz-Date'))
  if (timestamp === undefined) {
    throw malformedQuery(`X-Amz-Date must be in the ISO8601 Long Format "yyyyMMdd'T'HHmmss'Z'"`)
  }
  const signedHeaders = parameter(query, 'X-Amz-SignedHeaders')
  return {
    mechanism: 'query',
    ...credential(parameter(query, 'X-Amz-Credential'), 'query'),
    signedHeaders,
    signedNames: signedHeaders.split(';'),
    signature: checkedSignature(
      parameter(query, 'X-Amz-Signature'),
      'authorization-query-malformed',
    ),
    timestamp,
    expiresSeconds: expires(parameter(query, 'X-Amz-Expires')),
  }
}

function parameter(query: ReadonlyMap<string, string>, name: string): string {
  const value = query.get(name)
  if (value !== undefined && value !== '') return value
  throw malformedQuery(
    'Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.',
  )
}

function expires(text: string): number {
  if (!/^(?:0|-?[1-9]\d{0,17})$/.test(text))
    throw malformedQuery('X-Amz-Expires should be a number')
  const seconds = Number(text)
  if (seconds < 0) throw malformedQuery('X-Amz-Expires must be non-negative')
  if (seconds > PRESIGNED_SECONDS_MAX) {
    throw malformedQuery(
      `X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than ${PRESIGNED_SECONDS_MAX} seconds`,
    )
  }
  return seconds
}

const CREDENTIAL_FORM =
  'the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".'

function credential(
  text: string,
  mechanism: Claim['mechanism'],
): Pick<Claim, 'accessKey' | 'scope' | 'date' | 'region' | 'service'> {
  // From the right: the four parts of the scope have no slash, an access key may.
  const end = text.lastIndexOf('/')
  const afterRegion = text.lastIndexOf('/', end - 1)
  const afterDate = text.lastIndexOf('/', afterRegion - 1)
  const afterKey = text.lastIndexOf('/', afterDate - 1)
  if (afterKey < 1 || afterDate <= afterKey || afterRegion <= afterDate || end <= afterRegion) {
    throw malformedCredential(mechanism, CREDENTIAL_FORM)
  }
  if (text.slice(end) !== '/aws4_request') {
    // With more parts it is not the last one that is wrong.
    if (text.indexOf('/') !== afterKey) throw malformedCredential(mechanism, CREDENTIAL_FORM)
    throw malformedCredential(
      mechanism,
      `incorrect terminal "${text.slice(end + 1)}". This endpoint uses "aws4_request".`,
    )
  }
  return {
    accessKey: text.slice(0, afterKey),
    scope: text.slice(afterKey + 1),
    date: text.slice(afterKey + 1, afterDate),
    region: text.slice(afterDate + 1, afterRegion),
    service: text.slice(afterRegion + 1, end),
  }
}

/** What is wrong with a credential, in the words of the place where it stands. */
export function malformedCredential(mechanism: Claim['mechanism'], message: string): Failure {
  return mechanism === 'header'
    ? malformedHeader(message)
    : malformedQuery(`Error parsing the X-Amz-Credential parameter; ${message}`)
}

function checkedSignature(text: string, code: FailureCode): string {
  if (isSha256Hex(text)) return text
  throw new Failure(code, 'the signature must be 64 lower-case hexadecimal digits')
}

function unsupportedScheme(authorization: string): Failure {
  const [scheme = '', rest] = authorization.split(' ', 2)
  // The value is not echoed: without its form known, any of it could be a secret.
  if (rest === undefined) {
    return badArgument(
      "Authorization header is invalid -- one and only one ' ' (space) required.",
      'Authorization',
      undefined,
    )
  }
  if (scheme === 'AWS') return oldSignature()
  const known = /^AWS\d-[A-Z0-9-]{1,40}$/.test(scheme)
  return badArgument('Unsupported Authorization Type', 'Authorization', known ? scheme : undefined)
}

function oldSignature(): Failure {
  return verbatim(
    'bad-request',
    `The authorization mechanism you have provided is not supported. Please use ${ALGORITHM}.`,
  )
}

/** @param message in the words of S3 */
export function malformedQuery(message: string): Failure {
  return verbatim('authorization-query-malformed', message)
}
