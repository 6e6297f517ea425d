import { CATALOGUE, type Failure, type FailureCode } from '@forebay/base/failure'
import { XML_DECLARATION, xmlElement } from './xml-write.ts'

/** What a failure is about; all of it goes into the answer. */
export interface ErrorContext {
  readonly requestId: string
  readonly hostId: string
  /** Path of the request, without its query: a presigned query is a secret. */
  readonly resource?: string | undefined
  readonly bucket?: string | undefined
  readonly key?: string | undefined
}

/** Facts of a failure that S3 documents as elements of its errors. */
const FACT_ELEMENTS: Readonly<Record<string, string>> = {
  condition: 'Condition',
  region: 'Region',
  argumentName: 'ArgumentName',
  argumentValue: 'ArgumentValue',
  awsAccessKeyId: 'AWSAccessKeyId',
  calculatedDigest: 'CalculatedDigest',
  clientComputedContentSha256: 'ClientComputedContentSHA256',
  s3ComputedContentSha256: 'S3ComputedContentSHA256',
  contentMd5: 'Content-MD5',
  expectedDigest: 'ExpectedDigest',
  expires: 'Expires',
  headersNotSigned: 'HeadersNotSigned',
  maxSizeAllowed: 'MaxSizeAllowed',
  serverTime: 'ServerTime',
  xAmzExpires: 'X-Amz-Expires',
  method: 'Method',
  resourceType: 'ResourceType',
  actualObjectSize: 'ActualObjectSize',
  rangeRequested: 'RangeRequested',
  uploadId: 'UploadId',
  partNumber: 'PartNumber',
  bucketName: 'BucketName',
  key: 'Key',
  tagKey: 'TagKey',
  tagValue: 'TagValue',
  proposedSize: 'ProposedSize',
  minSizeAllowed: 'MinSizeAllowed',
  missingHeaderName: 'MissingHeaderName',
}

/**
 * What S3 itself says, word for word: clients compare it, and people search for it. What we know
 * besides stands in `Hint`.
 */
const S3_MESSAGES: Partial<Readonly<Record<FailureCode, string>>> = {
  'access-denied': 'Access Denied.',
  'access-key-unknown': 'The AWS Access Key Id you provided does not exist in our records.',
  'signature-mismatch':
    'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
  'request-time-skewed':
    "The difference between the request time and the server's time is too large.",
  'request-expired': 'Request has expired.',
  'token-invalid': 'The provided token is malformed or otherwise invalid.',
  'uri-invalid': "Couldn't parse the specified URI.",
  'xml-malformed':
    'The XML you provided was not well-formed or did not validate against our published schema.',
  'headers-too-large': 'Your request header section exceeds the maximum allowed size.',
  'metadata-too-large': 'Your metadata headers exceed the maximum allowed metadata size',
  'method-not-allowed': 'The specified method is not allowed against this resource.',
  'not-implemented': 'A header you provided implies functionality that is not implemented.',
  'bucket-name-invalid': 'The specified bucket is not valid.',
  'bucket-not-found': 'The specified bucket does not exist.',
  'bucket-exists':
    'Your previous request to create the named bucket succeeded and you already own it.',
  'bucket-not-empty': 'The bucket you tried to delete is not empty.',
  'key-too-long': 'Your key is too long.',
  'key-not-portable': 'Bad Request',
  'object-not-found': 'The specified key does not exist.',
  'version-not-found': 'The specified version does not exist.',
  'precondition-failed': 'At least one of the pre-conditions you specified did not hold.',
  'range-not-satisfiable': 'The requested range is not satisfiable',
  'part-number-invalid': 'The requested partnumber is not satisfiable.',
  'digest-invalid': 'The Content-Md5 you specified is not valid.',
  'payload-hash-mismatch':
    "The provided 'x-amz-content-sha256' header does not match what was computed.",
  'body-incomplete':
    'You did not provide the number of bytes specified by the Content-Length HTTP header',
  'trailer-malformed':
    'The request contained trailing data that was not well-formed or did not conform to our published schema.',
  'chunk-size-invalid': 'Only the last chunk is allowed to have a size less than 8192 bytes',
  'length-required': 'You must provide the Content-Length HTTP header.',
  'entity-too-large': 'Your proposed upload exceeds the maximum allowed object size.',
  'entity-too-small': 'Your proposed upload is smaller than the minimum allowed size',
  'storage-class-invalid': 'The storage class you specified is not valid',
  'upload-not-found':
    'The specified multipart upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.',
  'part-invalid':
    "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
  'part-order-invalid':
    'The list of parts was not in ascending order. Parts must be ordered by part number.',
  'cors-forbidden':
    "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.",
  'form-malformed': 'The body of your POST request is not well-formed multipart/form-data.',
  'form-fields-too-large': 'Your POST request fields preceding the upload file were too large.',
  'redirect-invalid':
    "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.",
  'acl-unsupported': 'The bucket does not allow ACLs.',
  'slow-down': 'Please reduce your request rate.',
}

/** What S3 answers where a bucket has no such configuration. */
const ABSENT: Readonly<Record<string, readonly [code: string, message: string]>> = {
  tagging: ['NoSuchTagSet', 'The TagSet does not exist.'],
  cors: ['NoSuchCORSConfiguration', 'The CORS configuration does not exist'],
  policy: ['NoSuchBucketPolicy', 'The bucket policy does not exist.'],
  ownershipControls: [
    'OwnershipControlsNotFoundError',
    'The bucket ownership controls were not found.',
  ],
  publicAccessBlock: [
    'NoSuchPublicAccessBlockConfiguration',
    'The public access block configuration was not found',
  ],
  lifecycle: ['NoSuchLifecycleConfiguration', 'The lifecycle configuration does not exist'],
  website: [
    'NoSuchWebsiteConfiguration',
    'The specified bucket does not have a website configuration',
  ],
  'object-lock': [
    'ObjectLockConfigurationNotFoundError',
    'Object Lock configuration does not exist for this bucket.',
  ],
  encryption: [
    'ServerSideEncryptionConfigurationNotFoundError',
    'The server side encryption configuration was not found',
  ],
  replication: [
    'ReplicationConfigurationNotFoundError',
    'The replication configuration was not found',
  ],
  retention: [
    'NoSuchObjectLockConfiguration',
    'The specified object does not have a ObjectLock configuration.',
  ],
}

/** Failures whose cause lies behind us: their messages are for the log. */
const HIDDEN = new Set(['internal', 'disk-error', 'setting-invalid', 'format-newer'])

/** The S3 code of a failure. */
export function s3CodeOf(failure: Failure): string {
  return absentOf(failure)?.[0] ?? originCodeOf(failure) ?? CATALOGUE[failure.code].s3
}

function absentOf({ code, facts }: Failure): readonly [string, string] | undefined {
  if (code !== 'configuration-absent') return undefined
  const name = String(facts['configuration'])
  return Object.hasOwn(ABSENT, name) ? ABSENT[name] : undefined
}

/** The HTTP status of a failure, where S3 has another one than the catalogue too. */
export function s3StatusOf(failure: Failure): number {
  if (failure.code === 'headers-too-large') return 400
  const status = originCodeOf(failure) === undefined ? undefined : failure.facts['backendStatus']
  return typeof status === 'number' && status >= 400 && status < 500 ? status : failure.status
}

/**
 * The code with which an origin refused, where it is none of the catalogue: a disabled key of its
 * key store, say. Clients know those codes; ours would hide what is wrong.
 */
function originCodeOf({ code, facts }: Failure): string | undefined {
  if (code !== 'backend-refused') return undefined
  const said = facts['backendCode']
  return typeof said === 'string' && /^[A-Z][A-Za-z.]{2,60}$/.test(said) ? said : undefined
}

/** A failure as the body of an answer of the S3 API. */
export function renderError(failure: Failure, context: ErrorContext): string {
  let content =
    xmlElement('Code', s3CodeOf(failure)) +
    xmlElement('Message', messageOf(failure)) +
    xmlElement('Hint', hintOf(failure)) +
    xmlElement('Resource', context.resource)
  for (const [fact, element] of Object.entries(FACT_ELEMENTS)) {
    content += xmlElement(element, failure.facts[fact])
  }
  if (failure.facts['bucketName'] === undefined) content += xmlElement('BucketName', context.bucket)
  if (failure.facts['key'] === undefined) content += xmlElement('Key', context.key)
  content += xmlElement('RequestId', context.requestId) + xmlElement('HostId', context.hostId)
  return `${XML_DECLARATION}<Error>${content}</Error>`
}

/** Headers that go with a failure, flat. */
export function errorHeaders(failure: Failure): (string | number)[] {
  const flat: (string | number)[] = []
  const { waitSeconds } = failure
  if (waitSeconds !== undefined) flat.push('retry-after', waitSeconds)
  const size = failure.facts['actualObjectSize']
  if (failure.code === 'range-not-satisfiable' && size !== undefined) {
    flat.push('content-range', `bytes */${size}`)
  }
  const region = failure.facts['region']
  if (region !== undefined) flat.push('x-amz-bucket-region', String(region))
  // RFC 9110 §15.5.6 asks for it.
  const allow = failure.facts['allow']
  if (failure.code === 'method-not-allowed' && allow !== undefined)
    flat.push('allow', String(allow))
  return flat
}

function messageOf(failure: Failure): string {
  if (HIDDEN.has(failure.code)) return 'We encountered an internal error. Please try again.'
  if (failure.facts['verbatim'] === true) return failure.message
  return absentOf(failure)?.[1] ?? S3_MESSAGES[failure.code] ?? asSentence(failure.message)
}

/** What to do about it, or what exactly is wrong where S3's own words do not say it. */
function hintOf(failure: Failure): string | undefined {
  if (HIDDEN.has(failure.code)) return undefined
  if (failure.facts['verbatim'] === true) return failure.hint
  const said = S3_MESSAGES[failure.code]
  const own = asSentence(failure.message)
  const detail = said === undefined || said === own || `${said}.` === own ? undefined : own
  if (detail === undefined) return failure.hint
  return failure.hint === undefined ? detail : `${detail} ${failure.hint}`
}

function asSentence(message: string): string {
  // A message that begins with a key must name it as it is.
  const sentence = /^[a-z]+[ ,]/.test(message)
    ? message.charAt(0).toUpperCase() + message.slice(1)
    : message
  return /[.!?]$/.test(sentence) ? sentence : `${sentence}.`
}
