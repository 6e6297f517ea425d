import type { IncomingHttpHeaders } from 'node:http'
import { Failure } from '@forebay/base/failure'
import type { Query } from './query.ts'

/** The header section of a request of the S3 API, bytes (S3 API). */
export const HEADER_SECTION_BYTES_MAX = 8 * 1024

/** What stands around each header: a colon, a space, CR and LF. */
const HEADER_FRAME_BYTES = 4

/** Headers of a request as Node gives them: lower-case names, repeated values joined by commas. */
export type RequestHeaders = Readonly<IncomingHttpHeaders>

/** Parameters of a presigned URL that belong to the signature, not to the operation. */
const SIGNATURE_PARAMETERS: ReadonlySet<string> = new Set([
  'x-amz-algorithm',
  'x-amz-credential',
  'x-amz-date',
  'x-amz-expires',
  'x-amz-signedheaders',
  'x-amz-signature',
  'x-amz-security-token',
  'x-amz-content-sha256',
])

/** One header as text; `undefined` when it is absent. */
export function header(headers: RequestHeaders, name: string): string | undefined {
  const value = headers[name]
  return typeof value === 'object' ? value.join(', ') : value
}

/**
 * Holds a request to the size of headers that S3 takes: an intermediary that lets more pass here
 * would fail there.
 *
 * @param rawHeaders names and values in turn, as Node gives them
 * @throws Failure `headers-too-large`
 */
export function checkHeaderSection(rawHeaders: readonly string[]): void {
  let bytes = (rawHeaders.length / 2) * HEADER_FRAME_BYTES
  for (let at = 0; at < rawHeaders.length; at++) bytes += rawHeaders[at]?.length ?? 0
  if (bytes <= HEADER_SECTION_BYTES_MAX) return
  throw new Failure('headers-too-large', `the headers have ${bytes} bytes`, {
    facts: { maxSizeAllowed: HEADER_SECTION_BYTES_MAX },
  })
}

/**
 * The headers of a request together with those that a presigned URL carries as parameters: signers
 * hoist `x-amz-*` headers into the query, and S3 obeys them there. A real header wins.
 */
export function withHoistedHeaders(headers: RequestHeaders, query: Query): RequestHeaders {
  if (!query.has('X-Amz-Signature')) return headers
  let merged: Record<string, string | string[] | undefined> | undefined
  for (const [parameter, value] of query) {
    const name = parameter.toLowerCase()
    if (!name.startsWith('x-amz-') || SIGNATURE_PARAMETERS.has(name)) continue
    if (headers[name] !== undefined) continue
    merged ??= { ...headers }
    merged[name] = Buffer.from(value).toString('latin1')
  }
  return merged ?? headers
}
