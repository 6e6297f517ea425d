import { randomUUID } from 'node:crypto'
import { GCS_CAPABILITIES, openGcsAccount } from '@forebay/backend-gcs/gcs-backend'
import { conformanceCases } from '@forebay/backend-port/conformance'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Server, startFakeGcs } from '../testkit/servers.ts'

let server: Server

beforeAll(async () => {
  server = await startFakeGcs()
})

afterAll(() => server?.stop())

/** A request to the store itself, past the adapter. */
async function ask(method: string, path: string, body?: Buffer | string): Promise<Response> {
  const init = { method, ...(body === undefined ? {} : { body }) }
  const response = await fetch(`${server.url}${path}`, init)
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status}`)
  return response
}

async function newBucket(): Promise<string> {
  const name = `b-${randomUUID()}`
  await ask('POST', '/storage/v1/b?project=test', JSON.stringify({ name }))
  return name
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
      const objects = `/storage/v1/b/${bucket}/o`
      return {
        backend: account.bucket(bucket),
        missing: account.bucket(`no-such-${randomUUID()}`),
        bucket,
        put: async (key, bytes) => {
          const query = `uploadType=media&name=${encodeURIComponent(key)}`
          await ask('POST', `/upload${objects}?${query}`, bytes)
        },
        remove: async (key) => {
          await ask('DELETE', `${objects}/${encodeURIComponent(key)}`)
        },
        close: () => account.close(),
      }
    },
  })
  for (const { title, run } of cases) test(title, run)
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
