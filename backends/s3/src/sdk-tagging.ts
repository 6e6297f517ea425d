import {
  DeleteBucketTaggingCommand,
  DeleteObjectTaggingCommand,
  GetBucketTaggingCommand,
  GetObjectTaggingCommand,
  PutBucketTaggingCommand,
  PutObjectTaggingCommand,
  type Tag as SdkTag,
} from '@aws-sdk/client-s3'
import type { TaggedObject, TaggingOperations } from '@forebay/backend-port/backend'
import { isFailure } from '@forebay/base/failure'
import type { Tags } from '@forebay/model/object'
import { realVersionId } from './answer-headers.ts'
import { callSdk } from './call-sdk.ts'
import type { Place } from './read-object.ts'

/** Tags of a bucket and of its objects, by the vendor's SDK. */
export function createSdkTagging(place: Place): TaggingOperations {
  const { bucket: Bucket } = place
  return {
    get: async (options) => {
      const command = new GetObjectTaggingCommand({ Bucket, ...addressOf(options) })
      const answer = await callSdk(place.connection, describe(place, 'tags of', options.key), {
        signal: options.signal,
        send: (sdk, abortSignal) => sdk.send(command, { abortSignal }),
      })
      return { tags: tagsOf(answer.TagSet), versionId: realVersionId(answer.VersionId) }
    },
    put: async (options) => putTags(place, options),
    getOfBucket: async ({ signal }) => {
      try {
        const command = new GetBucketTaggingCommand({ Bucket })
        const answer = await callSdk(place.connection, `tags of s3://${Bucket}`, {
          signal,
          send: (sdk, abortSignal) => sdk.send(command, { abortSignal }),
        })
        return tagsOf(answer.TagSet)
      } catch (error) {
        if (isFailure(error) && error.facts['backendCode'] === 'NoSuchTagSet') return undefined
        throw error
      }
    },
    putOfBucket: ({ tags, signal }) => putBucketTags(place, tags, signal),
  }
}

async function putTags(
  place: Place,
  options: TaggedObject & { readonly tags: Tags },
): Promise<{ readonly versionId?: string | undefined }> {
  const { tags, signal } = options
  const input = { Bucket: place.bucket, ...addressOf(options) }
  const answer = await callSdk(
    place.connection,
    describe(place, 'change of tags of', options.key),
    {
      signal,
      send: (sdk, abortSignal) =>
        tags.length === 0
          ? sdk.send(new DeleteObjectTaggingCommand(input), { abortSignal })
          : sdk.send(
              new PutObjectTaggingCommand({ ...input, Tagging: { TagSet: sdkTags(tags) } }),
              {
                abortSignal,
              },
            ),
    },
  )
  return { versionId: realVersionId(answer.VersionId) }
}

async function putBucketTags(place: Place, tags: Tags, signal: AbortSignal): Promise<void> {
  const { bucket: Bucket } = place
  await callSdk(place.connection, `change of tags of s3://${Bucket}`, {
    signal,
    send: async (sdk, abortSignal) => {
      if (tags.length === 0)
        await sdk.send(new DeleteBucketTaggingCommand({ Bucket }), { abortSignal })
      else {
        const Tagging = { TagSet: sdkTags(tags) }
        await sdk.send(new PutBucketTaggingCommand({ Bucket, Tagging }), { abortSignal })
      }
    },
  })
}

function addressOf({ key, versionId }: TaggedObject): { Key: string; VersionId?: string } {
  return versionId === undefined ? { Key: key } : { Key: key, VersionId: versionId }
}

function sdkTags(tags: Tags): SdkTag[] {
  return tags.map(({ key, value }) => ({ Key: key, Value: value }))
}

function tagsOf(set: readonly SdkTag[] | undefined): Tags {
  return (set ?? []).map(({ Key, Value }) => ({ key: Key ?? '', value: Value ?? '' }))
}

function describe(place: Place, what: string, key: string): string {
  return `${what} s3://${place.bucket}/${key}`
}
