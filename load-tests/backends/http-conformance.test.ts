import { randomUUID } from 'node:crypto'
import { mkdir, rm, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { HTTP_CAPABILITIES, openHttpAccount } from '@forebay/backend-http/http-backend'
import { conformanceCases } from '@forebay/backend-port/conformance'
import type { ConformanceHarness } from '@forebay/backend-port/conformance/case'
import { systemClock } from '@forebay/base/clock'
import { PART_BYTES_MIN } from '@forebay/base/limits'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { freePort, type Server, temporaryFolder } from '../testkit/servers.ts'
import { startNginxIndex, startPythonHttp } from '../testkit/web-servers.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>

beforeAll(async () => {
  folder = await temporaryFolder('http-conformance')
})

afterAll(() => folder?.remove())

/** Seconds are all that a date of HTTP tells: every write gets one of its own, long over. */
let writtenSeconds = Math.floor(Date.now() / 1000) - 1_000_000

async function put(path: string, bytes: Buffer): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  // The size changes before the date does not: a reader sees one version or the other.
  await writeFile(path, bytes)
  writtenSeconds += 1
  await utimes(path, writtenSeconds, writtenSeconds)
}

interface WebServer {
  readonly name: string
  readonly rangedRead: boolean
  start(dir: string): Promise<Server>
}

const SERVERS: readonly WebServer[] = [
  {
    name: 'nginx with an index in HTML',
    rangedRead: true,
    start: async (dir) => startNginxIndex({ dir, format: 'html', port: await freePort() }),
  },
  {
    name: 'nginx with an index in JSON',
    rangedRead: true,
    start: async (dir) => startNginxIndex({ dir, format: 'json', port: await freePort() }),
  },
  {
    name: "Python's http.server",
    // It answers the whole object to every range.
    rangedRead: false,
    start: async (dir) => startPythonHttp({ dir, port: await freePort() }),
  },
]

describe.each(SERVERS)('http over $name', (web) => {
  let server: Server
  let dir: string

  beforeAll(async () => {
    dir = join(folder.path, randomUUID())
    await mkdir(join(dir, 'root'), { recursive: true })
    server = await web.start(dir)
  })

  afterAll(() => server?.stop())

  const harness: ConformanceHarness = {
    capabilities: { ...HTTP_CAPABILITIES, rangedRead: web.rangedRead },
    partBytesMin: PART_BYTES_MIN,
    // A file system has no name for an empty path component; a directory is no object.
    keysRefused: ['a//b', 'dir/'],
    absentBucketReadsAbsent: true,
    async open() {
      const bucket = `b-${randomUUID()}`
      const path = (key: string): string => join(dir, 'root', bucket, key)
      await mkdir(join(dir, 'root', bucket))
      const account = openHttpAccount({ allow: 'any', nodeId: 'node-1', clock: systemClock })
      return {
        backend: account.bucket(`${server.url}/${bucket}/`),
        missing: account.bucket(`${server.url}/no-such-${randomUUID()}/`),
        bucket,
        put: (key, bytes) => put(path(key), bytes),
        remove: (key) => rm(path(key)),
        close: () => account.close(),
      }
    },
  }
  for (const { title, run } of conformanceCases(harness)) test(title, run)
})
