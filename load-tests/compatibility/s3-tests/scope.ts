/** Which cases of the suite concern what Forebay has, and why some of them cannot pass. */

/** Files of the suite, or parts of the names of cases, that need what is not built. */
const NOT_BUILT: readonly (readonly [RegExp, string])[] = [
  [/^versioning|^object_lock|versioned|versioning/, 'versions of native buckets, object lock'],
  [/^lifecycle|^scenarios/, 'lifecycle rules and archives'],
  [/^encryption/, 'encryption with keys of clients or of a key service'],
  [/^policy|^policy_acl_mixin|^tagging_policy_mixin/, 'bucket policies'],
  [/^acl_v|acl_create|anonymous|_canned_acl|100_continue|upload_owner/, 'access lists for others'],
  [/not_owned_bucket|create_exists_non_owner/, 'buckets that belong to one user'],
  [/logging_toggle/, 'logging'],
  [/usage|unordered|head_extended/, 'extensions of Ceph'],
]

/** Cases that no server can pass: a newer client, or the suite itself, is in their way. */
const BROKEN: Readonly<Record<string, string>> = {
  test_bucket_create_naming_bad_short_empty: 'boto3 refuses the name itself',
  test_bucket_create_naming_bad_long: 'boto3 refuses the name itself',
  test_bucket_create_naming_bad_punctuation: 'boto3 refuses the name itself',
  test_object_create_bad_content_length_none: 'its hook does not remove the header',
  test_object_create_bad_content_length_mismatch_above: 'its hook fails',
  test_object_create_bad_authorization_empty: 'its hook does not change the header',
  test_object_create_bad_authorization_none: 'its hook does not remove the header',
  test_bucket_create_bad_authorization_empty: 'its hook does not change the header',
  test_bucket_create_bad_authorization_none: 'its hook does not remove the header',
}

/** Cases that fail for a reason that is meant, each with it. */
export const MEANT: Readonly<Record<string, string>> = {}

/** What a case needs that is not built, or why it can pass nowhere; undefined for one that counts. */
export function outOfScope(file: string, name: string): string | undefined {
  return (
    BROKEN[name] ??
    NOT_BUILT.find(([pattern]) => pattern.test(file) || pattern.test(name.slice(5)))?.[1]
  )
}
