import { HeadBucketCommand, ListBucketsCommand } from '@aws-sdk/client-s3'
import type { Account } from '@forebay/backend-port/account'
import type { Backend, BucketInfo, Call, Capabilities } from '@forebay/backend-port/backend'
import { isFailure } from '@forebay/base/failure'
import { LIST_PAGE_MAX, PUT_BYTES_MAX } from '@forebay/base/limits'
import { callSdk } from './call-sdk.ts'
import type { Connection, S3Options } from './connection.ts'
import { listObjects } from './list-objects.ts'
import { headObject, readObject } from './read-object.ts'
import { askAgain, Regions } from './regions.ts'
import { createSdkMutations } from './sdk-mutations.ts'
import { createSdkTagging } from './sdk-tagging.ts'
import { createSdkVersioning } from './sdk-versioning.ts'
import { writeObject, writePart } from './write-object.ts'

/** What Amazon S3 and the stores that follow it can do. */
export const S3_CAPABILITIES: Capabilities = {
  rangedRead: true,
  pinnedRead: true,
  conditionalWrite: true,
  conditionalDelete: true,
  multipart: 'native',
  serverSideCopy: true,
  write: true,
  listPageMax: LIST_PAGE_MAX,
  putBytesMax: PUT_BYTES_MAX,
}

export function openS3Account(options: S3Options): Account {
  const regions = new Regions(options)
  return {
    bucket: (name) => bucketBackend(regions, name),
    lookupBucket: (name, call) => bucketBackend(regions, name).headBucket(call),
    listBuckets: (call) => listBuckets(regions.home, call),
    close: () => regions.close(),
  }
}

/** One bucket with connections of its own; `close` ends them. */
export function createS3Backend(options: S3Options & { readonly bucket: string }): Backend {
  const regions = new Regions(options)
  return { ...bucketBackend(regions, options.bucket), close: () => regions.close() }
}

function bucketBackend(regions: Regions, bucket: string): Backend {
  const place = regions.placeOf(bucket)
  return askAgain(
    { regions, bucket },
    {
      name: `s3://${bucket}`,
      capabilities: S3_CAPABILITIES,
      mutations: {
        write: (options, body) => writeObject(place, options, body),
        writePart: (options, body) => writePart(place, options, body),
        ...createSdkMutations(place),
      },
      read: (options) => readObject(place, options),
      tagging: createSdkTagging(place),
      versioning: createSdkVersioning(place),
      head: (options) => headObject(place, options),
      list: (options) => listObjects(place, options),
      headBucket: (call) => lookupBucket(place.connection, bucket, call),
      close: () => Promise.resolve(),
    },
  )
}

async function lookupBucket(
  connection: Connection,
  name: string,
  call: Call,
): Promise<BucketInfo | undefined> {
  try {
    const answer = await callSdk(connection, `HEAD s3://${name}`, {
      signal: call.signal,
      send: (sdk, abortSignal) =>
        sdk.send(new HeadBucketCommand({ Bucket: name }), { abortSignal }),
    })
    return { name, createdMs: undefined, region: answer.BucketRegion }
  } catch (error) {
    // HEAD has no document: a bare 404 is the bucket's.
    if (isFailure(error, 'object-not-found', 'bucket-not-found')) return undefined
    throw error
  }
}

/** Pages of ListBuckets that are followed; an account has 10,000 buckets at most by default. */
const BUCKET_PAGES_MAX = 100

async function listBuckets(connection: Connection, call: Call): Promise<readonly BucketInfo[]> {
  const buckets: BucketInfo[] = []
  let token: string | undefined
  for (let page = 0; page < BUCKET_PAGES_MAX; page++) {
    const command = new ListBucketsCommand({ ContinuationToken: token })
    const answer = await callSdk(connection, 'list of buckets', {
      signal: call.signal,
      send: (sdk, abortSignal) => sdk.send(command, { abortSignal }),
    })
    for (const { Name, CreationDate, BucketRegion } of answer.Buckets ?? []) {
      if (Name === undefined) continue
      buckets.push({ name: Name, createdMs: CreationDate?.getTime(), region: BucketRegion })
    }
    token = answer.ContinuationToken
    if (token === undefined || token === '') break
  }
  return buckets
}
