/** One store of each kind of backend, filled by its own API, and read by it without a cache. */
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import {
  BlobServiceClient,
  ContainerSASPermissions,
  StorageSharedKeyCredential,
} from '@azure/storage-blob'
import type { ForebayClient } from '@forebay/client/client'
import {
  freePort,
  type S3Credentials,
  type Server,
  startAzurite,
  startFakeGcs,
} from '../testkit/servers.ts'
import { startNginxIndex } from '../testkit/web-servers.ts'
import type { BenchContext } from './bench-context.ts'
import { BENCH_KEYS, createBucket, startPlainVersitygw } from './contenders.ts'
import { REGION, signatureOf } from './requests.ts'

export const STORE_KINDS = ['s3', 'gcs', 'azure', 'http'] as const
export type StoreKind = (typeof STORE_KINDS)[number]

export const COLD_BUCKET = 'cold'

/** A store, its node's settings, and how its objects are asked for. */
export type ColdStore = {
  readonly server: Server
  /** Absent: its reads need no signature. */
  readonly credentials?: S3Credentials | undefined
  /** Settings of a node that reaches it by the address. */
  readonly settings: (url: string) => Readonly<Record<string, unknown>>
  /** Makes the bucket known to a node. */
  readonly addBucket: (client: ForebayClient, url: string) => Promise<void>
  readonly put: (key: string, bytes: Buffer) => Promise<void>
  /** Path and query by which the store itself gives an object. */
  readonly target: (key: string) => string
}

export function openColdStore(context: BenchContext, kind: StoreKind): Promise<ColdStore> {
  switch (kind) {
    case 's3':
      return openS3(context)
    case 'gcs':
      return openGcs(context)
    case 'azure':
      return openAzure(context)
    default:
      return openWeb(context)
  }
}

async function openS3(context: BenchContext): Promise<ColdStore> {
  const versitygw = await startPlainVersitygw(context, { anyCore: true })
  await createBucket(versitygw, COLD_BUCKET)
  const { server } = versitygw
  const target = (key: string): string => `/${COLD_BUCKET}/${key}`
  return {
    server,
    credentials: BENCH_KEYS,
    settings: (url) => ({ backends: { aws: { endpoint: url, region: REGION } } }),
    addBucket: () => Promise.resolve(),
    put: (key, bytes) => {
      const host = `127.0.0.1:${server.port}`
      const request = { method: 'PUT', target: target(key) } as const
      const headers = signatureOf(request, { host }, { host, credentials: BENCH_KEYS })
      return send(`${server.url}${target(key)}`, { method: 'PUT', headers, body: bytes })
    },
    target,
  }
}

async function openGcs(context: BenchContext): Promise<ColdStore> {
  const server = await context.own(startFakeGcs({ signal: context.signal }))
  const headers = { 'content-type': 'application/json' }
  const body = JSON.stringify({ name: COLD_BUCKET })
  await send(`${server.url}/storage/v1/b`, { method: 'POST', headers, body })
  const upload = `${server.url}/upload/storage/v1/b/${COLD_BUCKET}/o?uploadType=media&name=`
  return {
    server,
    settings: (url) => ({ backends: { gcp: { endpoint: url, anonymous: true } } }),
    addBucket: (client) => client.buckets.addRemote({ provider: 'gcp', name: COLD_BUCKET }),
    put: (key, bytes) =>
      send(`${upload}${encodeURIComponent(key)}`, { method: 'POST', body: bytes }),
    target: (key) => `/storage/v1/b/${COLD_BUCKET}/o/${encodeURIComponent(key)}?alt=media`,
  }
}

const ACCOUNT = 'bench'
const ACCOUNT_KEY = Buffer.from('the key of the account of the bench').toString('base64')
const SIGNATURE_MS = 24 * 3_600_000

/** Azurite breaks connections off on which a blob comes that is much larger. */
const AZURE_PUT_BYTES_MAX = 64 * 1024 ** 2
const AZURE_BLOCK_BYTES = 8 * 1024 ** 2

async function openAzure(context: BenchContext): Promise<ColdStore> {
  const account = { account: ACCOUNT, key: ACCOUNT_KEY }
  const server = await context.own(startAzurite({ ...account, signal: context.signal }))
  const credential = new StorageSharedKeyCredential(ACCOUNT, ACCOUNT_KEY)
  const service = new BlobServiceClient(`${server.url}/${ACCOUNT}`, credential)
  const container = service.getContainerClient(COLD_BUCKET)
  await container.create()
  const signed = await container.generateSasUrl({
    permissions: ContainerSASPermissions.parse('rw'),
    expiresOn: new Date(Date.now() + SIGNATURE_MS),
  })
  const { search } = new URL(signed)
  const target = (key: string): string => `/${ACCOUNT}/${COLD_BUCKET}/${key}${search}`
  return {
    server,
    settings: (url) => ({ backends: { azure: { endpoint: url, ...account } } }),
    addBucket: (client) => client.buckets.addRemote({ provider: 'azure', name: COLD_BUCKET }),
    put: async (key, bytes) => {
      if (bytes.length > AZURE_PUT_BYTES_MAX) {
        await container.getBlockBlobClient(key).uploadData(bytes, { blockSize: AZURE_BLOCK_BYTES })
        return
      }
      const headers = { 'x-ms-blob-type': 'BlockBlob' }
      return send(`${server.url}${target(key)}`, { method: 'PUT', headers, body: bytes })
    },
    target,
  }
}

async function openWeb(context: BenchContext): Promise<ColdStore> {
  const dir = join(context.folder, 'web')
  await mkdir(dir, { recursive: true })
  const port = await freePort()
  const server = await context.own(startNginxIndex({ dir, port, format: 'html' }))
  return {
    server,
    settings: () => ({ backends: { http: { allow: ['127.0.0.1'] } } }),
    addBucket: (client, url) =>
      client.buckets.addDirectory({ provider: undefined, name: COLD_BUCKET }, { url: `${url}/` }),
    put: async (key, bytes) => {
      const path = join(dir, 'root', key)
      await mkdir(dirname(path), { recursive: true })
      await writeFile(path, bytes)
    },
    target: (key) => `/${key}`,
  }
}

async function send(
  url: string,
  init: {
    readonly method: string
    readonly headers?: Readonly<Record<string, string>>
    readonly body: Buffer | string
  },
): Promise<void> {
  const { headers = {}, ...rest } = init
  const answer = await fetch(url, { ...rest, headers: { ...headers } })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${init.method} ${url}: ${answer.status} ${text.slice(0, 300)}`)
}
