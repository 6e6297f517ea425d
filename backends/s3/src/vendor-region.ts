import { S3Client } from '@aws-sdk/client-s3'

/**
 * The region that the vendor's chain names: environment, then the profile's files.
 *
 * @returns undefined when it names none
 */
export async function resolveRegion(profile: string | undefined): Promise<string | undefined> {
  const client = new S3Client(profile === undefined ? {} : { profile })
  try {
    return await client.config.region()
  } catch {
    // The SDK's way to say that no region is configured; ours has a default then.
    return undefined
  } finally {
    client.destroy()
  }
}
