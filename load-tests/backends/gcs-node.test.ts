import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { testBytes } from '@forebay/backend-port/conformance/case'
import { ForebayClient } from '@forebay/client/client'
import { request } from 'undici'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type Server, startFakeGcs, startForebay, temporaryFolder } from '../testkit/servers.ts'
import { startToxiproxy, type ToxicProxy } from '../testkit/toxiproxy.ts'

/** A bucket of Google Cloud Storage behind a whole node: S3 door, cache, a store that fails. */
const MIB = 1024 ** 2
const BUCKET = 'corpus'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let store: Server
let proxy: ToxicProxy
let forebay: Server
let s3: S3Client

beforeAll(async () => {
  folder = await temporaryFolder('gcs-node')
  store = await startFakeGcs()
  proxy = await startToxiproxy(store.port)
  await askStore('POST', '/storage/v1/b?project=test', JSON.stringify({ name: BUCKET }))
  forebay = await startForebay({
    dataDir: join(folder.path, 'data'),
    config: { backends: { gcp: { endpoint: proxy.url } }, buckets: { lookup: ['gcp'] } },
  })
  s3 = new S3Client({
    endpoint: forebay.url,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: 'any', secretAccessKey: 'any' },
    maxAttempts: 1,
  })
  const client = new ForebayClient({ endpoint: forebay.url })
  await s3.send(new ListObjectsV2Command({ Bucket: BUCKET }))
  await client.buckets.set({ provider: 'gcp', name: BUCKET }, { revalidate: 'always' })
})

afterAll(async () => {
  s3?.destroy()
  await forebay?.stop()
  await proxy?.stop()
  await store?.stop()
  await folder?.remove()
})

beforeEach(() => proxy.heal())

async function askStore(method: string, path: string, body?: Buffer | string): Promise<Buffer> {
  const init = { method, ...(body === undefined ? {} : { body }) }
  const response = await fetch(`${store.url}${path}`, init)
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status}`)
  return Buffer.from(await response.arrayBuffer())
}

async function putAtStore(key: string, bytes: Buffer, more = ''): Promise<void> {
  const query = `uploadType=media&name=${encodeURIComponent(key)}${more}`
  await askStore('POST', `/upload/storage/v1/b/${BUCKET}/o?${query}`, bytes)
}

function bytesAtStore(key: string): Promise<Buffer> {
  return askStore('GET', `/storage/v1/b/${BUCKET}/o/${encodeURIComponent(key)}?alt=media`)
}

interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly bytes: Buffer
}

async function get(key: string, asked: Readonly<Record<string, string>> = {}): Promise<Answer> {
  // What is encoded stays encoded: `fetch` would decode it.
  const answer = await request(`${forebay.url}/${BUCKET}/${key}`, { headers: asked })
  const bytes = Buffer.from(await answer.body.arrayBuffer())
  const named = Object.entries(answer.headers).map(([name, value]): [string, string] => [
    name,
    String(value),
  ])
  return { status: answer.statusCode, headers: new Headers(named), bytes }
}

test('an object stored with gzip leaves the node as it is stored, cold, warm and in ranges', async () => {
  const stored = gzipSync(testBytes(3 * MIB))
  await putAtStore('logs.gz', stored, '&contentEncoding=gzip')
  const range = { range: `bytes=${MIB}-${MIB + 99}` }
  const part = await get('logs.gz', range)
  expect(part.status).toBe(206)
  expect(part.bytes.equals(stored.subarray(MIB, MIB + 100))).toBe(true)
  for (const round of ['cold', 'warm']) {
    const whole = await get('logs.gz')
    expect([round, whole.bytes.equals(stored)]).toEqual([round, true])
    expect(whole.headers.get('content-encoding')).toBe('gzip')
  }
})

test('the tag of an object is one in PUT, HEAD, list and GET, and names its generation', async () => {
  const bytes = testBytes(100_000)
  const md5 = `"${createHash('md5').update(bytes).digest('hex')}"`
  const at = { Bucket: BUCKET, Key: 'tagged' }
  const put = await s3.send(new PutObjectCommand({ ...at, Body: bytes }))
  const head = await s3.send(new HeadObjectCommand(at))
  const list = await s3.send(new ListObjectsV2Command({ Bucket: BUCKET, Prefix: 'tagged' }))
  const found = await get('tagged')
  const tags = [put.ETag, head.ETag, list.Contents?.[0]?.ETag, found.headers.get('etag')]
  expect(tags).toEqual([md5, md5, md5, md5])
  expect(list.Contents?.[0]?.LastModified).toEqual(head.LastModified)

  const replaced = { ...at, Body: 'other', IfMatch: `"${'0'.repeat(32)}"` }
  const refused = s3.send(new PutObjectCommand(replaced))
  await expect(refused).rejects.toMatchObject({ $metadata: { httpStatusCode: 412 } })
  await s3.send(new PutObjectCommand({ ...replaced, IfMatch: md5 }))
  expect((await bytesAtStore('tagged')).toString()).toBe('other')
  const again = s3.send(new PutObjectCommand({ ...at, Body: 'third', IfNoneMatch: '*' }))
  await expect(again).rejects.toMatchObject({ $metadata: { httpStatusCode: 412 } })
  expect((await get('tagged')).bytes.toString()).toBe('other')
})

test('what changes in the store is seen, also between two ranges of one object', async () => {
  const first = testBytes(12 * MIB)
  const second = testBytes(12 * MIB, 2)
  await putAtStore('changing', first)
  const range = (at: number) => ({ range: `bytes=${at}-${at + 999}` })
  expect((await get('changing', range(0))).bytes.equals(first.subarray(0, 1000))).toBe(true)
  await putAtStore('changing', second)
  const later = await get('changing', range(9 * MIB))
  expect(later.bytes.equals(second.subarray(9 * MIB, 9 * MIB + 1000))).toBe(true)
  expect((await get('changing')).bytes.equals(second)).toBe(true)
})

test('copies and deletes happen in the store', async () => {
  const bytes = testBytes(70_000, 3)
  await putAtStore('dir/a b', bytes)
  const copy = { Bucket: BUCKET, Key: 'dir/copy', CopySource: `${BUCKET}/dir/a%20b` }
  await s3.send(new CopyObjectCommand(copy))
  expect((await bytesAtStore('dir/copy')).equals(bytes)).toBe(true)
  expect((await get('dir/copy')).bytes.equals(bytes)).toBe(true)
  await s3.send(new DeleteObjectCommand({ Bucket: BUCKET, Key: 'dir/copy' }))
  await expect(bytesAtStore('dir/copy')).rejects.toThrow('404')
  expect((await get('dir/copy')).status).toBe(404)
})

test('a store that breaks off an upload keeps the old object, and so does the node', async () => {
  const old = testBytes(200_000, 4)
  await putAtStore('kept', old)
  await proxy.poison('upstream', { type: 'limit_data', attributes: { bytes: 500_000 } })
  const put = { Bucket: BUCKET, Key: 'kept', Body: testBytes(2 * MIB, 5) }
  const refused = s3.send(new PutObjectCommand(put))
  await expect(refused).rejects.toMatchObject({ $fault: 'server' })
  await proxy.heal()
  expect((await bytesAtStore('kept')).equals(old)).toBe(true)
  expect((await get('kept')).bytes.equals(old)).toBe(true)
})

test('a store that breaks off a download gives nobody a body that looks whole', async () => {
  const bytes = testBytes(8 * MIB, 6)
  await putAtStore('cut', bytes)
  await proxy.poison('downstream', { type: 'limit_data', attributes: { bytes: MIB } })
  const answer = await get('cut').catch((error: Error) => error)
  // Either all of it, by ranges of the same generation, or a failure; never a part as the whole.
  if (!(answer instanceof Error) && answer.status === 200) {
    expect(answer.bytes.equals(bytes)).toBe(true)
  }
  await proxy.heal()
  expect((await get('cut')).bytes.equals(bytes)).toBe(true)
})
