/**
 * Signature Version 2 (Amazon S3 user guide, "Signing and authenticating REST requests"). Tools still
 * make it: boto3 signs URLs and forms with it unless it is told otherwise. It covers less than
 * version 4: no region, no body, and of the query only what names another resource.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { Failure } from '@forebay/base/failure'
import { splitTarget } from '../sigv4/canonical.ts'
import { type HeaderTable, readHeaders } from '../sigv4/claim.ts'
import { parseDateHeader } from '../sigv4/timestamp.ts'
import { CLOCK_SKEW_MS_MAX, type RawRequest } from '../sigv4/verify.ts'
import { badArgument, verbatim } from '../verbatim.ts'

/** Bytes of an HMAC-SHA-1. */
const DIGEST_BYTES = 20

/** A key that nobody has: it signs in the place of one that is unknown. */
const NO_SECRET = randomBytes(32).toString('hex')

/** Parameters that carry a signature; a request has those of one version only. */
const QUERY_MARK = /(?:^|&)(?:AWSAccessKeyId|Signature)=/
const OTHER_VERSION = /(?:^|&)x-amz-(?:algorithm|credential|signature)=/i

/**
 * Parameters outside of the signature: they choose no operation and no object. Everything else is
 * signed, so that nobody can turn a URL for one operation into another's.
 */
const UNSIGNED: ReadonlySet<string> = new Set([
  ...['AWSAccessKeyId', 'Signature', 'Expires', 'content-type', 'content-md5', 'x-id', ''],
  ...['list-type', 'prefix', 'delimiter', 'encoding-type', 'max-keys', 'marker', 'fetch-owner'],
  ...['continuation-token', 'start-after', 'key-marker', 'version-id-marker', 'upload-id-marker'],
  ...['max-uploads', 'max-parts', 'part-number-marker', 'max-buckets', 'bucket-region'],
])

export interface SignatureV2Options {
  /** The secret of an access key, undefined when there is no such key. */
  readonly secretOf: (accessKey: string) => string | undefined
  readonly nowMs: number
  /** The bucket that the Host header names; its name is signed as if it stood in the path. */
  readonly hostBucket: string | undefined
}

/** What a request of version 2 says of its signer; nothing of it is verified. */
interface Claim {
  readonly accessKey: string
  readonly signature: string
  /** The line of the string to sign that holds a time. */
  readonly time: string
}

/** True for a request that shows a signature of version 2. */
export function claimsSignatureV2(authorization: string | undefined, target: string): boolean {
  return (
    authorization?.startsWith('AWS ') === true ||
    (target.includes('Signature=') && QUERY_MARK.test(splitTarget(target).query))
  )
}

/**
 * The access key that signed a request for which `claimsSignatureV2` holds.
 *
 * @throws Failure `signature-mismatch` | `access-key-unknown` | `request-expired` |
 *   `request-time-skewed` | `access-denied` | `argument-invalid` | `bad-request` | `token-invalid`
 */
export function verifySignatureV2(request: RawRequest, options: SignatureV2Options): string {
  const headers = readHeaders(request.rawHeaders)
  const { path, query } = splitTarget(request.target)
  const authorization = headers.values.get('authorization')
  const inQuery = QUERY_MARK.test(query)
  if ((authorization !== undefined && inQuery) || OTHER_VERSION.test(query)) {
    throw new Failure('bad-request', 'the request shows more than one signature')
  }
  if (headers.values.has('x-amz-security-token') || /(?:^|&)x-amz-security-token=/i.test(query)) {
    throw new Failure('token-invalid', 'session tokens are not used here: send none')
  }
  const parameters = parseParameters(query)
  const claim =
    authorization === undefined
      ? queryClaim(parameters, options.nowMs)
      : headerClaim(authorization, headers, options.nowMs)
  checkAmazonParameters(parameters, headers)
  const head = `${request.method}\n${headers.values.get('content-md5') ?? ''}\n${
    headers.values.get('content-type') ?? ''
  }\n${claim.time}\n${amazonHeaders(request.rawHeaders)}`
  const secretKey = options.secretOf(claim.accessKey)
  const sign = (resource: string): Buffer =>
    createHmac('sha1', secretKey ?? NO_SECRET)
      .update(head, 'latin1')
      .update(resource, 'utf8')
      .digest()
  const words = signedWords(parameters)
  const resources = resourcesOf(path, options.hostBucket)
  return accept(
    claim,
    resources.map((resource) => sign(resource + words)),
    secretKey,
  )
}

/**
 * The access key that signed the policy of a form with version 2.
 *
 * @throws Failure `signature-mismatch` | `access-key-unknown`
 */
export function verifyPolicyV2(
  form: { readonly accessKey: string; readonly policy: string; readonly signature: string },
  secretOf: SignatureV2Options['secretOf'],
): string {
  const secretKey = secretOf(form.accessKey)
  const digest = createHmac('sha1', secretKey ?? NO_SECRET)
    .update(form.policy)
    .digest()
  return accept(form, [digest], secretKey)
}

/** An unknown key takes the same way as a known one, so that time does not tell them apart. */
function accept(
  claim: Pick<Claim, 'accessKey' | 'signature'>,
  digests: readonly Buffer[],
  secretKey: string | undefined,
): string {
  const stated = Buffer.from(claim.signature, 'base64')
  const matches =
    stated.length === DIGEST_BYTES && digests.some((digest) => timingSafeEqual(stated, digest))
  if (secretKey === undefined) {
    throw new Failure('access-key-unknown', 'there is no such access key', {
      facts: { awsAccessKeyId: claim.accessKey },
    })
  }
  if (matches) return claim.accessKey
  throw new Failure(
    'signature-mismatch',
    'the signature does not match the request: check the secret key and the signing method',
  )
}

function headerClaim(authorization: string, headers: HeaderTable, nowMs: number): Claim {
  const [, accessKey, signature] =
    /^AWS ([^\s:]{1,128}):([A-Za-z0-9+/=]{1,64})$/.exec(authorization) ?? []
  if (accessKey === undefined || signature === undefined) {
    throw badArgument('AWS authorization header is invalid.', 'Authorization', undefined)
  }
  const amazonDate = headers.values.get('x-amz-date')
  const date = headers.values.get('date') ?? ''
  const ms = parseDateHeader(amazonDate ?? date)?.ms
  if (ms === undefined) {
    throw verbatim(
      'access-denied',
      'AWS authentication requires a valid Date or x-amz-date header.',
    )
  }
  if (Math.abs(nowMs - ms) > CLOCK_SKEW_MS_MAX) {
    throw new Failure(
      'request-time-skewed',
      "the request's time and the server's differ by more than 15 minutes",
    )
  }
  return { accessKey, signature, time: amazonDate === undefined ? date : '' }
}

function queryClaim(parameters: readonly Parameter[], nowMs: number): Claim {
  const [accessKey, signature, time] = ['AWSAccessKeyId', 'Signature', 'Expires'].map((name) => {
    const found = parameters.filter((one) => one.name === name)
    return found.length === 1 ? found[0]?.value : undefined
  })
  if (!accessKey || !signature || time === undefined || !/^\d{1,12}$/.test(time)) {
    throw verbatim(
      'access-denied',
      'Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters',
    )
  }
  const expiresMs = Number(time) * 1000
  if (nowMs > expiresMs) {
    throw new Failure('request-expired', 'the presigned URL has expired', {
      facts: { expires: isoSeconds(expiresMs), serverTime: isoSeconds(nowMs) },
    })
  }
  return { accessKey, signature, time }
}

/** `name:value\n` of every x-amz-* header, sorted; values as they came, only trimmed. */
function amazonHeaders(rawHeaders: readonly string[]): string {
  const values = new Map<string, string>()
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] ?? '').toLowerCase()
    if (!name.startsWith('x-amz-')) continue
    // Not `trim`: the second byte of "à" is a space of Latin-1.
    const value = (rawHeaders[at + 1] ?? '').replace(/^[ \t]+|[ \t]+$/g, '')
    const earlier = values.get(name)
    values.set(name, earlier === undefined ? value : `${earlier},${value}`)
  }
  const names = [...values.keys()].sort()
  return names.map((name) => `${name}:${values.get(name)}\n`).join('')
}

interface Parameter {
  readonly name: string
  readonly value: string
  readonly hasValue: boolean
}

function parseParameters(query: string): readonly Parameter[] {
  if (query === '') return []
  return query.split('&').map((segment) => {
    const equals = segment.indexOf('=')
    const name = decode(equals === -1 ? segment : segment.slice(0, equals))
    const value = equals === -1 ? '' : decode(segment.slice(equals + 1))
    return { name, value, hasValue: equals !== -1 }
  })
}

/** `+` is a space as for every reader of the query: otherwise `%2B` could be made one unnoticed. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch (cause) {
    throw new Failure('uri-invalid', 'the query is not UTF-8', { cause })
  }
}

/** Headers that a signer repeats in the query (boto3) must be sent too: only there they are signed. */
function checkAmazonParameters(parameters: readonly Parameter[], headers: HeaderTable): void {
  for (const { name, value } of parameters) {
    const lower = name.toLowerCase()
    if (!lower.startsWith('x-amz-') || headers.values.get(lower) === value) continue
    throw verbatim(
      'access-denied',
      'There were headers present in the request which were not signed',
      { headersNotSigned: lower },
    )
  }
}

/** The ways in which signers write what a path means; all mean the same object. */
function resourcesOf(path: string, hostBucket: string | undefined): readonly string[] {
  const whole = hostBucket === undefined ? path : `/${hostBucket}${path}`
  const resources = [whole]
  // The path of an endpoint is no part of what boto3 signs.
  if (hostBucket === undefined && path.startsWith('/s3/')) resources.push(path.slice(3))
  // Neither does it sign the name of a bucket without a slash behind it.
  const bare = resources.filter((resource) => /^\/[^/]+$/.test(resource))
  return [...resources, ...bare.map((resource) => `${resource}/`)]
}

/** The part of the query that is signed, sorted and decoded. */
function signedWords(parameters: readonly Parameter[]): string {
  const signed = parameters.filter(
    ({ name }) => !UNSIGNED.has(name) && !name.toLowerCase().startsWith('x-amz-'),
  )
  const texts = signed
    .toSorted((one, other) => (one.name < other.name ? -1 : one.name > other.name ? 1 : 0))
    .map(({ name, value, hasValue }) => (hasValue ? `${name}=${value}` : name))
  return texts.length === 0 ? '' : `?${texts.join('&')}`
}

function isoSeconds(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z')
}
