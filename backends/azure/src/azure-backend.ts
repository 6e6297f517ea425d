import type { Account } from '@forebay/backend-port/account'
import type {
  Backend,
  BucketInfo,
  Call,
  Capabilities,
  MutationOperations,
} from '@forebay/backend-port/backend'
import { noMultipart } from '@forebay/backend-port/no-multipart'
import { isFailure } from '@forebay/base/failure'
import type { AzureOptions } from './azure-options.ts'
import { refusalOf } from './classify-error.ts'
import {
  type Connection,
  containerPath,
  describe,
  objectPath,
  openConnection,
  type Place,
  sendRequest,
} from './connection.ts'
import { copyObject } from './copy-object.ts'
import { listObjects } from './list-objects.ts'
import { headObject, readObject } from './read-object.ts'
import { conditionHeaders } from './request-headers.ts'
import { callSdk } from './sdk.ts'
import { sendForHeaders } from './send-write.ts'
import { BLOCKS_MAX } from './write-blocks.ts'
import { writeObject } from './write-object.ts'

/** What Azure Blob Storage can do. Blocks have no upload of their own, so multipart is not native. */
export const AZURE_CAPABILITIES: Capabilities = {
  rangedRead: true,
  pinnedRead: true,
  conditionalWrite: true,
  conditionalDelete: true,
  multipart: 'none',
  serverSideCopy: true,
  write: true,
  listPageMax: 5000,
  // As many blocks as an object may have, of the largest size.
  putBytesMax: BLOCKS_MAX * 4000 * 1024 ** 2,
}

/** @throws Failure `backend-refused` when the options do not say which account is meant */
export function openAzureAccount(options: AzureOptions): Account {
  const connection = openConnection(options)
  return {
    bucket: (name) => bucketBackend({ connection, bucket: name }),
    lookupBucket: (name, call) => lookupBucket(connection, name, call),
    listBuckets: (call) => listBuckets(connection, call),
    close: () => closeConnection(connection),
  }
}

/** One container with connections of its own; `close` ends them. */
export function createAzureBackend(options: AzureOptions & { readonly bucket: string }): Backend {
  const connection = openConnection(options)
  return {
    ...bucketBackend({ connection, bucket: options.bucket }),
    close: () => closeConnection(connection),
  }
}

function bucketBackend(place: Place): Backend {
  const { connection, bucket } = place
  return {
    name: `az://${bucket}`,
    capabilities: AZURE_CAPABILITIES,
    mutations: {
      write: (options, body) => writeObject(place, options, body),
      copy: (options) => copyObject(place, options),
      delete: (options) => deleteObject(place, options),
      ...noMultipart('Azure Blob Storage'),
    },
    read: (options) => readObject(place, options),
    head: (options) => headObject(place, options),
    list: (options) => listObjects(place, options),
    headBucket: (call) => lookupBucket(connection, bucket, call),
    close: () => Promise.resolve(),
  }
}

async function deleteObject(
  place: Place,
  options: Parameters<MutationOperations['delete']>[0],
): Promise<void> {
  const { key, conditions, signal } = options
  const deleted = sendForHeaders(place, {
    method: 'DELETE',
    target: objectPath(place.bucket, key),
    headers: conditionHeaders(conditions),
    what: describe('DELETE', place.bucket, key),
    signal,
  })
  await deleted.catch((error: unknown) => {
    if (!isFailure(error, 'object-not-found') || conditions.ifMatch !== undefined) throw error
  })
}

async function lookupBucket(
  connection: Connection,
  name: string,
  { signal }: Call,
): Promise<BucketInfo | undefined> {
  const what = describe('HEAD', name)
  const target = `${containerPath(name)}?restype=container`
  const answer = await sendRequest(connection, { method: 'HEAD', target, what, signal })
  if (answer.status === 200) {
    await answer.body.pump(() => undefined)
    return { name, createdMs: undefined, region: undefined }
  }
  const failure = await refusalOf(answer, what)
  if (isFailure(failure, 'object-not-found', 'bucket-not-found')) return undefined
  throw failure
}

/** Pages of containers that are followed, 5,000 each; accounts have no limit of their own. */
const BUCKET_PAGES_MAX = 100

function listBuckets(connection: Connection, { signal }: Call): Promise<readonly BucketInfo[]> {
  return callSdk(connection, 'list of containers', {
    signal,
    send: async (service) => {
      const buckets: BucketInfo[] = []
      let pagesLeft = BUCKET_PAGES_MAX
      for await (const page of service.listContainers().byPage()) {
        for (const { name } of page.containerItems) {
          buckets.push({ name, createdMs: undefined, region: undefined })
        }
        pagesLeft -= 1
        if (pagesLeft === 0) break
      }
      return buckets
    },
  })
}

async function closeConnection(connection: Connection): Promise<void> {
  await connection.agent.destroy()
}
