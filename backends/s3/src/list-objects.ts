import { ListObjectsV2Command } from '@aws-sdk/client-s3'
import type { ListOptions, ListResult } from '@forebay/backend-port/backend'
import { parseEtag } from '@forebay/backend-transport/answer-headers'
import type { ListedObject } from '@forebay/model/object'
import { callSdk } from './call-sdk.ts'
import type { Place } from './read-object.ts'

/** One page of names. Asks for encoded names, because XML cannot carry all of them. */
export async function listObjects(place: Place, options: ListOptions): Promise<ListResult> {
  const { prefix, delimiter, startAfter, continuationToken, pageMax, signal } = options
  const command = new ListObjectsV2Command({
    Bucket: place.bucket,
    Prefix: prefix,
    Delimiter: delimiter === '' ? undefined : delimiter,
    StartAfter: startAfter,
    ContinuationToken: continuationToken,
    MaxKeys: pageMax,
    EncodingType: 'url',
  })
  const page = await callSdk(place.connection, `LIST s3://${place.bucket}/${prefix}`, {
    signal,
    send: (sdk, abortSignal) => sdk.send(command, { abortSignal }),
  })
  const decode = page.EncodingType === 'url' ? decodeName : (name: string) => name
  return {
    objects: (page.Contents ?? []).map(
      (entry): ListedObject => ({
        key: decode(entry.Key ?? ''),
        sizeBytes: entry.Size ?? 0,
        etag: parseEtag(entry.ETag)?.etag ?? '',
        lastModifiedMs: entry.LastModified?.getTime() ?? 0,
        storageClass: entry.StorageClass,
        checksumAlgorithm: entry.ChecksumAlgorithm?.[0],
        checksumKind: kindOf(entry.ChecksumType),
      }),
    ),
    commonPrefixes: (page.CommonPrefixes ?? []).map((entry) => decode(entry.Prefix ?? '')),
    nextToken: page.IsTruncated === true ? page.NextContinuationToken : undefined,
  }
}

function kindOf(word: string | undefined): ListedObject['checksumKind'] {
  if (word === 'COMPOSITE') return 'composite'
  return word === 'FULL_OBJECT' ? 'whole' : undefined
}

/** `encoding-type=url` is form encoding: `+` is a space (S3 API, ListObjectsV2). */
export function decodeName(encoded: string): string {
  return decodeURIComponent(encoded.replaceAll('+', ' '))
}
