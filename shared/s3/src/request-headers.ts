import type { IncomingHttpHeaders } from 'node:http'
import type { Query } from './query.ts'

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
