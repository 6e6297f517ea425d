import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import type { Backend, CopyOptions, WriteOptions } from '@forebay/backend-port/backend'
import { answer, inTurn } from '@forebay/testkit/origin/answers'
import {
  type OriginScript,
  type OriginStep,
  type ScriptedOrigin,
  startOrigin,
} from '@forebay/testkit/origin/scripted-origin'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { type GcsOptions, objectPath, openConnection } from './connection.ts'
import { createGcsBackend } from './gcs-backend.ts'

const MD5_BASE64 = 'CeHwEdMI/qx7+rqv58RQrg=='
const MD5_HEX = Buffer.from(MD5_BASE64, 'base64').toString('hex')
const UPDATED = '2026-11-21T04:00:00.5Z'
const RESOURCE = { name: 'k', generation: '7', size: '10', md5Hash: MD5_BASE64, updated: UPDATED }
const PLAIN = { key: 'k', headers: {}, metadata: {}, conditions: {}, checksums: [] } as const
const { signal } = new AbortController()

let origin: ScriptedOrigin
let backend: Backend

async function open(script: OriginScript, options: Partial<GcsOptions> = {}): Promise<void> {
  origin = await startOrigin(script)
  const own = { bucket: 'b', endpoint: origin.url, nodeId: 'node-1' }
  backend = createGcsBackend({ ...own, ...options })
}

afterEach(async () => {
  vi.unstubAllEnvs()
  await backend?.close()
  await origin?.close()
})

function json(status: number, document: unknown): readonly OriginStep[] {
  return answer({ status, body: JSON.stringify(document) })
}

function mutations() {
  if (backend.mutations === undefined) throw new Error('no mutations')
  return backend.mutations
}

function write(options: Partial<WriteOptions> = {}) {
  const body = {
    lengthBytes: 10,
    repeatable: true,
    async *chunks() {
      yield Buffer.from('0123456789')
    },
  }
  return mutations().write({ ...PLAIN, signal, ...options }, body)
}

function copy(options: Partial<CopyOptions> = {}) {
  return mutations().copy({
    ...{ ...PLAIN, signal, sourceBucket: 'b2', sourceKey: 'a/b', sourceConditions: {} },
    ...{ replaceMetadata: false, ...options },
  })
}

/** Method and target of every request so far. */
function asked(): readonly string[] {
  return origin.requests.map(
    ({ method, target }) => `${method} ${target.replace(/[?&]fields=[^&]*/, '')}`,
  )
}

const UPLOAD = 'POST /upload/storage/v1/b/b/o?uploadType=multipart'
const LOOKUP = 'GET /storage/v1/b/b/o/k'

describe('a write', () => {
  test('is one request of two parts: what describes the object, and its bytes', async () => {
    await open(() => json(200, RESOURCE))
    const written = await write({
      headers: { contentType: 'text/csv', contentEncoding: 'gzip' },
      metadata: { name: Buffer.from('J\u00fcrgen').toString('latin1') },
      storageClass: 'NEARLINE',
      contentMd5Hex: MD5_HEX,
    })
    expect(asked()).toEqual([UPLOAD])
    const [request] = origin.requests
    const boundary = /^multipart\/related; boundary=([0-9a-f]{48})$/.exec(
      request?.headers['content-type'] ?? '',
    )?.[1]
    const parts = request?.body.toString().split(`--${boundary}`)
    expect(parts?.[0]).toBe('')
    const [, described = ''] = parts?.[1]?.split('\r\n\r\n') ?? []
    expect(JSON.parse(described)).toEqual({
      name: 'k',
      contentType: 'text/csv',
      contentEncoding: 'gzip',
      storageClass: 'NEARLINE',
      metadata: { name: 'J\u00fcrgen' },
      md5Hash: MD5_BASE64,
    })
    expect(parts?.[2]).toBe('\r\nContent-Type: text/csv\r\n\r\n0123456789\r\n')
    expect(parts?.[3]).toBe('--\r\n')
    const dateMs = Date.UTC(2026, 10, 21, 4)
    expect(written).toMatchObject({ etag: MD5_HEX, generation: '7', dateMs })
  })

  test('keeps a media type that could end its line out of the head of its part', async () => {
    await open(() => json(200, RESOURCE))
    await write({ headers: { contentType: 'a\r\nb: c' } })
    expect(origin.requests[0]?.body.toString()).toContain(
      'Content-Type: application/octet-stream\r\n',
    )
    expect(origin.requests[0]?.body.toString()).toContain('"contentType":"a\\r\\nb: c"')
  })

  test.each([
    [{ ifNoneMatch: ['*'] }, [`${UPLOAD}&ifGenerationMatch=0`]],
    [{ ifMatch: ['*'] }, [`${UPLOAD}&ifGenerationNotMatch=0`]],
    [{ ifMatch: [MD5_HEX] }, [LOOKUP, `${UPLOAD}&ifGenerationMatch=7`]],
    [{ ifMatch: ['other', MD5_HEX] }, [LOOKUP, `${UPLOAD}&ifGenerationMatch=7`]],
    [{ ifNoneMatch: ['other'] }, [LOOKUP, `${UPLOAD}&ifGenerationMatch=7`]],
  ])('on condition %j is decided by the store on a generation', async (conditions, wanted) => {
    await open(() => json(200, RESOURCE))
    await write({ conditions })
    expect(asked()).toEqual(wanted)
  })

  test.each([
    [{ ifMatch: ['7-1'] }, 'precondition-failed'],
    [{ ifNoneMatch: ['other', MD5_HEX] }, 'precondition-failed'],
  ])('on condition %j that does not hold sends no bytes', async (conditions, code) => {
    await open(() => json(200, RESOURCE))
    await expect(write({ conditions })).rejects.toMatchObject({ code })
    expect(asked()).toEqual([LOOKUP])
  })

  test('that the store refuses for its condition has failed for it', async () => {
    await open(
      inTurn(
        () => json(200, RESOURCE),
        () => json(412, { error: { code: 412 } }),
      ),
    )
    const refused = write({ conditions: { ifMatch: [MD5_HEX] } })
    await expect(refused).rejects.toMatchObject({ code: 'precondition-failed' })
  })
})

test('a delete on condition names the generation to the store', async () => {
  await open(
    inTurn(
      () => json(200, RESOURCE),
      () => answer({ status: 204 }),
    ),
  )
  await mutations().delete({ key: 'k', conditions: { ifMatch: [MD5_HEX] }, signal })
  expect(asked()).toEqual([LOOKUP, 'DELETE /storage/v1/b/b/o/k?ifGenerationMatch=7'])
})

describe('a copy', () => {
  const REWRITE = 'POST /storage/v1/b/b2/o/a%2Fb/rewriteTo/b/b/o/k'

  test('goes on until it is done, under the same conditions', async () => {
    await open(
      inTurn(
        () => json(200, { done: false, rewriteToken: 't1' }),
        () => json(200, { done: true, resource: RESOURCE }),
      ),
    )
    const copied = await copy({
      conditions: { ifNoneMatch: ['*'] },
      sourcePin: { kind: 'generation', generation: '5' },
    })
    const conditions = '?ifGenerationMatch=0&ifSourceGenerationMatch=5'
    expect(asked()).toEqual([`${REWRITE}${conditions}`, `${REWRITE}${conditions}&rewriteToken=t1`])
    expect(copied).toMatchObject({ etag: MD5_HEX, lastModifiedMs: Date.UTC(2026, 10, 21, 4) })
    expect(origin.requests[0]?.body.length).toBe(0)
  })

  test('of a version named by its tag copies that generation', async () => {
    await open(
      inTurn(
        () => json(200, RESOURCE),
        () => json(200, { done: true, resource: RESOURCE }),
      ),
    )
    await copy({ sourceConditions: { ifMatch: [MD5_HEX] } })
    expect(asked()).toEqual([
      'GET /storage/v1/b/b2/o/a%2Fb',
      `${REWRITE}?ifSourceGenerationMatch=7`,
    ])
  })

  test('to another storage class keeps what describes the source', async () => {
    const described = { contentType: 'text/csv', metadata: { owner: 'jane' } }
    await open(
      inTurn(
        () => json(200, { ...described, kind: 'storage#object' }),
        () => json(200, { done: true, resource: RESOURCE }),
      ),
    )
    await copy({ storageClass: 'ARCHIVE' })
    const sent: unknown = JSON.parse(origin.requests[1]?.body.toString() ?? '')
    expect(sent).toEqual({ ...described, storageClass: 'ARCHIVE' })
  })
})

test('an object without MD5 has one tag, "<generation>-1", in read, HEAD, list and write', async () => {
  const composite = { ...RESOURCE, md5Hash: undefined, crc32c: 'ChK45Q==' }
  const headers = { 'x-goog-generation': '7', 'x-goog-hash': 'crc32c=ChK45Q==' }
  await open(({ method, target }) => {
    if (method === 'POST') return json(200, { ...composite, crc32c: undefined })
    if (target.startsWith('/storage/')) return json(200, { items: [composite] })
    return answer({ status: 200, headers, body: method === 'HEAD' ? '' : '0123456789' })
  })
  const read = await backend.read({ key: 'k', signal })
  const head = await backend.head({ key: 'k', signal })
  if (read.kind !== 'found' || head.kind !== 'found') throw new Error('absent')
  read.body.discard()
  const [listed] = (await backend.list({ prefix: '', pageMax: 1, signal })).objects
  const written = await write()
  for (const seen of [read.attributes, head.attributes, listed, written]) {
    expect(seen?.etag).toBe('7-1')
  }
  expect(read.attributes.checksums).toEqual([
    { algorithm: 'crc32c', kind: 'whole', hex: '0a12b8e5' },
  ])
})

describe('a listing', () => {
  test('follows pages without a name and ends with the last', async () => {
    await open(
      inTurn(
        () => json(200, { nextPageToken: 't1' }),
        () => json(200, { items: [RESOURCE] }),
      ),
    )
    const page = await backend.list({ prefix: 'a/', delimiter: '/', pageMax: 5, signal })
    expect(page).toMatchObject({ objects: [{ key: 'k' }], nextToken: undefined })
    const query = 'prefix=a%2F&delimiter=%2F&maxResults=6'
    expect(asked()).toEqual([
      `GET /storage/v1/b/b/o?${query}`,
      `GET /storage/v1/b/b/o?${query}&pageToken=t1`,
    ])
  })

  test('has no more names than were asked for, whatever the store sends, and no double', async () => {
    const items = ['a', 'b', 'c'].map((name) => ({ ...RESOURCE, name }))
    await open(() => json(200, { items, prefixes: ['a/', 'b/'] }))
    const names: string[] = []
    let continuationToken: string | undefined
    do {
      const page = await backend.list({ prefix: '', pageMax: 2, continuationToken, signal })
      const found = [...page.objects.map(({ key }) => key), ...page.commonPrefixes]
      expect(found.length).toBeLessThanOrEqual(2)
      names.push(...found)
      continuationToken = page.nextToken
    } while (continuationToken !== undefined)
    expect(names.sort()).toEqual(['a', 'a/', 'b', 'b/', 'c'])
  })
})

describe('a bucket that may not be asked for', () => {
  test('is there when its names may be listed', async () => {
    await open(({ target }) => json(target.includes('/o?') ? 200 : 403, {}))
    expect(await backend.headBucket({ signal })).toMatchObject({ name: 'b' })
  })

  test('is denied when they may not either', async () => {
    await open(() => json(403, {}))
    await expect(backend.headBucket({ signal })).rejects.toMatchObject({ code: 'backend-denied' })
  })

  test('is absent when the store says so of its names', async () => {
    await open(({ target }) => json(target.includes('/o?') ? 404 : 403, {}))
    expect(await backend.headBucket({ signal })).toBeUndefined()
  })
})

describe('credentials', () => {
  const empty: OriginScript = () => json(200, {})
  const list = () => backend.list({ prefix: '', pageMax: 1, signal })

  test('go with every request, beside the node and who pays', async () => {
    await open(empty, { credentials: () => Promise.resolve('t0ken'), userProject: 'payer' })
    await list()
    await backend.head({ key: 'k', signal }).catch(() => undefined)
    for (const { headers } of origin.requests) {
      expect(headers).toMatchObject({
        authorization: 'Bearer t0ken',
        'forebay-via': 'node-1',
        'x-goog-user-project': 'payer',
      })
    }
    expect(origin.requests.map(({ headers }) => headers['accept-encoding'])).toEqual([
      'identity',
      'gzip',
    ])
  })

  test('do not go to an endpoint that a user named, unless it is Google', async () => {
    const credentials = () => Promise.resolve('t0ken')
    await open(empty, { credentials, foreignEndpoint: true })
    await list()
    expect(origin.requests[0]?.headers['authorization']).toBeUndefined()
    for (const [endpoint, authorization] of [
      ['https://storage.europe-west3.rep.googleapis.com', 'Bearer t0ken'],
      ['http://storage.googleapis.com', undefined],
      ['https://notgoogleapis.com', undefined],
      ['https://googleapis.com.example.org', undefined],
    ] as const) {
      const named = { nodeId: 'node-1', endpoint, credentials, foreignEndpoint: true }
      const { tokens, agent } = openConnection(named)
      expect([endpoint, await tokens.authorization('', signal)]).toEqual([endpoint, authorization])
      await agent.destroy()
    }
  })

  test('are none at an endpoint without TLS unless they are stated', async () => {
    vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', '/nonexistent/key.json')
    await open(empty)
    await list()
    expect(origin.requests[0]?.headers['authorization']).toBeUndefined()
  })

  test.each([
    ['refused', Object.assign(new Error('invalid_grant'), { status: 400 }), 'backend-denied'],
    ['not found', new Error('Could not load the default credentials'), 'backend-denied'],
    [
      'out of reach',
      Object.assign(new Error('no'), { code: 'ECONNREFUSED' }),
      'backend-unreachable',
    ],
    ['in trouble', Object.assign(new Error('no'), { status: 503 }), 'backend-unreachable'],
  ])('that are %s: nothing is sent', async (_, error, code) => {
    await open(empty, { credentials: () => Promise.reject(error) })
    await expect(write()).rejects.toMatchObject({ code, facts: { notSent: true } })
    // The error of the search may hold the request for the token.
    await expect(write()).rejects.not.toHaveProperty('cause')
    expect(origin.requests).toEqual([])
  })

  test.each([
    ['is not there', undefined],
    ['is no JSON', '-----BEGIN PRIVATE KEY-----\ns3cret'],
    ['names a program to run', '{"type":"external_account","s3cret":1}'],
    ['has no key', '{"type":"service_account","client_email":"s3cret"}'],
    ['has a broken key', '{"type":"service_account","client_email":"e","private_key":"s3cret"}'],
  ])('of a key file that %s are denied, and none of it is told', async (_, text) => {
    const folder = await mkdtemp(join(tmpdir(), 'forebay-gcs-'))
    const keyFile = join(folder, 'key.json')
    if (text !== undefined) await writeFile(keyFile, text)
    await open(empty, { credentials: { keyFile } })
    const error: unknown = await list().catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'backend-denied' })
    expect(inspect(error)).not.toContain('s3cret')
    await rm(folder, { recursive: true })
  })

  test('that take long: an abort ends the wait for them', async () => {
    await open(empty, { credentials: () => new Promise(() => undefined) })
    const controller = new AbortController()
    const reason = new Error('nobody wants it')
    const waiting = backend.list({ prefix: '', pageMax: 1, signal: controller.signal })
    controller.abort(reason)
    await expect(waiting).rejects.toBe(reason)
  })
})

test.each([
  ['a/b c', '/b/a/b%20c'],
  ['a//b', '/b/a//b'],
  ['a..b/.c', '/b/a..b/.c'],
  ['a/../b', '/b/a%2F..%2Fb'],
  ['./a', '/b/.%2Fa'],
  ['a/..', '/b/a%2F..'],
])('the key "%s" is asked for at %s', (key, path) => {
  expect(objectPath('b', key)).toBe(path)
})

test('a version by its id is none: the current one never passes for it', async () => {
  const here = { 'x-goog-generation': '7', 'content-length': '3' }
  await open(() => answer({ status: 200, headers: here, body: '' }))
  const named = backend.head({ key: 'k', versionId: '6', signal })
  await expect(named).rejects.toMatchObject({ code: 'version-not-found' })
  expect(origin.requests).toEqual([])
  expect(await backend.head({ key: 'k', versionId: 'null', signal })).toMatchObject({
    kind: 'found',
  })
})

test('STORAGE_EMULATOR_HOST sends nobody elsewhere', async () => {
  vi.stubEnv('STORAGE_EMULATOR_HOST', 'http://127.0.0.1:9')
  const connection = openConnection({ nodeId: 'node-1' })
  expect(connection.origin).toBe('https://storage.googleapis.com')
  await connection.agent.destroy()
})
