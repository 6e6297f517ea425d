import { Failure } from '@forebay/base/failure'
import type { ObjectOwnership } from '@forebay/model/bucket-s3'
import type { Owner } from './list-documents.ts'
import { header, type RequestHeaders } from './request-headers.ts'
import { badArgument } from './verbatim.ts'
import { childrenOf, malformed, parseXml, requiredTextOf, textOf } from './xml-read.ts'
import { xmlDocument, xmlElement, xmlText } from './xml-write.ts'

/** Access lists that mean: the owner alone. */
const PRIVATE_ACLS: ReadonlySet<string> = new Set([
  'private',
  'bucket-owner-full-control',
  'bucket-owner-read',
])

/** The others that S3 knows. */
const OTHER_ACLS: ReadonlySet<string> = new Set([
  'public-read',
  'public-read-write',
  'authenticated-read',
  'aws-exec-read',
  'log-delivery-write',
])

const OWNERSHIPS: readonly ObjectOwnership[] = [
  'BucketOwnerEnforced',
  'BucketOwnerPreferred',
  'ObjectWriter',
]

/** Grantees and permissions of one list: S3's own limit. */
const GRANTS_MAX = 100

/**
 * Refuses access lists by which others than the owner may do something: who may do what is said by
 * the users' policies.
 *
 * @returns true when the headers state a list
 * @throws Failure `acl-unsupported` | `argument-invalid` for a word that S3 does not know
 */
export function checkAclHeaders(headers: RequestHeaders): boolean {
  const acl = header(headers, 'x-amz-acl')
  for (const name in headers) if (name.startsWith('x-amz-grant-')) throw unsupported()
  if (acl === undefined) return false
  if (PRIVATE_ACLS.has(acl)) return true
  if (OTHER_ACLS.has(acl)) throw unsupported()
  throw badArgument('The canned ACL is not known', 'x-amz-acl', acl)
}

/**
 * Reads the body of PutBucketAcl or PutObjectAcl, which may say that the owner may do everything.
 *
 * @throws Failure `xml-malformed` | `acl-unsupported`
 */
export function checkAclDocument(body: Uint8Array, owner: Owner): void {
  const root = parseXml(body, 'AccessControlPolicy')
  const [lists] = childrenOf(root, 'AccessControlList')
  if (lists === undefined) throw malformed('it has no AccessControlList')
  const grants = childrenOf(lists, 'Grant')
  if (grants.length > GRANTS_MAX) throw malformed(`it has more than ${GRANTS_MAX} grants`)
  for (const grant of grants) {
    const [grantee] = childrenOf(grant, 'Grantee')
    const id = grantee === undefined ? undefined : textOf(grantee, 'ID')
    if (id !== owner.id || requiredTextOf(grant, 'Permission') !== 'FULL_CONTROL') {
      throw unsupported()
    }
  }
}

/** The answer of GetBucketAcl and GetObjectAcl: the owner may do everything, nobody else anything. */
export function renderAcl(owner: Owner): string {
  const person = xmlElement('ID', owner.id) + xmlElement('DisplayName', owner.displayName)
  return xmlDocument(
    'AccessControlPolicy',
    `<Owner>${person}</Owner><AccessControlList><Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser">${person}</Grantee><Permission>FULL_CONTROL</Permission></Grant></AccessControlList>`,
  )
}

/** Reads the body of PutBucketOwnershipControls: one rule. @throws Failure `xml-malformed` */
export function parseOwnership(body: Uint8Array): ObjectOwnership {
  const rules = childrenOf(parseXml(body, 'OwnershipControls'), 'Rule')
  const [rule, second] = rules
  if (rule === undefined || second !== undefined) throw malformed('it has not one Rule')
  const text = requiredTextOf(rule, 'ObjectOwnership')
  return checkOwnership(text) ?? refuse(text)
}

/**
 * The ownership that the headers of CreateBucket ask for: `x-amz-object-ownership`; without it, of a
 * bucket whose list is stated to be private, the one that S3 gives to it, which keeps lists in force.
 *
 * @throws Failure `argument-invalid`
 */
export function parseOwnershipHeader(headers: RequestHeaders): ObjectOwnership | undefined {
  const text = header(headers, 'x-amz-object-ownership')
  if (text === undefined) {
    return header(headers, 'x-amz-acl') === 'private' ? 'BucketOwnerPreferred' : undefined
  }
  const ownership = checkOwnership(text)
  if (ownership !== undefined) return ownership
  throw badArgument(
    `Invalid x-amz-object-ownership header: ${text}`,
    'x-amz-object-ownership',
    undefined,
  )
}

/** The answer of GetBucketOwnershipControls. */
export function renderOwnership(ownership: ObjectOwnership): string {
  return xmlDocument(
    'OwnershipControls',
    `<Rule><ObjectOwnership>${xmlText(ownership)}</ObjectOwnership></Rule>`,
  )
}

function checkOwnership(text: string): ObjectOwnership | undefined {
  return OWNERSHIPS.find((known) => known === text)
}

function refuse(text: string): never {
  throw malformed(`there is no ObjectOwnership ${text.slice(0, 80)}`)
}

function unsupported(): Failure {
  return new Failure('acl-unsupported', 'access control lists have no effect here', {
    hint: 'Who may do what is said by the policies of the users.',
  })
}
