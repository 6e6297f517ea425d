import type { Backend } from '@forebay/backend-port/backend'
import { systemClock } from '@forebay/base/clock'
import { answer } from '@forebay/testkit/origin/answers'
import { type ScriptedOrigin, startOrigin } from '@forebay/testkit/origin/scripted-origin'
import { afterEach, expect, test } from 'vitest'
import { createAzureBackend } from './azure-backend.ts'

const KEYS = Array.from({ length: 12 }, (_, index) => `k${index + 10}`)
const { signal } = new AbortController()

let origin: ScriptedOrigin
let backend: Backend

/** A container whose markers tell nothing, as those of Azure. */
async function open(names: readonly string[]): Promise<void> {
  origin = await startOrigin(({ target }) => {
    const query = new URL(target, 'http://origin').searchParams
    const from = Number((query.get('marker') ?? '!0').slice(1))
    const end = from + Number(query.get('maxresults'))
    const blobs = names
      .slice(from, end)
      .map(
        (name) =>
          `<Blob>${name}<Properties><Last-Modified>Sat, 21 Nov 2026 04:00:00 GMT</Last-Modified>` +
          '<Etag>0x8D1</Etag><Content-Length>7</Content-Length><BlobType>BlockBlob</BlobType>' +
          '<AccessTier>Cool</AccessTier></Properties></Blob>',
      )
    const marker = end < names.length ? `!${end}` : ''
    const body =
      '\ufeff<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="x" ContainerName="box">' +
      `<Blobs>${blobs.join('')}</Blobs><NextMarker>${marker}</NextMarker></EnumerationResults>`
    return answer({ status: 200, headers: { 'content-type': 'application/xml' }, body })
  })
  backend = createAzureBackend({
    ...{ bucket: 'box', account: 'acc', endpoint: origin.url, nodeId: 'node-1' },
    clock: systemClock,
    credentials: { kind: 'anonymous' },
  })
}

afterEach(async () => {
  await backend.close()
  await origin.close()
})

const plain = (key: string): string => `<Name>${key}</Name>`

test('a name is listed with what the service says of it', async () => {
  await open([plain('a&amp;b &lt;1&gt;'), '<Name Encoded="true">%EF%BF%BE%01x</Name>'])
  const { objects, nextToken } = await backend.list({ prefix: '', pageMax: 10, signal })
  expect(nextToken).toBeUndefined()
  expect(objects.map(({ key }) => key)).toEqual(['a&b <1>', '\ufffe\u0001x'])
  const lastModifiedMs = Date.UTC(2026, 10, 21, 4)
  const seen = { sizeBytes: 7, etag: '0x8D1', lastModifiedMs, storageClass: 'Cool' }
  expect(objects[0]).toMatchObject(seen)
})

test('a client that goes on after the last name of each page costs one request for each', async () => {
  await open(KEYS.map(plain))
  const found: string[] = []
  for (let pages = 0; pages < 4; pages++) {
    const page = await backend.list({ prefix: '', startAfter: found.at(-1), pageMax: 3, signal })
    found.push(...page.objects.map(({ key }) => key))
  }
  expect(found).toEqual(KEYS)
  expect(origin.requests.length).toBe(4)
})

test('a start after a name that ended no page reads what is before it', async () => {
  await open(KEYS.map(plain))
  const page = await backend.list({ prefix: '', startAfter: 'k17', pageMax: 3, signal })
  // The rest of the page in which the start is; the next begins where it ends.
  expect(page.objects.map(({ key }) => key)).toEqual(['k18'])
  expect(origin.requests.length).toBe(3)
  const rest = await backend.list({
    ...{ prefix: '', pageMax: 3, signal },
    continuationToken: page.nextToken,
  })
  expect(rest.objects.map(({ key }) => key)).toEqual(['k19', 'k20', 'k21'])
})

test('an abort ends a listing that reads what is before its start', async () => {
  await open(KEYS.map(plain))
  const reason = new Error('the client is gone')
  const list = backend.list({
    ...{ prefix: '', startAfter: 'k17', pageMax: 1 },
    signal: AbortSignal.abort(reason),
  })
  await expect(list).rejects.toBe(reason)
  expect(origin.requests.length).toBe(0)
})
