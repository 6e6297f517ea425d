import { Failure } from '@forebay/base/failure'
import type { FormFields } from './form-parser.ts'
import { verbatim } from './verbatim.ts'

/** Conditions of one policy: a form has at most some thirty fields. */
const CONDITIONS_MAX = 100

/** One thing that a policy demands of a form (S3 API, "Creating a POST policy"). */
type Condition =
  | {
      readonly kind: 'eq' | 'starts-with'
      readonly field: string
      readonly value: string
      /** As the policy has it, for the refusal. */
      readonly text: string
    }
  | { readonly kind: 'size'; readonly minBytes: number; readonly maxBytes: number }

/** What a form may say and send, and until when. */
export interface PostPolicy {
  readonly expiresMs: number
  readonly conditions: readonly Condition[]
}

/**
 * Reads the policy of a form: base64 of JSON.
 *
 * @throws Failure `policy-invalid`
 */
export function parsePolicy(encoded: string): PostPolicy {
  const document = parseDocument(encoded)
  for (const name of ['expiration', 'conditions']) {
    if (!Object.hasOwn(document, name)) throw invalid(`Policy missing ${name}.`)
  }
  const { expiration, conditions } = document
  for (const name of Object.keys(document)) {
    if (name !== 'expiration' && name !== 'conditions') throw invalid(`Unexpected: "${name}"`)
  }
  if (!Array.isArray(conditions)) throw invalid("Invalid 'conditions' value: must be a List.")
  if (conditions.length > CONDITIONS_MAX) throw invalid('it has too many conditions')
  if (typeof expiration !== 'string') throw invalid('Invalid JSON.')
  return { expiresMs: parseExpiration(expiration), conditions: conditions.map(parseCondition) }
}

/**
 * Holds the fields of a form to its policy: it is not over, every condition is met, and every field
 * is covered by one, because a field that the signer did not foresee is not signed.
 *
 * @param facts what the fields come to: the bucket of the request, the key with its file name
 * @throws Failure `access-denied`
 */
export function checkPolicy(
  policy: PostPolicy,
  fields: FormFields,
  facts: { readonly nowMs: number; readonly bucket: string; readonly key: string },
): void {
  if (policy.expiresMs < facts.nowMs) throw denied('Policy expired.')
  const covered = new Set(policy.conditions.map((one) => (one.kind === 'size' ? '' : one.field)))
  for (const name of fields.keys()) {
    if (!covered.has(name) && !isFree(name)) throw denied(`Extra input fields: ${name}`)
  }
  for (const condition of policy.conditions) {
    if (condition.kind === 'size') continue
    const { field, value, kind } = condition
    const said = field === 'bucket' ? facts.bucket : fields.get(field)
    const met =
      said !== undefined &&
      (kind === 'eq'
        ? said === value || (field === 'key' && facts.key === value)
        : startsWith(field, field === 'key' ? facts.key : said, value))
    if (!met) throw denied(`Policy Condition failed: ${condition.text}`)
  }
  if (!covered.has('bucket')) throw denied('Extra input fields: bucket')
}

/** The sizes that a policy allows a file, bytes, both included. */
export function sizesOf(policy: PostPolicy): {
  readonly minBytes: number
  readonly maxBytes: number
} {
  let minBytes = 0
  let maxBytes = Number.POSITIVE_INFINITY
  for (const condition of policy.conditions) {
    if (condition.kind !== 'size') continue
    minBytes = Math.max(minBytes, condition.minBytes)
    maxBytes = Math.min(maxBytes, condition.maxBytes)
  }
  return { minBytes, maxBytes }
}

/** Fields that no policy need name: they are its signature, of version 4 or 2. */
const FREE: ReadonlySet<string> = new Set([
  'policy',
  'x-amz-signature',
  'signature',
  'awsaccesskeyid',
])

function isFree(name: string): boolean {
  return FREE.has(name) || name.startsWith('x-ignore-')
}

/** Of several content types each must begin so (S3 API). */
function startsWith(field: string, said: string, prefix: string): boolean {
  if (field !== 'content-type') return said.startsWith(prefix)
  return said.split(',').every((part) => part.trim().startsWith(prefix))
}

function parseDocument(encoded: string): Readonly<Record<string, unknown>> {
  const text = encoded.trim()
  if (text === '') throw invalid("Expecting '{' but found End-of-Input")
  const bytes = Buffer.from(text, 'base64')
  const again = bytes.toString('base64')
  if (again !== text && again.replace(/=+$/, '') !== text) throw invalid('invalid Base64 encoding.')
  let document: unknown
  try {
    document = JSON.parse(bytes.toString())
  } catch (cause) {
    throw invalid('Invalid JSON.', cause)
  }
  if (!isObject(document)) throw invalid('Invalid JSON.')
  return document
}

function parseExpiration(text: string): number {
  const ms = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/.test(text)
    ? Date.parse(text)
    : Number.NaN
  if (Number.isNaN(ms)) throw invalid(`Invalid 'expiration' value: '${text}'`)
  return ms
}

function parseCondition(value: unknown): Condition {
  if (Array.isArray(value)) return parseList(value)
  if (!isObject(value)) throw invalid('Invalid condition test: must be a List or Object.')
  const [entry, second] = Object.entries(value)
  if (entry === undefined || second !== undefined) {
    throw invalid(
      'Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.',
    )
  }
  const [name, wanted] = entry
  if (typeof wanted !== 'string') {
    throw invalid('Invalid Simple-Condition: value must be a string.')
  }
  const text = `["eq", "$${name}", "${wanted}"]`
  return { kind: 'eq', field: name.toLowerCase(), value: wanted, text }
}

function parseList(list: readonly unknown[]): Condition {
  const [operation, first, second] = list
  if (operation === undefined) throw invalid('Invalid Condition: missing operation identifier.')
  const kind = String(operation).toLowerCase()
  if (kind !== 'eq' && kind !== 'starts-with' && kind !== 'content-length-range') {
    throw invalid(`Invalid Condition: unknown operation '${String(operation)}'.`)
  }
  if (list.length !== 3) throw invalid(`Invalid ${kind}: wrong number of arguments.`)
  if (kind === 'content-length-range') {
    return { kind: 'size', minBytes: parseSize(first), maxBytes: parseSize(second) }
  }
  if (typeof first !== 'string' || typeof second !== 'string') throw invalid('Invalid JSON.')
  const text = JSON.stringify(list)
  // Without its sign it is the name of no field.
  if (!first.startsWith('$') || first.length < 2) {
    throw denied(`Policy Condition failed: ${text}`)
  }
  return { kind, field: first.slice(1).toLowerCase(), value: second, text }
}

function parseSize(value: unknown): number {
  const size = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
    throw invalid('Invalid JSON.')
  }
  return size
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function invalid(why: string, cause?: unknown): Failure {
  return new Failure('policy-invalid', `Invalid Policy: ${why}`, {
    facts: { verbatim: true },
    cause,
  })
}

function denied(why: string): Failure {
  return verbatim('access-denied', `Invalid according to Policy: ${why}`)
}
