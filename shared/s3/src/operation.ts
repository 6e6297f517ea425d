import { Failure } from '@forebay/base/failure'
import type { Query } from './query.ts'
import { header, type RequestHeaders } from './request-headers.ts'
import type { RequestTarget } from './request-target.ts'
import { badArgument } from './verbatim.ts'

/** The operations of the S3 API that exist here, by the names that Amazon gives them. */
export const OPERATION_NAMES = [
  'ListBuckets',
  'CreateBucket',
  'HeadBucket',
  'DeleteBucket',
  'GetBucketLocation',
  'ListObjects',
  'ListObjectsV2',
  'ListMultipartUploads',
  'DeleteObjects',
  'GetObject',
  'HeadObject',
  'GetObjectAttributes',
  'PutObject',
  'CopyObject',
  'DeleteObject',
  'CreateMultipartUpload',
  'UploadPart',
  'UploadPartCopy',
  'CompleteMultipartUpload',
  'AbortMultipartUpload',
  'ListParts',
  'GetObjectTagging',
  'PutObjectTagging',
  'DeleteObjectTagging',
  'GetBucketTagging',
  'PutBucketTagging',
  'DeleteBucketTagging',
  'GetBucketCors',
  'PutBucketCors',
  'DeleteBucketCors',
  'GetBucketAcl',
  'PutBucketAcl',
  'GetObjectAcl',
  'PutObjectAcl',
  'GetBucketOwnershipControls',
  'PutBucketOwnershipControls',
  'DeleteBucketOwnershipControls',
  'GetBucketVersioning',
  'ListObjectVersions',
  'GetBucketPolicy',
  'DeleteBucketPolicy',
  'GetBucketPolicyStatus',
  'GetPublicAccessBlock',
  'DeletePublicAccessBlock',
  'GetBucketLifecycleConfiguration',
  'DeleteBucketLifecycle',
  'GetBucketEncryption',
  'DeleteBucketEncryption',
  'GetBucketReplication',
  'DeleteBucketReplication',
  'GetBucketWebsite',
  'DeleteBucketWebsite',
  'GetObjectLockConfiguration',
  'GetBucketLogging',
  'GetBucketNotificationConfiguration',
  'GetBucketAccelerateConfiguration',
  'GetBucketRequestPayment',
  'PostObject',
] as const

export type OperationName = (typeof OPERATION_NAMES)[number]

/** A form of an operation: parameters that select it, and those that it understands besides. */
interface Form {
  readonly name: OperationName
  readonly selectedBy: readonly string[]
  readonly understands?: readonly string[]
}

const LISTING = ['prefix', 'delimiter', 'encoding-type', 'max-keys']
const OVERRIDES = [
  'response-content-type',
  'response-content-language',
  'response-expires',
  'response-cache-control',
  'response-content-disposition',
  'response-content-encoding',
]

/** What a request target can name. */
type Level = 'service' | 'bucket' | 'object'

/** Forms by level and method, the more special first. */
const FORMS: Readonly<Record<`${Level} ${string}`, readonly Form[]>> = {
  'service GET': [
    {
      name: 'ListBuckets',
      selectedBy: [],
      understands: ['prefix', 'max-buckets', 'continuation-token', 'bucket-region'],
    },
  ],
  'bucket GET': [
    { name: 'GetBucketLocation', selectedBy: ['location'] },
    { name: 'GetBucketTagging', selectedBy: ['tagging'] },
    { name: 'GetBucketCors', selectedBy: ['cors'] },
    { name: 'GetBucketAcl', selectedBy: ['acl'] },
    { name: 'GetBucketOwnershipControls', selectedBy: ['ownershipControls'] },
    { name: 'GetBucketVersioning', selectedBy: ['versioning'] },
    {
      name: 'ListObjectVersions',
      selectedBy: ['versions'],
      understands: [...LISTING, 'key-marker', 'version-id-marker'],
    },
    { name: 'GetBucketPolicy', selectedBy: ['policy'] },
    { name: 'GetBucketPolicyStatus', selectedBy: ['policyStatus'] },
    { name: 'GetPublicAccessBlock', selectedBy: ['publicAccessBlock'] },
    { name: 'GetBucketLifecycleConfiguration', selectedBy: ['lifecycle'] },
    { name: 'GetBucketEncryption', selectedBy: ['encryption'] },
    { name: 'GetBucketReplication', selectedBy: ['replication'] },
    { name: 'GetBucketWebsite', selectedBy: ['website'] },
    { name: 'GetObjectLockConfiguration', selectedBy: ['object-lock'] },
    { name: 'GetBucketLogging', selectedBy: ['logging'] },
    { name: 'GetBucketNotificationConfiguration', selectedBy: ['notification'] },
    { name: 'GetBucketAccelerateConfiguration', selectedBy: ['accelerate'] },
    { name: 'GetBucketRequestPayment', selectedBy: ['requestPayment'] },
    {
      name: 'ListMultipartUploads',
      selectedBy: ['uploads'],
      understands: [
        'prefix',
        'delimiter',
        'encoding-type',
        'key-marker',
        'upload-id-marker',
        'max-uploads',
      ],
    },
    {
      name: 'ListObjectsV2',
      selectedBy: ['list-type'],
      understands: [...LISTING, 'continuation-token', 'start-after', 'fetch-owner'],
    },
    { name: 'ListObjects', selectedBy: [], understands: [...LISTING, 'marker'] },
  ],
  'bucket HEAD': [{ name: 'HeadBucket', selectedBy: [] }],
  'bucket PUT': [
    { name: 'PutBucketTagging', selectedBy: ['tagging'] },
    { name: 'PutBucketCors', selectedBy: ['cors'] },
    { name: 'PutBucketAcl', selectedBy: ['acl'] },
    { name: 'PutBucketOwnershipControls', selectedBy: ['ownershipControls'] },
    { name: 'CreateBucket', selectedBy: [] },
  ],
  'bucket DELETE': [
    { name: 'DeleteBucketTagging', selectedBy: ['tagging'] },
    { name: 'DeleteBucketCors', selectedBy: ['cors'] },
    { name: 'DeleteBucketOwnershipControls', selectedBy: ['ownershipControls'] },
    { name: 'DeleteBucketPolicy', selectedBy: ['policy'] },
    { name: 'DeletePublicAccessBlock', selectedBy: ['publicAccessBlock'] },
    { name: 'DeleteBucketLifecycle', selectedBy: ['lifecycle'] },
    { name: 'DeleteBucketEncryption', selectedBy: ['encryption'] },
    { name: 'DeleteBucketReplication', selectedBy: ['replication'] },
    { name: 'DeleteBucketWebsite', selectedBy: ['website'] },
    { name: 'DeleteBucket', selectedBy: [] },
  ],
  'bucket POST': [{ name: 'DeleteObjects', selectedBy: ['delete'] }],
  'object GET': [
    { name: 'GetObjectAttributes', selectedBy: ['attributes'], understands: ['versionId'] },
    { name: 'GetObjectTagging', selectedBy: ['tagging'], understands: ['versionId'] },
    { name: 'GetObjectAcl', selectedBy: ['acl'], understands: ['versionId'] },
    {
      name: 'ListParts',
      selectedBy: ['uploadId'],
      understands: ['max-parts', 'part-number-marker', 'encoding-type'],
    },
    {
      name: 'GetObject',
      selectedBy: [],
      understands: ['partNumber', 'versionId', ...OVERRIDES],
    },
  ],
  'object HEAD': [
    {
      name: 'HeadObject',
      selectedBy: [],
      understands: ['partNumber', 'versionId', ...OVERRIDES],
    },
  ],
  'object PUT': [
    { name: 'PutObjectTagging', selectedBy: ['tagging'], understands: ['versionId'] },
    { name: 'PutObjectAcl', selectedBy: ['acl'], understands: ['versionId'] },
    { name: 'UploadPart', selectedBy: ['partNumber', 'uploadId'] },
    { name: 'PutObject', selectedBy: [] },
  ],
  'object POST': [
    { name: 'CreateMultipartUpload', selectedBy: ['uploads'], understands: ['encoding-type'] },
    { name: 'CompleteMultipartUpload', selectedBy: ['uploadId'] },
  ],
  'object DELETE': [
    { name: 'DeleteObjectTagging', selectedBy: ['tagging'], understands: ['versionId'] },
    { name: 'AbortMultipartUpload', selectedBy: ['uploadId'] },
    { name: 'DeleteObject', selectedBy: [], understands: ['versionId'] },
  ],
}

/** The same to look up without a name that is put together, and looked up itself, for each request. */
const FORMS_BY_METHOD: Readonly<Record<Level, ReadonlyMap<string, readonly Form[]>>> = {
  service: formsOf('service'),
  bucket: formsOf('bucket'),
  object: formsOf('object'),
}

function formsOf(level: Level): ReadonlyMap<string, readonly Form[]> {
  const prefix = `${level} `
  const entries = Object.entries(FORMS).filter(([name]) => name.startsWith(prefix))
  return new Map(entries.map(([name, forms]) => [name.slice(prefix.length), forms]))
}

/** Characters of the id of a version; S3's have 32. */
const VERSION_ID_LENGTH_MAX = 1024

/** Parameters of the older presigned URLs, and the headers that boto3 repeats there; none chooses. */
const SIGNATURE_V2 = ['AWSAccessKeyId', 'Signature', 'Expires', 'content-type', 'content-md5']

/**
 * The operation that a request means.
 *
 * A parameter that the operation does not understand is refused, because it may be the name of
 * another operation. Parameters that begin with `x-` are S3's free ones: ignored.
 *
 * @throws Failure `not-implemented` | `method-not-allowed` | `argument-invalid` | `bad-request`
 */
export function matchOperation(
  method: string,
  target: RequestTarget,
  headers: RequestHeaders,
): OperationName {
  const level =
    target.bucket === undefined ? 'service' : target.key === undefined ? 'bucket' : 'object'
  const { query } = target
  const form = FORMS_BY_METHOD[level]
    .get(method)
    ?.find(({ selectedBy }) => selectedBy.every((name) => query.has(name)))
  if (form === undefined) throw noSuchOperation(method, query, headers)
  if (query.size > 0) checkQuery(form, query)
  if (headers['x-amz-copy-source'] === undefined) return form.name
  if (form.name === 'PutObject') return 'CopyObject'
  return form.name === 'UploadPart' ? 'UploadPartCopy' : form.name
}

function checkQuery(form: Form, query: Query): void {
  for (const name of query.keys()) {
    if (form.selectedBy.includes(name) || form.understands?.includes(name)) continue
    if (name.slice(0, 2).toLowerCase() === 'x-' || SIGNATURE_V2.includes(name)) continue
    if (form.name === 'PutObject' && (name === 'uploadId' || name === 'partNumber')) {
      throw new Failure('argument-invalid', 'a part needs both uploadId and partNumber')
    }
    throw notImplemented(`the query parameter ${JSON.stringify(name.slice(0, 80))}`)
  }
  if (form.name === 'ListObjectsV2' && query.get('list-type') !== '2') {
    throw new Failure('argument-invalid', 'list-type must be 2')
  }
  const version = query.get('versionId')
  if (version === undefined) return
  if (version === '' || version.length > VERSION_ID_LENGTH_MAX) {
    throw badArgument('Invalid version id specified', 'versionId', version.slice(0, 80))
  }
  if (version !== 'null' && form.name === 'DeleteObject') {
    throw notImplemented('the deletion of a version by id')
  }
}

function noSuchOperation(method: string, query: Query, headers: RequestHeaders): Failure {
  if (method === 'POST' && header(headers, 'content-type')?.startsWith('multipart/form-data')) {
    return new Failure('bad-request', 'uploads by HTML forms are not supported')
  }
  for (const name of query.keys()) {
    if (name.slice(0, 2).toLowerCase() === 'x-' || SIGNATURE_V2.includes(name)) continue
    return notImplemented(`the query parameter ${JSON.stringify(name.slice(0, 80))}`)
  }
  return new Failure(
    'method-not-allowed',
    'the specified method is not allowed against this resource',
  )
}

function notImplemented(what: string): Failure {
  return new Failure('not-implemented', `${what} asks for something that is not implemented`)
}
