import { randomUUID } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import {
  createGcsBackend,
  GCS_CAPABILITIES,
  openGcsAccount,
} from '@forebay/backend-gcs/gcs-backend'
import { conformanceCases } from '@forebay/backend-port/conformance'
import {
  bodyOf,
  drain,
  plainWrite,
  readFound,
  testBytes,
} from '@forebay/backend-port/conformance/case'
import { Storage } from '@google-cloud/storage'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Server, startFakeGcs } from '../testkit/servers.ts'
import { brokenConnectionCases } from './broken-connections.ts'

let server: Server

beforeAll(async () => {
  server = await startFakeGcs()
})

afterAll(() => server?.stop())

/** A request to the store itself, past the adapter. */
async function ask(method: string, path: string, body?: Buffer | string): Promise<Response> {
  const init = { method, ...(body === undefined ? {} : { body }) }
  const headers = { 'accept-encoding': 'identity' }
  const response = await fetch(`${server.url}${path}`, { ...init, headers })
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status}`)
  return response
}

async function newBucket(): Promise<string> {
  const name = `b-${randomUUID()}`
  await ask('POST', '/storage/v1/b?project=test', JSON.stringify({ name }))
  return name
}

function put(bucket: string, key: string, bytes: Buffer): Promise<Response> {
  const query = `uploadType=media&name=${encodeURIComponent(key)}`
  return ask('POST', `/upload/storage/v1/b/${bucket}/o?${query}`, bytes)
}

describe('Google Cloud Storage over fake-gcs-server', () => {
  const cases = conformanceCases({
    capabilities: GCS_CAPABILITIES,
    partBytesMin: 0,
    // The store verifies MD5 too, fake-gcs-server does not; nobody there knows SHA-256.
    digestsVerified: ['crc32c'],
    async open() {
      const bucket = await newBucket()
      const account = openGcsAccount({ endpoint: server.url, nodeId: 'node-1' })
      return {
        backend: account.bucket(bucket),
        missing: account.bucket(`no-such-${randomUUID()}`),
        bucket,
        put: async (key, bytes) => {
          await put(bucket, key, bytes)
        },
        remove: async (key) => {
          await ask('DELETE', `/storage/v1/b/${bucket}/o/${encodeURIComponent(key)}`)
        },
        close: () => account.close(),
      }
    },
  })
  for (const { title, run } of cases) test(title, run)
})

describe('Google Cloud Storage behind toxiproxy', () => {
  const cases = brokenConnectionCases({
    writes: true,
    port: () => server.port,
    async open(url) {
      const bucket = await newBucket()
      const backend = createGcsBackend({ endpoint: url, nodeId: 'node-1', bucket })
      return {
        backend,
        put: async (key, bytes) => {
          await put(bucket, key, bytes)
        },
        close: () => backend.close(),
      }
    },
  })
  for (const { title, run } of cases) test(title, run)
})

test('keys with dots between their slashes are their own objects', async () => {
  const bucket = await newBucket()
  const backend = createGcsBackend({ endpoint: server.url, nodeId: 'node-1', bucket })
  const keys = ['b', 'a/../b', './b', 'a/./b', 'a/..']
  for (const key of keys) await backend.mutations?.write(plainWrite(key), bodyOf(Buffer.from(key)))
  for (const key of keys) {
    expect((await drain(await readFound(backend, { key }))).toString()).toBe(key)
  }
  const options = { key: 'a/../b', conditions: {}, signal: new AbortController().signal }
  await backend.mutations?.delete(options)
  expect((await backend.read({ key: 'a/../b', signal: options.signal })).kind).toBe('absent')
  expect((await drain(await readFound(backend, { key: 'b' }))).toString()).toBe('b')
  await backend.close()
})

test('an object stored with gzip is served as it is stored, whole and in ranges', async () => {
  const bucket = await newBucket()
  const stored = gzipSync(Buffer.from('a line of text\n'.repeat(1000)))
  const query = 'uploadType=media&name=k&contentEncoding=gzip'
  await ask('POST', `/upload/storage/v1/b/${bucket}/o?${query}`, stored)
  const plain = await ask('GET', `/storage/v1/b/${bucket}/o/k?alt=media`)
  // The store decodes for whoever does not ask otherwise: that is what must not reach the cache.
  expect((await plain.arrayBuffer()).byteLength).toBe(15_000)
  const backend = createGcsBackend({ endpoint: server.url, nodeId: 'node-1', bucket })
  const whole = await readFound(backend, { key: 'k' })
  expect(whole.attributes.headers.contentEncoding).toBe('gzip')
  expect(whole.attributes.sizeBytes).toBe(stored.length)
  expect((await drain(whole)).equals(stored)).toBe(true)
  const part = await readFound(backend, { key: 'k', range: { offset: 10, lengthBytes: 20 } })
  expect((await drain(part)).equals(stored.subarray(10, 30))).toBe(true)
  const { signal } = new AbortController()
  const head = await backend.head({ key: 'k', signal })
  expect(head).toMatchObject({ attributes: { sizeBytes: stored.length } })
  await backend.close()
})

test("Google's own client and the backend read what the other wrote", async () => {
  const name = await newBucket()
  const client = new Storage({ apiEndpoint: server.url, projectId: 'test' })
  const bucket = client.bucket(name)
  const backend = createGcsBackend({ endpoint: server.url, nodeId: 'node-1', bucket: name })
  const bytes = testBytes(9 * 1024 ** 2 + 5)
  const metadata = { contentType: 'text/csv', metadata: { owner: 'J\u00fcrgen' } }
  await bucket.file('theirs').save(bytes, { resumable: false, metadata })
  const theirs = await readFound(backend, { key: 'theirs' })
  expect(theirs.attributes.headers.contentType).toBe('text/csv')
  const owner = Buffer.from(theirs.attributes.metadata['owner'] ?? '', 'latin1').toString()
  expect(owner).toBe('J\u00fcrgen')
  expect((await drain(theirs)).equals(bytes)).toBe(true)

  const described = {
    headers: { contentType: 'text/csv', cacheControl: 'no-store' },
    metadata: { owner: Buffer.from('J\u00fcrgen').toString('latin1') },
  }
  await backend.mutations?.write({ ...plainWrite('ours'), ...described }, bodyOf(bytes))
  const [ours] = await bucket.file('ours').download({ validation: 'crc32c' })
  expect(ours.equals(bytes)).toBe(true)
  const [seen] = await bucket.file('ours').getMetadata()
  expect(seen).toMatchObject({ ...metadata, cacheControl: 'no-store' })
  await backend.close()
})

test('buckets of the project are found and listed', async () => {
  const bucket = await newBucket()
  const account = openGcsAccount({ endpoint: server.url, nodeId: 'node-1', projectId: 'test' })
  const { signal } = new AbortController()
  expect(await account.lookupBucket(bucket, { signal })).toMatchObject({ name: bucket })
  expect(await account.lookupBucket(`no-${randomUUID()}`, { signal })).toBeUndefined()
  const names = (await account.listBuckets({ signal })).map(({ name }) => name)
  expect(names).toContain(bucket)
  await account.close()
})
