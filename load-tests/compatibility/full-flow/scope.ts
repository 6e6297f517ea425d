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
  CompleteMultipartUpload_mpu_object_size: 'its message has the two sizes exchanged',
  CompleteMultipartUpload_should_ignore_the_final_checksum:
    'no CRC64NVME is computed for a client that states none',
  CopyObject_conditional_reads: 'S3 documents 412 for a copy whose condition fails, not 304',
  CopyObject_invalid_copy_source: 'keys `.` and `..` are keys',
  GetObject_directory_success: 'a key that ends in / has no content type of its own',
  ListBuckets_truncated: 'it wants the continuation token to be a bucket name: ours are opaque',
  ListMultipartUploads_delimiter_truncated:
    'it wants a common prefix to be listed again on the next page',
  ListMultipartUploads_invalid_uploadId_marker:
    'a marker whose upload has ended meanwhile does not break a listing',
  ListMultipartUploads_keyMarker_not_from_list:
    'it wants an upload-id-marker of another key than key-marker names to count',
  ListObjectsV2_both_start_after_and_continuation_token:
    'it wants the continuation token to be a key: ours are opaque',
  ListParts_null_checksums: 'it wants the word null where there is no checksum',
  PutObject_default_checksum: 'no CRC64NVME is computed for a client that states none',
  PutObject_dir_object_default_checksum: 'no CRC64NVME is computed for a client that states none',
  PutObject_invalid_object_names: 'keys `.`, `..` and those with `//` are keys',
  Server_large_http_header: 'headers may have 16 KiB, not 8',
  SignedStreamingPayloadTrailer_incomplete_body:
    'a broken line of trailers is MalformedTrailerError throughout',
  UnsignedStreamingPayloadTrailer_incomplete_body:
    'IncompleteBody in the other of the two sentences that S3 has for it',
  UnsignedStreamingPayloadTrailer_no_trailer_should_calculate_crc64nvme:
    'no CRC64NVME is computed for a client that states none',
  UploadPartCopy_conditional_reads: 'S3 documents 412 for a copy whose condition fails, not 304',
  UploadPartCopy_invalid_copy_source: 'keys `.` and `..` are keys',
}

/** What is not built and a case needs; undefined for a case that concerns what is built alone. */
export function missingFor(name: string): string | undefined {
  const group = name.split('_', 1)[0] ?? ''
  if (!BUILT.has(group)) return group
  return NOT_BUILT.find(([pattern]) => pattern.test(name))?.[1]
}
