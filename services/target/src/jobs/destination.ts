import { Failure, isFailure } from '@forebay/base/failure'
import type { BucketRecord, BucketRef } from '@forebay/model/bucket'
import { parseBucketUrl } from '@forebay/wire/bucket'
import type { JobContext } from './kind-work.ts'

/**
 * The bucket that an argument names; `undefined` where there is none.
 *
 * @param url `provider://name`, or a name that one bucket alone has
 * @throws Failure `argument-invalid` | `bucket-name-invalid` | `bucket-ambiguous`
 */
export function findBucket({ buckets }: JobContext, url: string): BucketRecord | undefined {
  const { provider, namespace, name } = parseBucketUrl(url)
  if (namespace.uuid !== '' || namespace.name !== '') {
    return buckets.find({ provider: provider ?? 'ais', namespace, name })
  }
  const [found, ...others] = buckets.get(name, provider)
  if (others.length > 0 && found?.ref.provider !== 'ais') {
    throw new Failure('bucket-ambiguous', `several buckets are named ${name}: say the provider`)
  }
  return found
}

/**
 * The same, made where it is a native one and absent, with the properties of the source if that is native
 * too.
 *
 * @throws Failure `bucket-not-found` for one of a provider, and as `findBucket` and `BucketTable.create`
 */
export async function openDestination(
  context: JobContext,
  url: string,
  source: BucketRecord,
): Promise<BucketRecord> {
  const found = findBucket(context, url)
  if (found !== undefined) return found
  const { provider = 'ais', namespace, name } = parseBucketUrl(url)
  if (provider !== 'ais') throw new Failure('bucket-not-found', `there is no bucket ${url}`)
  const ref: BucketRef = { provider, namespace, name }
  const properties = source.backend === undefined ? source.properties : {}
  try {
    return await context.buckets.create(ref, { properties })
  } catch (error) {
    // Another step of this job, or somebody else, made it meanwhile.
    const made = isFailure(error, 'bucket-exists') ? context.buckets.find(ref) : undefined
    if (made === undefined) throw error
    return made
  }
}
