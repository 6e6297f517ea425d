import { Failure } from '@forebay/base/failure'
import type { BucketRef, Provider } from '@forebay/model/bucket'
import type { JsonObject } from './json.ts'

/** Longest name of a bucket on the native door, characters (AIStore). */
export const BUCKET_NAME_LENGTH_MAX = 64

const PROVIDERS: ReadonlyMap<string, Provider> = new Map([
  ['ais', 'ais'],
  ['aws', 'aws'],
  ['s3', 'aws'],
  ['gcp', 'gcp'],
  ['gs', 'gcp'],
  ['azure', 'azure'],
  ['az', 'azure'],
])

/**
 * Reads a provider word or its alias (`s3`, `gs`, `az`); exact, lower case.
 *
 * @throws Failure `argument-invalid`
 */
export function parseProvider(word: string): Provider {
  const provider = PROVIDERS.get(word)
  if (provider === undefined) {
    throw new Failure(
      'argument-invalid',
      `provider "${word.slice(0, 32)}" is not one of ais, aws (s3), gcp (gs), azure (az)`,
    )
  }
  return provider
}

/**
 * Checks the name of a bucket as the native door takes it: 1..64 letters, digits, `-`, `_`, `.`;
 * no `..`; a leading dot is reserved for system buckets.
 *
 * @throws Failure `bucket-name-invalid`
 */
export function checkBucketName(name: string): string {
  if (!/^[A-Za-z0-9_-][A-Za-z0-9._-]*$/.test(name) || name.includes('..')) {
    throw new Failure(
      'bucket-name-invalid',
      `bucket name "${name.slice(0, 80)}" may have letters, digits, "-", "_" and single "." only`,
    )
  }
  if (name.length > BUCKET_NAME_LENGTH_MAX) {
    throw new Failure(
      'bucket-name-invalid',
      `a bucket name has at most ${BUCKET_NAME_LENGTH_MAX} characters`,
    )
  }
  return name
}

/**
 * Reads a namespace in its text form `@uuid#name`; empty and `@#` are the global namespace.
 *
 * @throws Failure `argument-invalid`
 */
export function parseNamespace(text: string): BucketRef['namespace'] {
  const match = /^(?:@([A-Za-z0-9_-]{0,32}))?(?:#([A-Za-z0-9_-]{0,64}))?$/.exec(text)
  if (match === null) {
    throw new Failure(
      'argument-invalid',
      `namespace "${text.slice(0, 64)}" does not read @uuid#name`,
    )
  }
  return { uuid: match[1] ?? '', name: match[2] ?? '' }
}

/** `@uuid#name`; the global namespace is `@#`. */
export function formatNamespace(namespace: BucketRef['namespace']): string {
  return `@${namespace.uuid}#${namespace.name}`
}

/** `provider/@uuid#name/bucket/`, AIStore's unique name of a bucket. */
export function formatUname(ref: BucketRef): string {
  return `${ref.provider}/${formatNamespace(ref.namespace)}/${ref.name}/`
}

/**
 * Reads a unique name: of a bucket, or of an object behind its bucket.
 *
 * @throws Failure `argument-invalid` | `bucket-name-invalid`
 */
export function parseUname(uname: string): { readonly ref: BucketRef; readonly key: string } {
  const match = /^([^/]+)\/([^/]+)\/([^/]+)(?:\/(.*))?$/s.exec(uname)
  if (match === null) {
    throw new Failure(
      'argument-invalid',
      `"${uname.slice(0, 80)}" does not read provider/@uuid#name/bucket/`,
    )
  }
  const [, provider = '', namespace = '', name = '', key = ''] = match
  return {
    ref: {
      provider: parseProvider(provider),
      namespace: parseNamespace(namespace),
      name: checkBucketName(name),
    },
    key,
  }
}

/** A bucket as a text names it; without a provider: whichever has that name. */
export interface NamedBucket {
  readonly provider: Provider | undefined
  readonly namespace: BucketRef['namespace']
  readonly name: string
}

/**
 * Reads `provider://name`, `provider://@uuid#ns/name`, or a name alone (also `fb://name`).
 *
 * @throws Failure `argument-invalid` | `bucket-name-invalid`
 */
export function parseBucketUrl(text: string): NamedBucket {
  const match = /^(?:([a-z0-9]{1,16}):\/\/)?(?:([@#][^/]{0,128})\/)?([^/]+)\/?$/.exec(text)
  if (match === null) {
    throw new Failure('argument-invalid', `"${text.slice(0, 80)}" does not read provider://bucket`)
  }
  const [, scheme, namespace = '', name = ''] = match
  return {
    provider: scheme === undefined || scheme === 'fb' ? undefined : parseProvider(scheme),
    namespace: parseNamespace(namespace),
    name: checkBucketName(name),
  }
}

/** A bucket as AIStore's lists and messages write it. */
export function encodeBucket(ref: BucketRef): JsonObject {
  return {
    name: ref.name,
    provider: ref.provider,
    namespace: { uuid: ref.namespace.uuid, name: ref.namespace.name },
  }
}
