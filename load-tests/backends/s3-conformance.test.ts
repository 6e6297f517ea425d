import { randomUUID } from 'node:crypto'
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { conformanceCases } from '@forebay/backend-port/conformance'
import { createS3Backend, openS3Account, S3_CAPABILITIES } from '@forebay/backend-s3/s3-backend'
import { systemClock } from '@forebay/base/clock'
import { PART_BYTES_MIN } from '@forebay/base/limits'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Server, startVersitygw, temporaryFolder } from '../testkit/servers.ts'
import { brokenConnectionCases } from './broken-connections.ts'

const KEYS = { accessKey: 'conformance', secretKey: 'conformance-secret' }
const CREDENTIALS = { accessKeyId: KEYS.accessKey, secretAccessKey: KEYS.secretKey }

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let server: Server
let client: S3Client

beforeAll(async () => {
  folder = await temporaryFolder('s3-conformance')
  server = await startVersitygw({ ...KEYS, dir: `${folder.path}/data` })
  client = new S3Client({
    endpoint: server.url,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: CREDENTIALS,
  })
})

afterAll(async () => {
  client?.destroy()
  await server?.stop()
  await folder?.remove()
})

function optionsOf(credentials = CREDENTIALS): Parameters<typeof openS3Account>[0] {
  const endpoint = server.url
  return { endpoint, region: 'us-east-1', nodeId: 'node-1', clock: systemClock, credentials }
}

async function newBucket(): Promise<string> {
  const bucket = `b-${randomUUID()}`
  await client.send(new CreateBucketCommand({ Bucket: bucket }))
  return bucket
}

describe('S3 over versitygw, signatures enforced', () => {
  const cases = conformanceCases({
    capabilities: S3_CAPABILITIES,
    partBytesMin: PART_BYTES_MIN,
    tagging: true,
    // A file system has no name for an empty path component.
    keysRefused: ['a//b'],
    async open() {
      const bucket = await newBucket()
      const account = openS3Account(optionsOf())
      return {
        backend: account.bucket(bucket),
        missing: account.bucket(`no-such-${randomUUID()}`),
        bucket,
        put: async (key, bytes) => {
          await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: bytes }))
        },
        remove: async (key) => {
          await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }))
        },
        close: () => account.close(),
      }
    },
  })
  for (const { title, run } of cases) test(title, run)
})

describe('S3 behind toxiproxy', () => {
  const cases = brokenConnectionCases({
    writes: true,
    port: () => server.port,
    async open(url) {
      const bucket = await newBucket()
      const backend = createS3Backend({ ...optionsOf(), endpoint: url, bucket })
      return {
        backend,
        put: async (key, bytes) => {
          await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: bytes }))
        },
        close: () => backend.close(),
      }
    },
  })
  for (const { title, run } of cases) test(title, run)
})

test('buckets of the account are found and listed', async () => {
  const bucket = await newBucket()
  const account = openS3Account(optionsOf())
  const { signal } = new AbortController()
  expect(await account.lookupBucket(bucket, { signal })).toMatchObject({ name: bucket })
  expect(await account.lookupBucket(`no-${randomUUID()}`, { signal })).toBeUndefined()
  const names = (await account.listBuckets({ signal })).map(({ name }) => name)
  expect(names).toContain(bucket)
  await account.close()
})

test('a wrong secret is refused as denied, by undici and by the SDK alike', async () => {
  const bucket = await newBucket()
  const wrong = { ...CREDENTIALS, secretAccessKey: 'wrong' }
  const backend = createS3Backend({ ...optionsOf(wrong), bucket })
  const { signal } = new AbortController()
  const denied = { code: 'backend-denied' }
  await expect(backend.read({ key: 'k', signal })).rejects.toMatchObject(denied)
  await expect(backend.head({ key: 'k', signal })).rejects.toMatchObject(denied)
  await expect(backend.list({ prefix: '', pageMax: 1, signal })).rejects.toMatchObject(denied)
  await backend.close()
})
