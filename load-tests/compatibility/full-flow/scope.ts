/** Which cases of the suite concern the operations that Forebay has, and why some of them cannot pass. */

/** Beginnings of the names of cases, up to `_`, of the operations that are built. */
const BUILT: ReadonlySet<string> = new Set([
  'Authentication',
  'PresignedAuth',
  'ListBuckets',
  'CreateBucket',
  'HeadBucket',
  'DeleteBucket',
  'GetBucketLocation',
  'ListObjects',
  'ListObjectsV2',
  'GetObject',
  'HeadObject',
  'GetObjectAttributes',
  'PutObject',
  'CopyObject',
  'DeleteObject',
  'DeleteObjects',
  'CreateMultipartUpload',
  'UploadPart',
  'UploadPartCopy',
  'ListParts',
  'ListMultipartUploads',
  'AbortMultipartUpload',
  'CompleteMultipartUpload',
  'CompletedMultipartUpload',
  'SignedStreamingPayload',
  'SignedStreamingPayloadTrailer',
  'UnsignedStreamingPayloadTrailer',
  'UnsignedStreaminPayloadTrailer',
  'Server',
  'PutBucketTagging',
  'GetBucketTagging',
  'DeleteBucketTagging',
  'PutObjectTagging',
  'GetObjectTagging',
  'DeleteObjectTagging',
  'PutBucketCors',
  'GetBucketCors',
  'DeleteBucketCors',
  'PreflightOPTIONS',
  'PutBucketOwnershipControls',
  'GetBucketOwnershipControls',
  'DeleteBucketOwnershipControls',
  'GetBucketPolicy',
  'GetBucketPolicyStatus',
  'DeleteBucketPolicy',
  'GetBucketWebsite',
  'DeleteBucketWebsite',
  'GetObjectLockConfiguration',
  'PutBucketAcl',
  'GetBucketAcl',
  'ListObjectVersions',
  'PostObject',
])

/** Parts of the names of cases that use what is not built, in groups that are. */
const NOT_BUILT: readonly (readonly [RegExp, string])[] = [
  [
    /object_lock_|legal_hold|retention|retain_until|bucket_lock|racey_success|with_object_lock|default_object_lock|GetObjectLockConfiguration_success/,
    'object lock',
  ],
  [
    /non_default_acl|ownership_with_acl|translation_canned_public|PutBucketAcl_(success|invalid|empty)|GetBucketAcl_(success|access)/,
    'access control lists for others than the owner',
  ],
  [/public$/, 'bucket policies'],
  [/^(Get|Delete)Bucket(Policy|Website)_success/, 'bucket policies and websites'],
  [
    /as_user|as_admin|no_access|existing_bucket$|not_owned|date_mismatch$|object_acl_not_supported$/,
    'users made by its API',
  ],
  [/Trailer_not_allowed$/, 'object lock, policies (operations that it tries)'],
  [/if_match_initiated_time|DeleteObject_conditional/, 'conditions of directory buckets'],
]

/** What cases of `CONFIGURED` are about, each for a Forebay of its own: an age limit alone refuses version 2. */
export const SETTINGS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  's3.allowSignatureV2: false': { s3: { allowSignatureV2: false } },
  's3.portableKeys: true': { s3: { portableKeys: true } },
  's3.signatureAgeMax: 1h': { s3: { signatureAgeMax: '1h' } },
}

/**
 * Cases about what Forebay does otherwise unless it is set up so, each with its setting of `SETTINGS`.
 * versitygw knows no signatures of version 2, keeps keys as paths of a file system, and takes forms for
 * an hour.
 */
export const CONFIGURED: Readonly<Record<string, string>> = {
  Authentication_sigv2_not_supported: 's3.allowSignatureV2: false',
  PresignedAuth_sigv2_not_supported: 's3.allowSignatureV2: false',
  PutObject_invalid_object_names: 's3.portableKeys: true',
  PostObject_invalid_object_names: 's3.portableKeys: true',
  PostObject_expired_due_to_date: 's3.signatureAgeMax: 1h',
}

const COPY_CONDITION =
  'it wants 304 for a copy whose condition fails; S3 documents 412 (CopyObject, x-amz-copy-source-if-none-match: "Amazon S3 returns the 412 Precondition Failed response code"), and so do Ceph\'s tests'

/** Cases that fail for a reason that is meant, each with it. */
export const MEANT: Readonly<Record<string, string>> = {
  ListObjects_list_all_objs:
    'it wants no Prefix and no Marker where they are empty; S3 sends both (ListObjects, sample response), and clients read them',
  ListObjectsV2_list_all_objs:
    'it wants no Prefix where it is empty; S3 sends it (ListObjectsV2, sample response: `<Prefix/>`), and clients read it',
  PostObject_signature_mismatch:
    'it wants the signature and the string to sign echoed: no error tells those',
  Authentication_invalid_auth_header:
    'it wants the value of the Authorization header echoed: no error tells it, whatever it is',
  CompleteMultipartUpload_mpu_object_size:
    'it wants a message with the two sizes exchanged, which says of the header what was computed: that is not true',
  CopyObject_conditional_reads: COPY_CONDITION,
  UploadPartCopy_conditional_reads: COPY_CONDITION,
  ListObjectsV2_both_start_after_and_continuation_token:
    'it wants the last key as the token; S3 documents that a token "is obfuscated and is not a real key"',
}

/** What is not built and a case needs; undefined for a case that concerns what is built alone. */
export function missingFor(name: string): string | undefined {
  const group = name.split('_', 1)[0] ?? ''
  if (!BUILT.has(group)) return group
  return NOT_BUILT.find(([pattern]) => pattern.test(name))?.[1]
}
