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

/** Cases that fail for a reason that is meant, each with it. */
export const MEANT: Readonly<Record<string, string>> = {
  Authentication_sigv2_not_supported: 'signatures of version 2 are taken (ADR 0026)',
  PresignedAuth_sigv2_not_supported: 'signatures of version 2 are taken (ADR 0026)',
  ListObjects_list_all_objs: 'S3 sends Prefix and Marker also where they are empty',
  ListObjectsV2_list_all_objs: 'S3 sends Prefix also where it is empty',
  Authentication_incorrect_payload_hash:
    'a bucket that does not exist is told before anything of its body is read',
  CreateBucket_private_canned_acl:
    'a new bucket is BucketOwnerEnforced, as at S3, also where a private list is stated',
  PostObject_expired_due_to_date:
    'a form is good until its policy expires, not for one hour: tools sign them for longer',
  PostObject_invalid_object_names: 'keys `.`, `./` and `//` are keys, as at S3',
  PostObject_signature_mismatch: 'it wants signature and string to sign echoed: never done',
  Authentication_invalid_auth_header: 'it wants the Authorization header echoed: never done',
  CompleteMultipartUpload_mpu_object_size:
    'its message has the two sizes exchanged: what was computed as the value of the header',
  CopyObject_conditional_reads: 'S3 answers 412 for a copy whose condition fails, not 304',
  ListObjectsV2_both_start_after_and_continuation_token:
    'S3 continues at its token, whatever start-after says, and refuses a key as a token',
  PutObject_invalid_object_names: 'keys `.`, `./` and `//` are keys, as at S3',
  UploadPartCopy_conditional_reads: 'S3 answers 412 for a copy whose condition fails, not 304',
}

/** What is not built and a case needs; undefined for a case that concerns what is built alone. */
export function missingFor(name: string): string | undefined {
  const group = name.split('_', 1)[0] ?? ''
  if (!BUILT.has(group)) return group
  return NOT_BUILT.find(([pattern]) => pattern.test(name))?.[1]
}
