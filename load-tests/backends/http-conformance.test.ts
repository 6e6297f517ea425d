import { randomUUID } from 'node:crypto'
import { mkdir, rm, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import {
  createHttpBackend,
  HTTP_CAPABILITIES,
  openHttpAccount,
} from '@forebay/backend-http/http-backend'
import { conformanceCases } from '@forebay/backend-port/conformance'
import { type ConformanceHarness, drain, readFound } from '@forebay/backend-port/conformance/case'
import { systemClock } from '@forebay/base/clock'
import { PART_BYTES_MIN } from '@forebay/base/limits'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { writeApacheIndex } from '../testkit/apache-index.ts'
import { freePort, type Server, temporaryFolder } from '../testkit/servers.ts'
import { startNginxIndex, startPythonHttp, type WebServerOptions } from '../testkit/web-servers.ts'
import { brokenConnectionCases } from './broken-connections.ts'

const OPTIONS = { allow: 'any', nodeId: 'node-1', clock: systemClock } as const
const { signal } = new AbortController()

let folder: Awaited<ReturnType<typeof temporaryFolder>>

beforeAll(async () => {
  folder = await temporaryFolder('http-conformance')
})

afterAll(() => folder?.remove())

/** Seconds are all that a date of HTTP tells: every write gets one of its own, long over. */
let writtenSeconds = Math.floor(Date.now() / 1000) - 1_000_000

async function putFile(path: string, bytes: Buffer): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, bytes)
  writtenSeconds += 1
  await utimes(path, writtenSeconds, writtenSeconds)
}

interface WebServer {
  readonly name: string
  /** True where the index pages are files, to be written after each change. */
  readonly indexFiles: boolean
  start(options: WebServerOptions): Promise<Server>
}

const SERVERS: readonly WebServer[] = [
  {
    name: 'nginx with an index in HTML',
    indexFiles: false,
    start: (options) => startNginxIndex({ ...options, format: 'html' }),
  },
  {
    name: 'nginx with an index in JSON',
    indexFiles: false,
    start: (options) => startNginxIndex({ ...options, format: 'json' }),
  },
  {
    name: 'nginx with index pages like those of Apache',
    indexFiles: true,
    start: (options) => startNginxIndex({ ...options, format: 'none' }),
  },
  {
    name: "Python's http.server",
    indexFiles: false,
    start: startPythonHttp,
  },
]

interface Bucket {
  readonly name: string
  put(key: string, bytes: Buffer): Promise<void>
  remove(key: string): Promise<void>
}

/** An empty directory that the server shows. */
async function newBucket(root: string, web: WebServer): Promise<Bucket> {
  const name = `b-${randomUUID()}`
  const folderPath = join(root, name)
  const show = async (): Promise<void> => {
    if (web.indexFiles) await writeApacheIndex(folderPath, `/${name}/`)
  }
  await mkdir(folderPath)
  await show()
  return {
    name,
    put: async (key, bytes) => {
      await putFile(join(folderPath, key), bytes)
      await show()
    },
    remove: async (key) => {
      await rm(join(folderPath, key))
      await show()
    },
  }
}

describe.each(SERVERS)('http over $name', (web) => {
  let server: Server
  let root: string

  beforeAll(async () => {
    const dir = join(folder.path, randomUUID())
    root = join(dir, 'root')
    server = await web.start({ dir, port: await freePort() })
  })

  afterAll(() => server?.stop())

  const harness: ConformanceHarness = {
    capabilities: HTTP_CAPABILITIES,
    partBytesMin: PART_BYTES_MIN,
    // A file system has no name for an empty path component; a directory is no object.
    keysRefused: ['a//b', 'dir/'],
    absentBucketReadsAbsent: true,
    async open() {
      const { name, put, remove } = await newBucket(root, web)
      const account = openHttpAccount(OPTIONS)
      return {
        backend: account.bucket(`${server.url}/${name}/`),
        missing: account.bucket(`${server.url}/no-such-${randomUUID()}/`),
        bucket: name,
        put,
        remove,
        close: () => account.close(),
      }
    },
  }
  for (const { title, run } of conformanceCases(harness)) test(title, run)

  describe('behind toxiproxy', () => {
    const cases = brokenConnectionCases({
      writes: false,
      port: () => server.port,
      async open(url) {
        const { name, put } = await newBucket(root, web)
        const backend = createHttpBackend({ ...OPTIONS, url: `${url}/${name}/` })
        return { backend, put, close: () => backend.close() }
      },
    })
    for (const { title, run } of cases) test(title, run)
  })

  test('a directory is no object, with its slash and without', async () => {
    const { name, put } = await newBucket(root, web)
    await put('sub/k', Buffer.from('x'))
    const backend = createHttpBackend({ ...OPTIONS, url: `${server.url}/${name}/` })
    for (const key of ['sub', 'sub/']) {
      expect(await backend.read({ key, signal })).toEqual({ kind: 'absent' })
      expect(await backend.head({ key, signal })).toEqual({ kind: 'absent' })
    }
    await backend.close()
  })

  test('one object is a source of its own', async () => {
    const { name, put } = await newBucket(root, web)
    await put('a b.csv', Buffer.from('1,2\n'))
    const url = `${server.url}/${name}/a%20b.csv`
    const account = openHttpAccount(OPTIONS)
    expect(await account.lookupBucket(url, { signal })).toMatchObject({ name: url })
    const absent = `${server.url}/${name}/absent.csv`
    expect(await account.lookupBucket(absent, { signal })).toBeUndefined()
    const page = await account.bucket(url).list({ prefix: '', pageMax: 10, signal })
    expect(page.objects).toMatchObject([{ key: 'a b.csv', sizeBytes: 4 }])
    const found = await readFound(account.bucket(url), { key: 'a b.csv' })
    expect(String(await drain(found))).toBe('1,2\n')
    await account.close()
  })
})

test('a directory without an index page is read and not listed', async () => {
  const dir = join(folder.path, randomUUID())
  const server = await startNginxIndex({ dir, format: 'none', port: await freePort() })
  await putFile(join(dir, 'root', 'data', 'k'), Buffer.from('bytes'))
  const backend = createHttpBackend({ ...OPTIONS, url: `${server.url}/data/` })
  expect(await backend.headBucket({ signal })).toBeDefined()
  expect(String(await drain(await readFound(backend, { key: 'k' })))).toBe('bytes')
  const list = backend.list({ prefix: '', pageMax: 10, signal })
  await expect(list).rejects.toMatchObject({ code: 'backend-denied' })
  await backend.close()
  await server.stop()
})
