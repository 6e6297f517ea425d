import {
  BlobServiceClient,
  type BlobServiceClient as Client,
  type ContainerClient,
  type StoragePipelineOptions,
  StorageSharedKeyCredential,
} from '@azure/storage-blob'
import { SigningKey } from '@forebay/s3/sigv4/signing-key'
import { describe, expect, test } from 'vitest'
import { compareHeaderNames, sharedKeyAuthorization } from './shared-key.ts'

const ACCOUNT = 'account'
const KEY = Buffer.from('a key of the account')
const CAPTURED = new Error('nothing is sent')

type HttpClient = NonNullable<StoragePipelineOptions['httpClient']>
type SdkRequest = Parameters<HttpClient['sendRequest']>[0]

/** The request as the vendor's SDK signs it. */
async function signedBySdk(send: (service: Client) => Promise<unknown>): Promise<SdkRequest> {
  const captured: SdkRequest[] = []
  const credential = new StorageSharedKeyCredential(ACCOUNT, KEY.toString('base64'))
  const service = new BlobServiceClient('http://127.0.0.1:1/account', credential, {
    retryOptions: { maxTries: 1 },
    httpClient: {
      sendRequest: (request) => {
        captured.push(request)
        return Promise.reject(CAPTURED)
      },
    },
  })
  await expect(send(service)).rejects.toThrow()
  const [request] = captured
  if (request === undefined) throw new Error('the SDK sent nothing')
  return request
}

const container = (service: Client): ContainerClient => service.getContainerClient('box')

describe('the signature is that of the vendor', () => {
  test.each<[string, (service: Client) => Promise<unknown>]>([
    ['a read', (s) => container(s).getBlobClient('a/b').download()],
    [
      'a range',
      (s) =>
        container(s)
          .getBlobClient('k')
          .download(5, 10, { conditions: { ifMatch: '"0x1"' } }),
    ],
    [
      'a key with odd characters',
      (s) => container(s).getBlobClient("a+b=c '!é?q#f/%2F").getProperties(),
    ],
    [
      'a listing',
      (s) => container(s).listBlobsFlat({ prefix: 'a b/&=' }).byPage({ maxPageSize: 7 }).next(),
    ],
    ['a listing with folders', (s) => container(s).listBlobsByHierarchy('/').byPage().next()],
    ['a list of containers', (s) => s.listContainers().byPage().next()],
    [
      'a write',
      (s) =>
        container(s)
          .getBlockBlobClient('k')
          .upload('body', 4, {
            tier: 'Cool',
            metadata: { a_b: '1', ab: ' 2', a1: '3', two_x002d_words: '4', forebay_expires: '5' },
            conditions: { ifNoneMatch: '*' },
            blobHTTPHeaders: { blobContentType: 'text/csv', blobCacheControl: 'no-cache' },
          }),
    ],
    ['an empty write', (s) => container(s).getBlockBlobClient('k').upload('', 0)],
    ['a block', (s) => container(s).getBlockBlobClient('k').stageBlock('YQ==', 'body', 4)],
    ['a list of blocks', (s) => container(s).getBlockBlobClient('k').commitBlockList(['YQ=='])],
    [
      'a delete',
      (s) =>
        container(s)
          .getBlobClient('k')
          .delete({ conditions: { ifMatch: '"1"' } }),
    ],
    [
      'a copy',
      (s) =>
        container(s)
          .getBlobClient('k')
          .syncCopyFromURL('http://127.0.0.1/x?a=b', { sourceConditions: { ifMatch: '"1"' } }),
    ],
  ])('of %s', async (_, send) => {
    const { method, url, headers } = await signedBySdk(send)
    const lower = Object.fromEntries(
      headers.headersArray().map(({ name, value }) => [name.toLowerCase(), value]),
    )
    const target = url.slice('http://127.0.0.1:1'.length)
    const ours = sharedKeyAuthorization(
      { method, target, headers: lower },
      { account: ACCOUNT, key: new SigningKey(KEY) },
    )
    expect(lower['authorization']).toBe(ours)
  })
})

test('headers are sorted as the service does: without hyphens, underscores first', () => {
  const names = ['x-ms-meta-ab', 'x-ms-meta-a_b', 'x-ms-meta-a1', 'x-ms-blob-type', 'x-ms-blobs']
  expect(names.sort(compareHeaderNames)).toEqual([
    'x-ms-blobs',
    'x-ms-blob-type',
    'x-ms-meta-a_b',
    'x-ms-meta-a1',
    'x-ms-meta-ab',
  ])
})
