import { Failure } from '@forebay/base/failure'
import { CORS_METHODS, type CorsMethod, type CorsRule } from '@forebay/model/bucket-s3'
import { header, type RequestHeaders } from './request-headers.ts'
import { verbatim } from './verbatim.ts'
import { childrenOf, malformed, numberOf, parseXml, textOf, type XmlElement } from './xml-read.ts'
import { xmlDocument, xmlElement } from './xml-write.ts'

/** Rules of one bucket (S3 API). */
export const CORS_RULES_MAX = 100

/** Body of PutBucketCors, bytes (S3 API: 64 KB). */
export const CORS_BYTES_MAX = 64 * 1024

/** Characters of the id of a rule (S3 API). */
const RULE_ID_LENGTH_MAX = 255

/** Name of a header (RFC 9110 §5.6.2). */
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

const VARY = 'Origin, Access-Control-Request-Headers, Access-Control-Request-Method'

/**
 * Reads the body of PutBucketCors.
 *
 * @throws Failure `xml-malformed` | `message-too-large` | `bad-request`
 */
export function parseCors(body: Uint8Array): readonly CorsRule[] {
  const root = parseXml(body, 'CORSConfiguration', CORS_BYTES_MAX)
  const rules = childrenOf(root, 'CORSRule')
  if (rules.length === 0) throw malformed('it has no rule')
  if (rules.length > CORS_RULES_MAX) throw malformed(`it has more than ${CORS_RULES_MAX} rules`)
  return rules.map(parseRule)
}

function parseRule(rule: XmlElement): CorsRule {
  const texts = (name: string): string[] => childrenOf(rule, name).map(({ text }) => text)
  const allowedOrigins = texts('AllowedOrigin')
  const methods = texts('AllowedMethod')
  const id = textOf(rule, 'ID')
  if (allowedOrigins.length === 0) throw malformed('a rule allows no origin')
  if (methods.length === 0) throw malformed('a rule allows no method')
  if (id !== undefined && id.length > RULE_ID_LENGTH_MAX) throw malformed('an ID is too long')
  for (const origin of allowedOrigins) {
    if (origin.indexOf('*') === origin.lastIndexOf('*')) continue
    throw verbatim('bad-request', `AllowedOrigin "${origin}" can not have more than one wildcard.`)
  }
  return {
    id,
    allowedOrigins,
    allowedMethods: methods.map(parseMethod),
    allowedHeaders: texts('AllowedHeader').map(checkHeaderName),
    exposeHeaders: texts('ExposeHeader').map(checkHeaderName),
    maxAgeSeconds: numberOf(rule, 'MaxAgeSeconds'),
  }
}

function parseMethod(text: string): CorsMethod {
  const method = CORS_METHODS.find((known) => known === text)
  if (method !== undefined) return method
  throw verbatim(
    'bad-request',
    `Found unsupported HTTP method in CORS config. Unsupported method is ${text}`,
  )
}

function checkHeaderName(name: string): string {
  if (HEADER_NAME.test(name)) return name
  throw verbatim('bad-request', `AllowedHeader "${name}" contains invalid character.`)
}

/** The answer of GetBucketCors. */
export function renderCors(rules: readonly CorsRule[]): string {
  const each = (name: string, values: readonly string[]): string =>
    values.map((value) => xmlElement(name, value)).join('')
  const content = rules.map(
    (rule) =>
      '<CORSRule>' +
      xmlElement('ID', rule.id) +
      each('AllowedHeader', rule.allowedHeaders) +
      each('AllowedMethod', rule.allowedMethods) +
      each('AllowedOrigin', rule.allowedOrigins) +
      each('ExposeHeader', rule.exposeHeaders) +
      xmlElement('MaxAgeSeconds', rule.maxAgeSeconds) +
      '</CORSRule>',
  )
  return xmlDocument('CORSConfiguration', content.join(''))
}

/** What a browser asks before it sends a request of another origin (Fetch Standard, CORS-preflight). */
export interface Preflight {
  readonly origin: string
  readonly method: CorsMethod
  /** In lower case. */
  readonly headers: readonly string[]
}

/** @throws Failure `preflight-invalid` */
export function parsePreflight(headers: RequestHeaders): Preflight {
  const origin = header(headers, 'origin')
  if (origin === undefined || origin === '') {
    throw preflightFailure('Insufficient information. Origin request header needed.')
  }
  const wanted = header(headers, 'access-control-request-method') ?? ''
  const method = CORS_METHODS.find((known) => known === wanted)
  if (method === undefined) {
    throw preflightFailure(`Invalid Access-Control-Request-Method: ${wanted}`)
  }
  const named = header(headers, 'access-control-request-headers') ?? ''
  const names = named === '' ? [] : named.split(',')
  return { origin, method, headers: names.map(parseHeaderName) }
}

function parseHeaderName(text: string): string {
  const name = text.trim().toLowerCase()
  if (HEADER_NAME.test(name)) return name
  const shown = Buffer.from(text, 'latin1').toString()
  throw preflightFailure(`Access-Control-Request-Headers "${shown}" contains invalid character.`)
}

function preflightFailure(message: string): Failure {
  return verbatim('preflight-invalid', message)
}

/**
 * The headers of an answer to a preflight.
 *
 * @returns flat names and values
 * @throws Failure `cors-forbidden`
 */
export function preflightHeaders(
  rules: readonly CorsRule[] | undefined,
  preflight: Preflight,
): string[] {
  if (rules === undefined) {
    throw verbatim('cors-forbidden', 'CORSResponse: CORS is not enabled for this bucket.')
  }
  const { origin, method, headers } = preflight
  const rule = rules.find((one) => allows(one, origin, method) && allowsHeaders(one, headers))
  if (rule === undefined) throw new Failure('cors-forbidden', 'no rule of the bucket allows this')
  const flat = allowingHeaders(rule, origin)
  if (headers.length > 0) flat.push('Access-Control-Allow-Headers', headers.join(', '))
  if (rule.maxAgeSeconds !== undefined) {
    flat.push('Access-Control-Max-Age', String(rule.maxAgeSeconds))
  }
  return flat
}

/**
 * The headers by which a browser lets a page see the answer to the request itself.
 *
 * @returns flat names and values; empty where no rule allows it
 */
export function corsHeaders(
  rules: readonly CorsRule[] | undefined,
  request: { readonly origin: string; readonly method: string },
): string[] {
  const { origin, method } = request
  const rule = rules?.find((one) => allows(one, origin, method))
  if (rule === undefined) return rules === undefined ? [] : ['Vary', VARY]
  return allowingHeaders(rule, origin)
}

function allowingHeaders(rule: CorsRule, origin: string): string[] {
  const anyone = rule.allowedOrigins.includes('*')
  const exposed = rule.exposeHeaders.some((name) => name.toLowerCase() === 'etag')
    ? rule.exposeHeaders
    : [...rule.exposeHeaders, 'ETag']
  return [
    'Access-Control-Allow-Origin',
    anyone ? '*' : origin,
    'Access-Control-Allow-Methods',
    rule.allowedMethods.join(', '),
    'Access-Control-Expose-Headers',
    exposed.join(', '),
    'Access-Control-Allow-Credentials',
    String(!anyone),
    'Vary',
    VARY,
  ]
}

function allows(rule: CorsRule, origin: string, method: string): boolean {
  return (
    rule.allowedMethods.some((allowed) => allowed === method) &&
    rule.allowedOrigins.some((pattern) => matches(pattern, origin))
  )
}

function allowsHeaders(rule: CorsRule, names: readonly string[]): boolean {
  return names.every((name) =>
    rule.allowedHeaders.some((pattern) => matches(pattern.toLowerCase(), name)),
  )
}

/** True when `text` is the pattern, whose first `*` stands for anything. */
function matches(pattern: string, text: string): boolean {
  const star = pattern.indexOf('*')
  if (star === -1) return pattern === text
  const before = pattern.slice(0, star)
  const after = pattern.slice(star + 1)
  return (
    text.length >= before.length + after.length && text.startsWith(before) && text.endsWith(after)
  )
}
