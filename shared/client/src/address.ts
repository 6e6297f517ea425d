import { ForebayError } from './forebay-error.ts'

/** A bucket as users name it; without a provider the server finds it by name or alias. */
export interface BucketAddress {
  readonly name: string
  readonly provider: 'ais' | 'aws' | 'gcp' | 'azure' | undefined
}

export interface ObjectUrl {
  readonly bucket: BucketAddress
  /** Key or prefix; empty for the bucket itself. */
  readonly key: string
}

const PROVIDERS: ReadonlyMap<string, BucketAddress['provider']> = new Map([
  ['ais', 'ais'],
  ['s3', 'aws'],
  ['aws', 'aws'],
  ['gs', 'gcp'],
  ['gcp', 'gcp'],
  ['az', 'azure'],
  ['azure', 'azure'],
  ['fb', undefined],
])

/**
 * Reads `scheme://bucket/key`. `ais` is a native bucket, `s3` one of AWS or another S3 store, `fb` any
 * bucket by its name or alias. The key is taken as it stands: nothing in it is decoded.
 *
 * @throws ForebayError `url-invalid`
 */
export function parseObjectUrl(text: string): ObjectUrl {
  const match = /^([a-z0-9]+):\/\/([^/]+)(?:\/(.*))?$/s.exec(text)
  const scheme = match?.[1] ?? ''
  if (match === null || !PROVIDERS.has(scheme)) {
    throw new ForebayError(`"${text}" is not a bucket or object URL`, {
      code: 'url-invalid',
      status: 0,
      hint: 'Write s3://bucket/key, ais://bucket/key, or fb://name/key for a name or alias.',
      retryable: false,
    })
  }
  return {
    bucket: { name: match[2] ?? '', provider: PROVIDERS.get(scheme) },
    key: match[3] ?? '',
  }
}

/** The URL as `parseObjectUrl` reads it. */
export function formatObjectUrl(bucket: BucketAddress, key = ''): string {
  const scheme = bucket.provider === 'aws' ? 's3' : (bucket.provider ?? 'fb')
  return key === '' ? `${scheme}://${bucket.name}` : `${scheme}://${bucket.name}/${key}`
}
