import { Failure } from '@forebay/base/failure'
import { checkAclHeaders } from './access-control.ts'
import { header, type RequestHeaders } from './request-headers.ts'

/**
 * Beginnings of headers that ask for something that is not implemented. Ignoring one would answer
 * 200 to a promise that is not kept.
 */
const REFUSED = [
  'x-amz-server-side-encryption',
  'x-amz-copy-source-server-side-encryption',
  'x-amz-object-lock-',
  'x-amz-bucket-object-lock-enabled',
  'x-amz-mfa',
  'x-amz-write-offset-bytes',
  'x-amz-if-match-',
  'x-amz-rename-source',
] as const

/** Values that state what holds anyway. */
const HARMLESS: Readonly<Record<string, readonly string[]>> = {
  'x-amz-bucket-object-lock-enabled': ['false', 'False'],
}

/** Headers by which a caller makes sure whose bucket it uses. */
const EXPECTED_OWNERS = ['x-amz-expected-bucket-owner', 'x-amz-source-expected-bucket-owner']

/**
 * Refuses callers who expect buckets to belong to somebody else.
 *
 * @throws Failure `access-denied`
 */
export function checkExpectedOwner(headers: RequestHeaders, ownerIds: readonly string[]): void {
  for (const name of EXPECTED_OWNERS) {
    if (headers[name] !== undefined && !ownerIds.includes(header(headers, name) ?? '')) {
      throw new Failure('access-denied', `the bucket does not belong to whom ${name} names`)
    }
  }
}

/**
 * Refuses headers that ask for something that is not implemented: encryption keys, locks,
 * access lists.
 *
 * @throws Failure `not-implemented` | `acl-unsupported` | `argument-invalid`
 */
export function refuseUnsupportedHeaders(headers: RequestHeaders): void {
  for (const name in headers) {
    if (!name.startsWith('x-amz-') || !REFUSED.some((begin) => name.startsWith(begin))) continue
    const value = header(headers, name) ?? ''
    if (Object.hasOwn(HARMLESS, name) && HARMLESS[name]?.includes(value)) continue
    throw new Failure('not-implemented', `the header ${name} asks for what is not implemented`)
  }
  checkAclHeaders(headers)
}
