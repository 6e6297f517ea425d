/** Who signed the policy of an HTML form (S3 API, "Authenticating requests: browser-based uploads"). */
import { randomBytes } from 'node:crypto'
import { Failure } from '@forebay/base/failure'
import type { FormFields } from '../form-parser.ts'
import { verifyPolicyV2 } from '../sigv2/verify.ts'
import { badArgument, verbatim } from '../verbatim.ts'
import { ALGORITHM } from './canonical.ts'
import { deriveSigningKey, equalSignatures, signatureOf } from './signing-key.ts'
import { parseTimestamp } from './timestamp.ts'
import { CLOCK_SKEW_MS_MAX } from './verify.ts'

/** The fields of a signed form; all or none. */
const SIGNED_FIELDS = [
  'policy',
  'x-amz-algorithm',
  'x-amz-credential',
  'x-amz-date',
  'x-amz-signature',
] as const

/** A key that nobody has: it signs in the place of one that is unknown. */
const NO_SECRET = randomBytes(32).toString('hex')

/**
 * The access key with which a form was signed. The signature covers the policy alone; the policy
 * covers the fields (`checkPolicy`).
 *
 * @returns `undefined` for a form without any part of a signature
 * @throws Failure `argument-invalid` | `token-invalid` | `access-key-unknown` | `signature-mismatch` |
 *   `request-time-skewed`, or `access-denied` for one that is too old
 */
export function verifyForm(
  fields: FormFields,
  options: {
    readonly secretOf: (accessKey: string) => string | undefined
    readonly region: string
    /** Also takes forms signed with version 2. Default false. */
    readonly allowSignatureV2?: boolean | undefined
    /** How old the signature may be, however long its policy lasts, ms; absent: no limit. */
    readonly age?: { readonly nowMs: number; readonly maxMs: number } | undefined
  },
): string | undefined {
  if (options.allowSignatureV2 === true && isSignedV2(fields)) {
    return verifyPolicyV2(
      {
        accessKey: requiredField(fields, 'awsaccesskeyid'),
        signature: requiredField(fields, 'signature'),
        policy: requiredField(fields, 'policy'),
      },
      options.secretOf,
    )
  }
  if (!SIGNED_FIELDS.some((name) => fields.has(name))) return undefined
  const [policy, algorithm, credential, date, signature] = SIGNED_FIELDS.map((name) =>
    requiredField(fields, name),
  )
  if (fields.has('x-amz-security-token')) {
    throw new Failure('token-invalid', 'session tokens are not used here: send none')
  }
  if (algorithm !== ALGORITHM) {
    throw badArgument(`Only ${ALGORITHM} is supported`, 'X-Amz-Algorithm', algorithm)
  }
  const timestamp = parseTimestamp(date ?? '')
  if (timestamp === undefined) {
    throw badArgument('X-Amz-Date must be formated via ISO8601 Long format', 'X-Amz-Date', date)
  }
  const scope = parseCredential(credential ?? '', options.region)
  if (!timestamp.text.startsWith(scope.date)) {
    throw badCredential(credential ?? '', 'the date in the credential is not that of x-amz-date')
  }
  const secretKey = options.secretOf(scope.accessKey)
  const key = deriveSigningKey({ ...scope, secretKey: secretKey ?? NO_SECRET, service: 's3' })
  const matches = equalSignatures(signatureOf(key, policy ?? ''), signature ?? '')
  if (secretKey === undefined) {
    throw new Failure('access-key-unknown', 'there is no such access key', {
      facts: { awsAccessKeyId: scope.accessKey },
    })
  }
  if (!matches) {
    throw new Failure('signature-mismatch', 'the signature does not match the policy of the form')
  }
  if (options.age !== undefined) checkAge(timestamp.ms, options.age)
  return scope.accessKey
}

function checkAge(
  signedMs: number,
  { nowMs, maxMs }: { readonly nowMs: number; readonly maxMs: number },
): void {
  if (signedMs - nowMs > CLOCK_SKEW_MS_MAX) {
    throw new Failure('request-time-skewed', 'the form is dated too far in the future')
  }
  if (nowMs - signedMs > maxMs) {
    throw verbatim('access-denied', 'Invalid according to Policy: Policy expired.')
  }
}

/** A form that shows a signature of version 2 and nothing of version 4. */
function isSignedV2(fields: FormFields): boolean {
  if (!fields.has('awsaccesskeyid') && !fields.has('signature')) return false
  return !SIGNED_FIELDS.some((name) => name !== 'policy' && fields.has(name))
}

/** @throws Failure `argument-invalid` */
export function requiredField(fields: FormFields, name: string): string {
  const value = fields.get(name)
  if (value !== undefined) return value
  throw badArgument(
    `Bucket POST must contain a field named '${name}'.  If it is specified, please check the order of the fields.`,
    name,
    '',
  )
}

function parseCredential(
  credential: string,
  wantedRegion: string,
): { readonly accessKey: string; readonly date: string; readonly region: string } {
  const parts = credential.split('/')
  const [accessKey, date, region, service, terminal] = parts
  if (
    parts.length !== 5 ||
    accessKey === undefined ||
    date === undefined ||
    region === undefined ||
    accessKey === ''
  ) {
    throw badCredential(
      credential,
      'the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".',
    )
  }
  if (!/^\d{8}$/.test(date)) {
    throw badCredential(
      credential,
      `incorrect date format "${date}". This date in the credential must be in the format "yyyyMMdd".`,
    )
  }
  if (terminal !== 'aws4_request') {
    throw badCredential(
      credential,
      `incorrect terminal "${terminal}". This endpoint uses "aws4_request".`,
    )
  }
  if (service !== 's3') {
    throw badCredential(
      credential,
      `incorrect service "${service}". This endpoint belongs to "s3".`,
    )
  }
  if (region !== wantedRegion) {
    throw badCredential(credential, `the region "${region}" is wrong; expecting "${wantedRegion}"`)
  }
  return { accessKey, date, region }
}

function badCredential(credential: string, message: string): Failure {
  return badArgument(message, 'x-amz-credential', credential)
}
