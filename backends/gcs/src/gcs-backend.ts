import type { Account } from '@forebay/backend-port/account'
import type { Backend, Capabilities, MutationOperations } from '@forebay/backend-port/backend'
import { noMultipart } from '@forebay/backend-port/no-multipart'
import { isFailure } from '@forebay/base/failure'
import { LIST_PAGE_MAX } from '@forebay/base/limits'
import { checkBucketOf, listBuckets, lookupBucket } from './buckets.ts'
import { refusalOf } from './classify-error.ts'
import {
  type Connection,
  describe,
  type GcsOptions,
  openConnection,
  type Place,
  resourcePath,
  sendRequest,
} from './connection.ts'
import { copyObject } from './copy-object.ts'
import { listObjects } from './list-objects.ts'
import { headObject, readObject } from './read-object.ts'
import { generationConditions } from './write-conditions.ts'
import { writeObject } from './write-object.ts'

/** What Google Cloud Storage can do. Its composed parts are objects, so multipart is not native. */
export const GCS_CAPABILITIES: Capabilities = {
  rangedRead: true,
  pinnedRead: true,
  conditionalWrite: true,
  conditionalDelete: true,
  multipart: 'none',
  serverSideCopy: true,
  write: true,
  listPageMax: LIST_PAGE_MAX,
  // Largest object of the store, in one request: 5 TiB.
  putBytesMax: 5 * 1024 ** 4,
}

export function openGcsAccount(options: GcsOptions): Account {
  const connection = openConnection(options)
  return {
    bucket: (name) => bucketBackend({ connection, bucket: name }),
    lookupBucket: (name, { signal }) => lookupBucket(connection, name, signal),
    listBuckets: ({ signal }) => listBuckets(connection, signal),
    close: () => closeConnection(connection),
  }
}

/** One bucket with connections of its own; `close` ends them. */
export function createGcsBackend(options: GcsOptions & { readonly bucket: string }): Backend {
  const connection = openConnection(options)
  return {
    ...bucketBackend({ connection, bucket: options.bucket }),
    close: () => closeConnection(connection),
  }
}

function bucketBackend(place: Place): Backend {
  const { connection, bucket } = place
  return {
    name: `gs://${bucket}`,
    capabilities: GCS_CAPABILITIES,
    mutations: {
      write: (options, body) => writeObject(place, options, body),
      copy: (options) => copyObject(place, options),
      delete: (options) => deleteObject(place, options),
      ...noMultipart('Google Cloud Storage'),
    },
    read: (options) => readObject(place, options),
    head: (options) => headObject(place, options),
    list: (options) => listObjects(place, options),
    headBucket: ({ signal }) => lookupBucket(connection, bucket, signal),
    close: () => Promise.resolve(),
  }
}

async function deleteObject(
  place: Place,
  options: Parameters<MutationOperations['delete']>[0],
): Promise<void> {
  const { key, signal } = options
  const what = describe('DELETE', place.bucket, key)
  const conditions = await generationConditions(place, options)
  const path = resourcePath(place.bucket, key)
  const request = { method: 'DELETE', path, query: { ...conditions }, signal, what } as const
  const answer = await sendRequest(place.connection, request)
  if (answer.status === 200 || answer.status === 204) {
    await answer.body.pump(() => undefined)
    return
  }
  const failure = await refusalOf(answer, what)
  if (!isFailure(failure, 'object-not-found')) throw failure
  await checkBucketOf(place, failure, signal)
}

async function closeConnection(connection: Connection): Promise<void> {
  await connection.agent.destroy()
}
