/**
 * The one catalogue of expected failures. Each door renders a code once, in its own words: `s3` is
 * the code of the S3 API, `type` the class name that AIStore's clients look for, `status` the HTTP
 * status on both doors unless a door documents another one. `retry` says whether the same request
 * may succeed later without a change by the caller.
 */
export const CATALOGUE = {
  'access-denied': { status: 403, s3: 'AccessDenied', type: 'ErrAccessDenied', retry: false },
  'access-key-unknown': {
    status: 403,
    s3: 'InvalidAccessKeyId',
    type: 'ErrAccessDenied',
    retry: false,
  },
  'signature-mismatch': {
    status: 403,
    s3: 'SignatureDoesNotMatch',
    type: 'ErrAccessDenied',
    retry: false,
  },
  'request-time-skewed': {
    status: 403,
    s3: 'RequestTimeTooSkewed',
    type: 'ErrAccessDenied',
    retry: false,
  },
  'request-expired': { status: 403, s3: 'AccessDenied', type: 'ErrAccessDenied', retry: false },
  'authorization-malformed': {
    status: 400,
    s3: 'AuthorizationHeaderMalformed',
    type: 'ErrBadRequest',
    retry: false,
  },
  'authorization-query-malformed': {
    status: 400,
    s3: 'AuthorizationQueryParametersError',
    type: 'ErrBadRequest',
    retry: false,
  },
  'token-invalid': { status: 400, s3: 'InvalidToken', type: 'ErrBadRequest', retry: false },
  unauthenticated: { status: 401, s3: 'AccessDenied', type: 'ErrAccessDenied', retry: false },

  'bad-request': { status: 400, s3: 'InvalidRequest', type: 'ErrBadRequest', retry: false },
  'argument-invalid': { status: 400, s3: 'InvalidArgument', type: 'ErrBadRequest', retry: false },
  'uri-invalid': { status: 400, s3: 'InvalidURI', type: 'ErrBadRequest', retry: false },
  'xml-malformed': { status: 400, s3: 'MalformedXML', type: 'ErrBadRequest', retry: false },
  'json-malformed': { status: 400, s3: 'InvalidRequest', type: 'ErrBadRequest', retry: false },
  'media-type-unsupported': {
    status: 415,
    s3: 'InvalidRequest',
    type: 'ErrBadRequest',
    retry: false,
  },
  'headers-too-large': {
    status: 431,
    s3: 'RequestHeaderSectionTooLarge',
    type: 'ErrBadRequest',
    retry: false,
  },
  'message-too-large': {
    status: 400,
    s3: 'MaxMessageLengthExceeded',
    type: 'ErrBadRequest',
    retry: false,
  },
  'payload-too-large': {
    status: 413,
    s3: 'MaxMessageLengthExceeded',
    type: 'ErrBadRequest',
    retry: false,
  },
  'metadata-too-large': {
    status: 400,
    s3: 'MetadataTooLarge',
    type: 'ErrBadRequest',
    retry: false,
  },
  'method-not-allowed': {
    status: 405,
    s3: 'MethodNotAllowed',
    type: 'ErrMethodNotAllowed',
    retry: false,
  },
  'not-implemented': { status: 501, s3: 'NotImplemented', type: 'ErrNotImpl', retry: false },
  'request-timeout': { status: 400, s3: 'RequestTimeout', type: 'ErrTimeout', retry: true },
  'client-gone': { status: 499, s3: 'RequestTimeout', type: 'ErrAborted', retry: false },

  'bucket-name-invalid': {
    status: 400,
    s3: 'InvalidBucketName',
    type: 'ErrBucketName',
    retry: false,
  },
  'location-invalid': {
    status: 400,
    s3: 'InvalidLocationConstraint',
    type: 'ErrBadRequest',
    retry: false,
  },
  'bucket-not-found': { status: 404, s3: 'NoSuchBucket', type: 'ErrBckNotFound', retry: false },
  'bucket-exists': {
    status: 409,
    s3: 'BucketAlreadyOwnedByYou',
    type: 'ErrBucketAlreadyExists',
    retry: false,
  },
  'bucket-not-empty': {
    status: 409,
    s3: 'BucketNotEmpty',
    type: 'ErrBucketNotEmpty',
    retry: false,
  },
  'bucket-ambiguous': {
    status: 409,
    s3: 'AmbiguousBucketName',
    type: 'ErrBucketAmbiguous',
    retry: false,
  },
  'bucket-read-only': { status: 403, s3: 'AccessDenied', type: 'ErrAccessDenied', retry: false },
  'bucket-not-remote': { status: 400, s3: 'InvalidRequest', type: 'ErrNotRemoteBck', retry: false },
  'property-invalid': { status: 400, s3: 'InvalidArgument', type: 'ErrBadRequest', retry: false },

  'key-invalid': { status: 400, s3: 'InvalidURI', type: 'ErrObjName', retry: false },
  'key-too-long': { status: 400, s3: 'KeyTooLongError', type: 'ErrObjName', retry: false },
  /** S3 has no word for keys that it does not take: it repeats the status. */
  'key-not-portable': { status: 400, s3: '400', type: 'ErrObjName', retry: false },
  'object-not-found': { status: 404, s3: 'NoSuchKey', type: 'ErrObjNotFound', retry: false },
  'object-busy': { status: 409, s3: 'OperationAborted', type: 'ErrBusy', retry: true },
  'object-archived': {
    status: 403,
    s3: 'InvalidObjectState',
    type: 'ErrObjArchived',
    retry: false,
  },
  'object-corrupt': { status: 500, s3: 'InternalError', type: 'ErrObjCorrupt', retry: true },
  'version-not-found': { status: 404, s3: 'NoSuchVersion', type: 'ErrObjNotFound', retry: false },

  'precondition-failed': {
    status: 412,
    s3: 'PreconditionFailed',
    type: 'ErrPrecondition',
    retry: false,
  },
  'not-modified': { status: 304, s3: 'NotModified', type: 'ErrNotModified', retry: false },
  'conditional-conflict': {
    status: 409,
    s3: 'ConditionalRequestConflict',
    type: 'ErrBusy',
    retry: true,
  },
  'range-not-satisfiable': {
    status: 416,
    s3: 'InvalidRange',
    type: 'ErrRangeNotSatisfiable',
    retry: false,
  },
  'part-number-invalid': {
    status: 416,
    s3: 'InvalidPartNumber',
    type: 'ErrRangeNotSatisfiable',
    retry: false,
  },

  'digest-invalid': { status: 400, s3: 'InvalidDigest', type: 'ErrBadCksum', retry: false },
  'digest-mismatch': { status: 400, s3: 'BadDigest', type: 'ErrBadCksum', retry: false },
  'payload-hash-mismatch': {
    status: 400,
    s3: 'XAmzContentSHA256Mismatch',
    type: 'ErrBadCksum',
    retry: false,
  },
  'body-incomplete': { status: 400, s3: 'IncompleteBody', type: 'ErrBadRequest', retry: false },
  'trailer-malformed': {
    status: 400,
    s3: 'MalformedTrailerError',
    type: 'ErrBadRequest',
    retry: false,
  },
  'chunk-size-invalid': {
    status: 400,
    s3: 'InvalidChunkSizeError',
    type: 'ErrBadRequest',
    retry: false,
  },
  'length-required': {
    status: 411,
    s3: 'MissingContentLength',
    type: 'ErrBadRequest',
    retry: false,
  },
  'entity-too-large': { status: 400, s3: 'EntityTooLarge', type: 'ErrBadRequest', retry: false },
  'entity-too-small': { status: 400, s3: 'EntityTooSmall', type: 'ErrBadRequest', retry: false },
  'storage-class-invalid': {
    status: 400,
    s3: 'InvalidStorageClass',
    type: 'ErrBadRequest',
    retry: false,
  },

  'redirect-invalid': {
    status: 400,
    s3: 'InvalidRedirectLocation',
    type: 'ErrBadRequest',
    retry: false,
  },
  'tag-invalid': { status: 400, s3: 'InvalidTag', type: 'ErrBadRequest', retry: false },
  'tags-too-many': { status: 400, s3: 'BadRequest', type: 'ErrBadRequest', retry: false },
  /** A bucket has no such configuration; the fact `configuration` names it. */
  'configuration-absent': {
    status: 404,
    s3: 'NoSuchConfiguration',
    type: 'ErrBadRequest',
    retry: false,
  },
  'preflight-invalid': { status: 400, s3: 'BadRequest', type: 'ErrBadRequest', retry: false },
  'cors-forbidden': { status: 403, s3: 'AccessForbidden', type: 'ErrAccessDenied', retry: false },
  'header-missing': {
    status: 400,
    s3: 'MissingSecurityHeader',
    type: 'ErrBadRequest',
    retry: false,
  },
  'acl-unsupported': {
    status: 400,
    s3: 'AccessControlListNotSupported',
    type: 'ErrBadRequest',
    retry: false,
  },
  'form-malformed': {
    status: 400,
    s3: 'MalformedPOSTRequest',
    type: 'ErrBadRequest',
    retry: false,
  },
  'form-fields-too-large': {
    status: 400,
    s3: 'MaxPostPreDataLengthExceededError',
    type: 'ErrBadRequest',
    retry: false,
  },
  'policy-invalid': {
    status: 400,
    s3: 'InvalidPolicyDocument',
    type: 'ErrBadRequest',
    retry: false,
  },

  'upload-not-found': { status: 404, s3: 'NoSuchUpload', type: 'ErrUploadNotFound', retry: false },
  'part-invalid': { status: 400, s3: 'InvalidPart', type: 'ErrBadRequest', retry: false },
  'part-order-invalid': {
    status: 400,
    s3: 'InvalidPartOrder',
    type: 'ErrBadRequest',
    retry: false,
  },

  'slow-down': { status: 503, s3: 'SlowDown', type: 'ErrTooManyRequests', retry: true },
  'budget-spent': { status: 503, s3: 'SlowDown', type: 'ErrTooManyRequests', retry: true },
  unavailable: { status: 503, s3: 'ServiceUnavailable', type: 'ErrUnavailable', retry: true },
  'out-of-space': { status: 507, s3: 'InsufficientStorage', type: 'ErrCapExceeded', retry: true },
  'disk-error': { status: 500, s3: 'InternalError', type: 'ErrMpathIO', retry: true },
  internal: { status: 500, s3: 'InternalError', type: 'ErrInternal', retry: true },

  /** An archive that is none, is broken, or asks for more than a reader gives. */
  'archive-invalid': { status: 400, s3: 'InvalidRequest', type: 'ErrBadRequest', retry: false },

  'job-not-found': { status: 404, s3: 'NoSuchJob', type: 'ErrNotFound', retry: false },
  'job-state-invalid': { status: 409, s3: 'InvalidJobState', type: 'ErrBusy', retry: false },
  'jobs-too-many': { status: 429, s3: 'SlowDown', type: 'ErrTooManyRequests', retry: true },
  /** The work was given to somebody else meanwhile; nothing more may be done under it. */
  'job-lease-lost': { status: 503, s3: 'SlowDown', type: 'ErrBusy', retry: true },
  'job-engine-unavailable': {
    status: 503,
    s3: 'ServiceUnavailable',
    type: 'ErrUnavailable',
    retry: true,
  },

  'backend-unreachable': { status: 502, s3: 'BackendUnreachable', type: 'ErrBackend', retry: true },
  'backend-timeout': { status: 504, s3: 'BackendTimeout', type: 'ErrBackend', retry: true },
  'backend-throttled': { status: 503, s3: 'SlowDown', type: 'ErrTooManyRequests', retry: true },
  'backend-denied': { status: 403, s3: 'AccessDenied', type: 'ErrBackend', retry: false },
  'backend-refused': { status: 400, s3: 'InvalidRequest', type: 'ErrBackend', retry: false },
  'backend-corrupt': { status: 502, s3: 'BackendCorrupt', type: 'ErrBackend', retry: true },
  'backend-changed': { status: 503, s3: 'SlowDown', type: 'ErrBackend', retry: true },
  'backend-is-self': { status: 508, s3: 'BackendIsSelf', type: 'ErrBackend', retry: false },

  'setting-invalid': { status: 500, s3: 'InternalError', type: 'ErrConfig', retry: false },
  'format-newer': { status: 500, s3: 'InternalError', type: 'ErrConfig', retry: false },
} as const

export type FailureCode = keyof typeof CATALOGUE

export interface FailureOptions {
  readonly cause?: unknown
  /** What the user can do about it, one sentence. */
  readonly hint?: string
  /** Seconds after which a retry is sensible; rendered as Retry-After. */
  readonly retryAfterSeconds?: number
  /** Facts for the log and for doors that render details; never secrets. */
  readonly facts?: Readonly<Record<string, string | number | boolean>>
}

/** An expected failure: a code of the catalogue and a message that says what, which and what to do. */
export class Failure extends Error {
  readonly code: FailureCode
  readonly hint: string | undefined
  readonly retryAfterSeconds: number | undefined
  readonly facts: Readonly<Record<string, string | number | boolean>>

  constructor(code: FailureCode, message: string, options: FailureOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'Failure'
    this.code = code
    this.hint = options.hint
    this.retryAfterSeconds = options.retryAfterSeconds
    this.facts = options.facts ?? {}
  }

  get status(): number {
    return CATALOGUE[this.code].status
  }

  get retryable(): boolean {
    return CATALOGUE[this.code].retry
  }

  /** Whole seconds for Retry-After: as stated, else one where the server failed for the moment. */
  get waitSeconds(): number | undefined {
    if (this.retryAfterSeconds !== undefined) return Math.max(0, Math.ceil(this.retryAfterSeconds))
    return this.retryable && this.status >= 500 ? 1 : undefined
  }
}

/** True when `error` is a `Failure`, with one of `codes` where codes are given. */
export function isFailure(error: unknown, ...codes: readonly FailureCode[]): error is Failure {
  return error instanceof Failure && (codes.length === 0 || codes.includes(error.code))
}
