import { Failure } from '@forebay/base/failure'
import type { BucketRecord } from '@forebay/model/bucket'
import { corsHeaders, parsePreflight, preflightHeaders } from '@forebay/s3/cors'
import { parseRequestTarget } from '@forebay/s3/request-target'
import type { S3Context } from './context.ts'
import type { Arrival } from './exchange.ts'

/**
 * Answers a preflight by the rules of the bucket (Fetch Standard, CORS protocol).
 *
 * @throws Failure `bucket-not-found` | `preflight-invalid` | `cors-forbidden` | `uri-invalid`
 */
export function answerPreflight(
  { request, response, requestId }: Arrival,
  context: Pick<S3Context, 'table'>,
  hostBucket: string | undefined,
): void {
  const { bucket } = parseRequestTarget(request.url ?? '', hostBucket)
  const found = bucket === undefined ? undefined : bucketOf(context, bucket)
  if (found === undefined && bucket !== undefined) {
    throw new Failure('bucket-not-found', 'the specified bucket does not exist', {
      facts: { bucketName: bucket },
    })
  }
  const headers = preflightHeaders(found?.s3?.cors, parsePreflight(request.headers))
  response.writeHead(200, [...headers, 'x-amz-request-id', requestId, 'Content-Length', '0'])
  response.end()
}

/** Puts the headers on an answer that is still to come; nothing where no rule allows the origin. */
export function setCorsHeaders(
  { request, response }: Pick<Arrival, 'request' | 'response'>,
  context: Pick<S3Context, 'table'>,
  hostBucket: string | undefined,
): void {
  const flat = originHeaders(request, context, hostBucket)
  for (let at = 0; at + 1 < flat.length; at += 2) {
    response.setHeader(flat[at] ?? '', flat[at + 1] ?? '')
  }
}

/** Names and values that let the page behind a request see the answer; none where no rule does. */
export function originHeaders(
  request: Arrival['request'],
  context: Pick<S3Context, 'table'>,
  hostBucket: string | undefined,
): readonly string[] {
  const { origin } = request.headers
  let bucket: string | undefined
  try {
    ;({ bucket } = parseRequestTarget(request.url ?? '', hostBucket))
  } catch {
    // What is no proper target is refused by those who answer the request.
    return []
  }
  if (origin === undefined || bucket === undefined) return []
  const rules = bucketOf(context, bucket)?.s3?.cors
  return corsHeaders(rules, { origin, method: request.method ?? '' })
}

/** The bucket that a name means without asking anybody; none where it could mean several. */
function bucketOf(context: Pick<S3Context, 'table'>, name: string): BucketRecord | undefined {
  const found = context.table.get(name)
  const [first] = found
  const sure = found.length < 2 || (first?.ref.provider === 'ais' && first.ref.name === name)
  return sure ? first : undefined
}
