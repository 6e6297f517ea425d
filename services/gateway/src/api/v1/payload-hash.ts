import type { IncomingMessage } from 'node:http'
import { Failure } from '@forebay/base/failure'

/**
 * The SHA-256 that the signature states for the body, lower-case hexadecimal.
 *
 * @returns `undefined` when it states none
 * @throws Failure `not-implemented` for chunk framing, which is the S3 door's; `argument-invalid`
 */
export function signedPayloadHash(raw: IncomingMessage): string | undefined {
  const stated = raw.headers['x-amz-content-sha256']
  if (stated === undefined || stated === 'UNSIGNED-PAYLOAD') return undefined
  if (typeof stated === 'string' && /^[0-9a-f]{64}$/.test(stated)) return stated
  if (typeof stated === 'string' && stated.startsWith('STREAMING-')) {
    throw new Failure('not-implemented', 'aws-chunked bodies are taken on the S3 door only')
  }
  throw new Failure('argument-invalid', 'x-amz-content-sha256 is not a SHA-256')
}
