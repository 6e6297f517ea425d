import { codeOfStatus, retryAfterOf } from '@forebay/backend-transport/classify'
import { headerOf, type WireAnswer } from '@forebay/backend-transport/exchange'
import { Failure, type FailureCode } from '@forebay/base/failure'

/** An answer of the service that is no success, as far as it could be read. */
export interface Refusal {
  readonly status: number
  /** `x-ms-error-code`, else `Code` of the document; empty where there was neither. */
  readonly code: string
  readonly message: string
  readonly retryAfter?: string | undefined
}

/** Error codes of Azure Blob Storage; the status decides about others. */
const BY_CODE: ReadonlyMap<string, FailureCode> = new Map<string, FailureCode>([
  ['BlobNotFound', 'object-not-found'],
  ['ResourceNotFound', 'object-not-found'],
  ['ContainerNotFound', 'bucket-not-found'],
  ['ContainerBeingDeleted', 'bucket-not-found'],
  // If-None-Match: * on an object that is there (409, where HTTP has 412).
  ['BlobAlreadyExists', 'precondition-failed'],
  ['ConditionNotMet', 'precondition-failed'],
  ['SourceConditionNotMet', 'precondition-failed'],
  ['TargetConditionNotMet', 'precondition-failed'],
  ['BlobArchived', 'object-archived'],
  ['BlobBeingRehydrated', 'object-archived'],
  ['InvalidRange', 'range-not-satisfiable'],
  ['Md5Mismatch', 'digest-mismatch'],
  ['Crc64Mismatch', 'digest-mismatch'],
  ['InvalidMd5', 'digest-invalid'],
  ['RequestBodyTooLarge', 'entity-too-large'],
  ['ServerBusy', 'backend-throttled'],
  ['TooManyRequests', 'backend-throttled'],
  ['OperationTimedOut', 'backend-timeout'],
  // 412 and 409 of leases are no conditions of the caller's: the write may succeed when they end.
  ['LeaseIdMissing', 'conditional-conflict'],
  ['LeaseIdMismatchWithBlobOperation', 'conditional-conflict'],
  ['LeaseLost', 'conditional-conflict'],
  ['PendingCopyOperation', 'conditional-conflict'],
  // Another write of this key was committed meanwhile, and with that our blocks were dropped.
  ['InvalidBlockList', 'conditional-conflict'],
  ['SnapshotsPresent', 'backend-refused'],
  ['InvalidBlobType', 'backend-refused'],
  ['BlobImmutableDueToPolicy', 'backend-denied'],
  ['PublicAccessNotPermitted', 'backend-denied'],
  ['InvalidAuthenticationInfo', 'backend-denied'],
  ['AccountIsDisabled', 'backend-denied'],
  ['NotImplemented', 'not-implemented'],
  ['APINotImplemented', 'not-implemented'],
  ['BackendIsSelf', 'backend-is-self'],
])

const HINTS: ReadonlyMap<string, string> = new Map([
  [
    'AuthenticationFailed',
    "check the key or token of the storage account, and this machine's clock",
  ],
  ['AuthorizationFailure', 'check the network rules and the permissions of the storage account'],
  [
    'AuthorizationPermissionMismatch',
    'give the identity a role such as Storage Blob Data Contributor',
  ],
  [
    'KeyBasedAuthenticationNotPermitted',
    'the account takes tokens of identities only, not its key',
  ],
  ['LeaseIdMissing', 'another program holds a lease on the blob'],
  ['SnapshotsPresent', 'the blob has snapshots; delete them first'],
  [
    'InvalidBlobOrBlock',
    'the blob has uncommitted blocks of another program; Azure drops them after a week',
  ],
])

/**
 * The failure that an answer of the service means. The one place where this is decided.
 *
 * @param what the request, for the message: `PUT az://container/key`
 */
export function classifyRefusal(refusal: Refusal, what: string): Failure {
  const { status, code, message } = refusal
  const said = code === '' ? `status ${status}` : `${status} ${code}`
  const hint = HINTS.get(code)
  return new Failure(
    codeOf(refusal),
    `${what} was answered ${said}${message === '' ? '' : `: ${message}`}`,
    {
      facts: { backendStatus: status, backendCode: code },
      ...(hint === undefined ? {} : { hint }),
      ...retryAfterOf(refusal.retryAfter),
    },
  )
}

function codeOf({ status, code, message }: Refusal): FailureCode {
  // Azurite's way to say Md5Mismatch.
  if (code === 'InvalidOperation' && /MD5/.test(message)) return 'digest-mismatch'
  if (code === 'CannotVerifyCopySource') {
    return status === 404 ? 'object-not-found' : codeOfStatus(status)
  }
  return BY_CODE.get(code) ?? codeOfStatus(status)
}

/** An error document is read up to here; Azure's have under 1 KiB. */
const ERROR_BYTES_MAX = 64 * 1024

/** The failure that an answer means; reads its error document and thereby frees the connection. */
export async function refusalOf(answer: WireAnswer, what: string): Promise<Failure> {
  const { status, headers, body } = answer
  // The document only explains; a connection that breaks in it changes nothing about the status.
  const text = await body.readText(ERROR_BYTES_MAX).catch(() => '')
  const document = readErrorXml(text)
  const code = headerOf(headers, 'x-ms-error-code') ?? document.code
  const retryAfter = headerOf(headers, 'retry-after')
  return classifyRefusal({ status, code, message: document.message, retryAfter }, what)
}

/** The first line of the message: those below are an id and a time of the request. */
function readErrorXml(text: string): { readonly code: string; readonly message: string } {
  const code = /<Code>([^<]{1,100})<\/Code>/.exec(text)?.[1] ?? ''
  const message = /<Message>([^<\n]{1,1000})/.exec(text)?.[1] ?? ''
  return { code, message: message.trim() }
}
