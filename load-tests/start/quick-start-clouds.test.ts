import { createServer, type Server as WebServer } from 'node:http'
import { BlobServiceClient, StorageSharedKeyCredential } from '@azure/storage-blob'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startAzurite, startFakeGcs, temporaryFolder } from '../testkit/servers.ts'
import { BUCKET, follow, KEY } from './follow-guide.ts'

/** The quick start, followed as it stands: other clouds, and a web server. */
const BODY = 'what the store has'
const MISS_THEN_HIT = [expect.stringContaining(', miss'), expect.stringContaining(', hit'), BODY]

let folder: Awaited<ReturnType<typeof temporaryFolder>>

beforeAll(async () => {
  folder = await temporaryFolder('quick-start')
})

afterAll(() => folder.remove())

test('Google Cloud Storage: the same, as a public bucket', async () => {
  const gcs = await startFakeGcs()
  try {
    const ask = async (path: string, body: string): Promise<void> => {
      const response = await fetch(`${gcs.url}${path}`, { method: 'POST', body })
      expect([path, response.ok]).toEqual([path, true])
    }
    await ask('/storage/v1/b?project=test', JSON.stringify({ name: BUCKET }))
    await ask(`/upload/storage/v1/b/${BUCKET}/o?uploadType=media&name=${KEY}`, BODY)
    const { lines, body } = await follow({
      folder: folder.path,
      heading: 'Google Cloud Storage',
      names: {},
      variables: {
        FOREBAY_BACKENDS__GCP__ENDPOINT: gcs.url,
        FOREBAY_BACKENDS__GCP__ANONYMOUS: 'true',
      },
    })
    expect([...lines, body]).toEqual(MISS_THEN_HIT)
  } finally {
    await gcs.stop()
  }
})

test('Azure Blob Storage: the same, with account and key', async () => {
  const account = 'quickstart'
  const key = Buffer.from('the key of the account in the test').toString('base64')
  const azurite = await startAzurite({ account, key })
  try {
    const url = `${azurite.url}/${account}`
    const service = new BlobServiceClient(url, new StorageSharedKeyCredential(account, key))
    await service.createContainer(BUCKET)
    const blob = service.getContainerClient(BUCKET).getBlockBlobClient(KEY)
    await blob.upload(BODY, Buffer.byteLength(BODY))
    const { lines, body } = await follow({
      folder: folder.path,
      heading: 'Azure Blob Storage',
      names: { 'your-account': account, 'your-key': key },
      variables: { FOREBAY_BACKENDS__AZURE__ENDPOINT: azurite.url },
    })
    expect([...lines, body]).toEqual(MISS_THEN_HIT)
  } finally {
    await azurite.stop()
  }
})

test('A web server: the same, with its address', async () => {
  const web = await serveFile(`/sets/${KEY}`)
  const address = web.address()
  if (address === null || typeof address === 'string') throw new Error('the server is closed')
  try {
    const { lines, body } = await follow({
      folder: folder.path,
      heading: 'A web server',
      names: { 'https://data.example.org': `http://127.0.0.1:${address.port}` },
      variables: { FOREBAY_BACKENDS__HTTP__ALLOW: '["127.0.0.1"]' },
    })
    expect([...lines, body]).toEqual(MISS_THEN_HIT)
  } finally {
    web.closeAllConnections()
    await new Promise((resolve) => web.close(resolve))
  }
})

/** A web server with one file and an index page of its directory. */
async function serveFile(path: string): Promise<WebServer> {
  const server = createServer((request, response) => {
    const isFile = request.url === path
    const body = isFile ? BODY : `<html><body><a href="${KEY}">${KEY}</a></body></html>`
    response.writeHead(isFile || request.url?.endsWith('/') === true ? 200 : 404, {
      'Content-Length': Buffer.byteLength(body),
      'Content-Type': isFile ? 'application/octet-stream' : 'text/html',
      'Last-Modified': 'Thu, 01 Jan 2026 00:00:00 GMT',
      ETag: '"strong"',
    })
    response.end(request.method === 'HEAD' ? undefined : body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server
}
