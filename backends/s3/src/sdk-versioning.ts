import { GetBucketVersioningCommand, ListObjectVersionsCommand } from '@aws-sdk/client-s3'
import type {
  VersioningOperations,
  VersionListing,
  VersionListOptions,
} from '@forebay/backend-port/backend'
import { parseEtag } from '@forebay/backend-transport/answer-headers'
import { callSdk } from './call-sdk.ts'
import { decodeName } from './list-objects.ts'
import type { Place } from './read-object.ts'

/** Versions of a bucket, by the vendor's SDK. */
export function createSdkVersioning(place: Place): VersioningOperations {
  return {
    status: async ({ signal }) => {
      const command = new GetBucketVersioningCommand({ Bucket: place.bucket })
      const answer = await callSdk(place.connection, `versioning of s3://${place.bucket}`, {
        signal,
        send: (sdk, abortSignal) => sdk.send(command, { abortSignal }),
      })
      return answer.Status
    },
    list: (options) => listVersions(place, options),
  }
}

async function listVersions(place: Place, options: VersionListOptions): Promise<VersionListing> {
  const { prefix, delimiter, keyMarker, versionIdMarker, pageMax, signal } = options
  const command = new ListObjectVersionsCommand({
    Bucket: place.bucket,
    Prefix: prefix,
    Delimiter: delimiter === '' ? undefined : delimiter,
    KeyMarker: keyMarker,
    VersionIdMarker: versionIdMarker,
    MaxKeys: pageMax,
    EncodingType: 'url',
  })
  const page = await callSdk(place.connection, `list of versions of s3://${place.bucket}`, {
    signal,
    send: (sdk, abortSignal) => sdk.send(command, { abortSignal }),
  })
  const decode = page.EncodingType === 'url' ? decodeName : (name: string) => name
  const named = (entry: {
    Key?: string | undefined
    VersionId?: string | undefined
    IsLatest?: boolean | undefined
    LastModified?: Date | undefined
  }) => ({
    key: decode(entry.Key ?? ''),
    versionId: entry.VersionId ?? 'null',
    isLatest: entry.IsLatest === true,
    lastModifiedMs: entry.LastModified?.getTime() ?? 0,
  })
  const objects = (page.Versions ?? []).map((entry) => ({
    ...named(entry),
    object: {
      etag: parseEtag(entry.ETag)?.etag ?? '',
      sizeBytes: entry.Size ?? 0,
      storageClass: entry.StorageClass,
    },
  }))
  const truncated = page.IsTruncated === true
  return {
    versions: [...objects, ...(page.DeleteMarkers ?? []).map(named)],
    commonPrefixes: (page.CommonPrefixes ?? []).map((entry) => decode(entry.Prefix ?? '')),
    truncated,
    nextKeyMarker: truncated ? decode(page.NextKeyMarker ?? '') : undefined,
    nextVersionIdMarker: truncated ? page.NextVersionIdMarker : undefined,
  }
}
