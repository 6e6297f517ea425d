import { join } from 'node:path'
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import {
  BlobServiceClient,
  type ContainerClient,
  StorageSharedKeyCredential,
} from '@azure/storage-blob'
import { testBytes } from '@forebay/backend-port/conformance/case'
import { PART_BYTES_MIN } from '@forebay/base/limits'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { childEnvironment, runCommand } from '../testkit/run-command.ts'
import { type Server, startAzurite, startForebay, temporaryFolder } from '../testkit/servers.ts'
import { ROOT } from '../testkit/tool-install.ts'

/** A container as a bucket of a whole node: command line, S3 door, cache. */
const ACCOUNT = 'wholenode'
const KEY = Buffer.from('the key of the account in the test').toString('base64')
const Bucket = 'box'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let azurite: Server
let forebay: Server
let container: ContainerClient
let s3: S3Client

beforeAll(async () => {
  folder = await temporaryFolder('azure-node')
  azurite = await startAzurite({ account: ACCOUNT, key: KEY })
  const credential = new StorageSharedKeyCredential(ACCOUNT, KEY)
  container = new BlobServiceClient(`${azurite.url}/${ACCOUNT}`, credential).getContainerClient(
    Bucket,
  )
  await container.create()
  forebay = await startForebay({
    dataDir: join(folder.path, 'data'),
    env: {
      AZURE_STORAGE_ACCOUNT: ACCOUNT,
      AZURE_STORAGE_KEY: KEY,
      FOREBAY_BACKENDS__AZURE__ENDPOINT: azurite.url,
    },
  })
  s3 = new S3Client({
    endpoint: forebay.url,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: 'any', secretAccessKey: 'any' },
    maxAttempts: 1,
  })
  expect(await runForebay('bucket', 'add', `az://${Bucket}`)).toContain(Bucket)
})

afterAll(async () => {
  s3?.destroy()
  await forebay?.stop()
  await azurite?.stop()
  await folder?.remove()
})

async function runForebay(...args: readonly string[]): Promise<string> {
  const program = join(ROOT, 'services/cli/bin/forebay.js')
  const env = childEnvironment({ FOREBAY_ENDPOINT: forebay.url })
  const all = ['--disable-warning=ExperimentalWarning', program, ...args]
  const output = await runCommand(process.execPath, all, { env })
  return output.stdout + output.stderr
}

async function read(Key: string): Promise<{ readonly bytes: Buffer; readonly cache: string }> {
  const response = await fetch(`${forebay.url}/${Bucket}/${Key}`)
  expect(response.status).toBe(200)
  const cache = response.headers.get('forebay-cache') ?? ''
  return { bytes: Buffer.from(await response.arrayBuffer()), cache }
}

test('a blob is read from Azure once, and then from the cache', async () => {
  const bytes = testBytes(3_000_000)
  await container.getBlockBlobClient('a/cold').uploadData(bytes)
  const cold = await read('a/cold')
  expect(cold.cache).toBe('miss')
  expect(cold.bytes.equals(bytes)).toBe(true)
  // The last bytes are sent before the object is in the cache.
  await expect.poll(async () => (await read('a/cold')).cache).toBe('hit')
  expect((await read('a/cold')).bytes.equals(bytes)).toBe(true)
})

test('what is written is a blob for programs of Azure, and one version for all', async () => {
  const put = new PutObjectCommand({
    ...{ Bucket, Key: 'a/written', Body: 'name,age\n', ContentType: 'text/csv' },
    Metadata: { 'two-words': 'a b' },
  })
  const { ETag } = await s3.send(put)
  const blob = await container.getBlobClient('a/written').getProperties()
  expect(blob).toMatchObject({ contentType: 'text/csv', contentLength: 9, etag: ETag })
  expect(blob.metadata).toEqual({ two_x002d_words: 'a b' })
  const head = await s3.send(new HeadObjectCommand({ Bucket, Key: 'a/written' }))
  expect(head).toMatchObject({ ETag, Metadata: { 'two-words': 'a b' } })
  const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket, Prefix: 'a/wr' }))
  expect(Contents.map((entry) => entry.ETag)).toEqual([ETag])
  const again = new PutObjectCommand({ Bucket, Key: 'a/written', Body: 'x', IfNoneMatch: '*' })
  await expect(s3.send(again)).rejects.toMatchObject({ name: 'PreconditionFailed' })
})

test('an upload in parts becomes one blob, and nothing before its completion', async () => {
  const name = { Bucket, Key: 'parts' }
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand(name))
  const bodies = [testBytes(PART_BYTES_MIN), testBytes(1000, 2)]
  const Parts: { readonly PartNumber: number; readonly ETag: string | undefined }[] = []
  for (const [index, Body] of bodies.entries()) {
    const part = new UploadPartCommand({ ...name, UploadId, PartNumber: index + 1, Body })
    Parts.push({ PartNumber: index + 1, ETag: (await s3.send(part)).ETag })
  }
  expect(await container.getBlobClient('parts').exists()).toBe(false)
  await s3.send(
    new CompleteMultipartUploadCommand({
      ...name,
      UploadId,
      MultipartUpload: { Parts: [...Parts] },
    }),
  )
  const blob = await container.getBlobClient('parts').downloadToBuffer()
  expect(blob.equals(Buffer.concat(bodies))).toBe(true)
  expect((await read('parts')).bytes.equals(blob)).toBe(true)
})

test('copies keep or replace the description, and a delete is one at Azure', async () => {
  const from = { Bucket, CopySource: `${Bucket}/copied` }
  const put = { Bucket, Key: 'copied', Body: 'bytes', ContentType: 'text/csv' }
  await s3.send(new PutObjectCommand(put))
  await s3.send(new CopyObjectCommand({ ...from, Key: 'same' }))
  await s3.send(
    new CopyObjectCommand({
      ...{ ...from, Key: 'other', MetadataDirective: 'REPLACE', ContentType: 'image/png' },
    }),
  )
  const typeOf = async (key: string) =>
    (await container.getBlobClient(key).getProperties()).contentType
  expect([await typeOf('same'), await typeOf('other')]).toEqual(['text/csv', 'image/png'])
  expect((await read('other')).bytes.toString()).toBe('bytes')
  await s3.send(new DeleteObjectCommand({ Bucket, Key: 'other' }))
  expect(await container.getBlobClient('other').exists()).toBe(false)
  const gone = s3.send(new GetObjectCommand({ Bucket, Key: 'other' }))
  await expect(gone).rejects.toMatchObject({ name: 'NoSuchKey' })
})

test('pages of either listing join to the whole', async () => {
  const keys = Array.from({ length: 7 }, (_, index) => `pages/${index}`)
  for (const key of keys) await container.getBlockBlobClient(key).uploadData(testBytes(1))
  const base = { Bucket, Prefix: 'pages/', MaxKeys: 3 }
  const older: string[] = []
  for (let Marker: string | undefined; older.length < keys.length; Marker = older.at(-1)) {
    const { Contents = [] } = await s3.send(new ListObjectsCommand({ ...base, Marker }))
    expect(Contents.length).toBeGreaterThan(0)
    older.push(...Contents.map(({ Key = '' }) => Key))
  }
  expect(older).toEqual(keys)
  const newer: string[] = []
  let ContinuationToken: string | undefined
  do {
    const page = await s3.send(new ListObjectsV2Command({ ...base, ContinuationToken }))
    newer.push(...(page.Contents ?? []).map(({ Key = '' }) => Key))
    ContinuationToken = page.NextContinuationToken
  } while (ContinuationToken !== undefined)
  expect(newer).toEqual(keys)
})

test('a container that is not there cannot be added', async () => {
  await expect(runForebay('bucket', 'add', 'az://no-such-box')).rejects.toThrow(/no-such-box/)
})
