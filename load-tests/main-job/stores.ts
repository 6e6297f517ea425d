import { mkdir, readFile, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { BlobServiceClient, StorageSharedKeyCredential } from '@azure/storage-blob'
import { freePort, type Server, startAzurite, startFakeGcs } from '../testkit/servers.ts'
import { startNginxIndex } from '../testkit/web-servers.ts'
import type { Dataset } from './dataset.ts'

/** A store behind Forebay that is no S3, filled with the data set by its own means. */
export type Store = {
  readonly server: Server
  /** As `forebay bucket add` takes it. */
  readonly url: string
  /** Settings of a node that reaches it. */
  readonly backends: Readonly<Record<string, unknown>>
  /** The bytes of an object as the store itself gives them; undefined when it has none. */
  readonly read: (key: string) => Promise<Buffer | undefined>
}

export async function openGcs(bucket: string, { files }: Dataset): Promise<Store> {
  const server = await startFakeGcs()
  const call = async (path: string, init: RequestInit = {}): Promise<Response> => {
    const answer = await fetch(`${server.url}${path}`, init)
    if (!answer.ok && answer.status !== 404) throw new Error(`${path}: status ${answer.status}`)
    return answer
  }
  const headers = { 'content-type': 'application/json' }
  await call('/storage/v1/b', { method: 'POST', headers, body: JSON.stringify({ name: bucket }) })
  for (const { key, path } of files) {
    const target = `/upload/storage/v1/b/${bucket}/o?uploadType=media&name=${encodeURIComponent(key)}`
    await call(target, { method: 'POST', body: await readFile(path) })
  }
  return {
    server,
    url: `gs://${bucket}`,
    backends: { gcp: { endpoint: server.url, anonymous: true } },
    read: async (key) => {
      const target = `/storage/v1/b/${bucket}/o/${encodeURIComponent(key)}?alt=media`
      const answer = await call(target)
      const bytes = Buffer.from(await answer.arrayBuffer())
      return answer.ok ? bytes : undefined
    },
  }
}

const ACCOUNT = 'training'
const ACCOUNT_KEY = Buffer.from('the key of the account of the main job').toString('base64')

export async function openAzure(container: string, { files }: Dataset): Promise<Store> {
  const server = await startAzurite({ account: ACCOUNT, key: ACCOUNT_KEY })
  const credential = new StorageSharedKeyCredential(ACCOUNT, ACCOUNT_KEY)
  const client = new BlobServiceClient(`${server.url}/${ACCOUNT}`, credential).getContainerClient(
    container,
  )
  await client.create()
  for (const { key, path } of files) {
    await client.getBlockBlobClient(key).uploadData(await readFile(path))
  }
  return {
    server,
    url: `az://${container}`,
    backends: { azure: { endpoint: server.url, account: ACCOUNT, key: ACCOUNT_KEY } },
    read: async (key) => {
      const blob = client.getBlockBlobClient(key)
      return (await blob.exists()) ? blob.downloadToBuffer() : undefined
    },
  }
}

/** A directory of a web server; its objects can only be read. */
export async function openWeb(dir: string, { folder }: Dataset): Promise<Store> {
  await mkdir(dir, { recursive: true })
  const port = await freePort()
  await mkdir(join(dir, 'root'))
  await symlink(folder, join(dir, 'root', 'sets'))
  const server = await startNginxIndex({ dir, port, format: 'html' })
  return {
    server,
    url: `${server.url}/sets/`,
    backends: { http: { allow: ['127.0.0.1'] } },
    read: () => Promise.reject(new Error('nothing is written to a web server')),
  }
}
