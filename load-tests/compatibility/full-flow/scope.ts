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
])

/** Parts of the names of cases that use what is not built, in groups that are. */
const NOT_BUILT: readonly (readonly [RegExp, string])[] = [
  [/object_lock|legal_hold|retention|retain_until|bucket_lock|racey_success/, 'object lock'],
  [/tagging|_tags$|tag_count|duplicate_keys|cross_bucket_server_side/, 'tags'],
  [/canned_acl|default_acl|_acl$|object_acl|ownership/, 'access control lists'],
  [/website|meta_props|with_metadata$|^(Get|Head)Object_success$/, 'website redirects and tags'],
  [/public$/, 'bucket policies'],
  [/as_user|as_admin|no_access|existing_bucket$|not_owned|date_mismatch$/, 'users made by its API'],
  [/if_match_initiated_time|DeleteObject_conditional/, 'conditions of directory buckets'],
  [/incorrect_payload_hash|Trailer_not_allowed/, 'tags (the operation that it tries)'],
]

/** Cases that fail for a reason that is meant, each with it. */
export const MEANT: Readonly<Record<string, string>> = {
  Authentication_invalid_auth_header: 'it wants the Authorization header echoed: never done',
  CompleteMultipartUpload_mpu_object_size:
    'its message has the two sizes exchanged: what was computed as the value of the header',
  CopyObject_conditional_reads: 'S3 answers 412 for a copy whose condition fails, not 304',
  GetObject_directory_success: 'S3 gives a key that ends in / no content type of its own',
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
