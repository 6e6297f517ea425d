import { mkdir, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import {
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { testBytes } from '@forebay/backend-port/conformance/case'
import { ForebayClient } from '@forebay/client/client'
import type { JobReport } from '@forebay/client/jobs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { childEnvironment, runCommand } from '../testkit/run-command.ts'
import { freePort, type Server, startForebay, temporaryFolder } from '../testkit/servers.ts'
import { ROOT } from '../testkit/tool-install.ts'
import { startNginxIndex, startPythonHttp } from '../testkit/web-servers.ts'

/** Directories of web servers as buckets of a whole node: command line, S3 door, cache. */
const MIB = 1024 ** 2
const LARGE = testBytes(24 * MIB + 5)
const OBJECTS: Readonly<Record<string, Buffer>> = {
  'a b/x&y.bin': testBytes(100_000, 2),
  'a b/é.csv': Buffer.from('1,2\n'),
  empty: Buffer.alloc(0),
  'large.bin': LARGE,
}

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let forebay: Server
let s3: S3Client

beforeAll(async () => {
  folder = await temporaryFolder('http-node')
  // Only addresses that are named: `localhost` and `::1` stay closed.
  forebay = await startForebay({
    dataDir: join(folder.path, 'data'),
    config: {
      backends: { http: { allow: ['127.0.0.1'] } },
      jobs: { download: { allow: ['127.0.0.1'] } },
    },
  })
  s3 = new S3Client({
    endpoint: forebay.url,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: 'any', secretAccessKey: 'any' },
    maxAttempts: 1,
  })
})

afterAll(async () => {
  s3?.destroy()
  await forebay?.stop()
  await folder?.remove()
})

let writtenSeconds = Math.floor(Date.now() / 1000) - 1_000_000

async function put(path: string, bytes: Buffer): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, bytes)
  writtenSeconds += 1
  await utimes(path, writtenSeconds, writtenSeconds)
}

async function addBucket(url: string, name: string): Promise<string> {
  const program = join(ROOT, 'services/cli/bin/forebay.js')
  const args = ['--disable-warning=ExperimentalWarning', program, 'bucket', 'add', url]
  const env = childEnvironment({ FOREBAY_ENDPOINT: forebay.url })
  const output = await runCommand(process.execPath, [...args, '--name', name], { env })
  return output.stdout + output.stderr
}

/** Bytes of the object or of a range of it, and where they came from. */
async function get(
  bucket: string,
  key: string,
  range?: string,
): Promise<{ readonly bytes: Buffer; readonly cache: string | null }> {
  const headers = range === undefined ? {} : { range }
  const path = key.split('/').map(encodeURIComponent).join('/')
  const answer = await fetch(`${forebay.url}/${bucket}/${path}`, { headers })
  const bytes = Buffer.from(await answer.arrayBuffer())
  if (!answer.ok) throw new Error(`GET ${key}: ${answer.status} ${bytes}`)
  return { bytes, cache: answer.headers.get('forebay-cache') }
}

async function ended(client: ForebayClient, id: string): Promise<JobReport> {
  let job = await client.jobs.get(id)
  for await (const report of client.jobs.follow(id)) job = report
  return job
}

const SERVERS = [
  {
    name: 'nginx-html',
    start: async (dir: string) => startNginxIndex({ dir, format: 'html', port: await freePort() }),
  },
  {
    name: 'nginx-json',
    start: async (dir: string) => startNginxIndex({ dir, format: 'json', port: await freePort() }),
  },
  {
    name: 'python',
    start: async (dir: string) => startPythonHttp({ dir, port: await freePort() }),
  },
] as const

describe.each(SERVERS)('a directory of $name', ({ name: bucket, start }) => {
  let origin: Server
  let root: string

  beforeAll(async () => {
    root = join(folder.path, bucket, 'root', 'set')
    for (const [key, bytes] of Object.entries(OBJECTS)) await put(join(root, key), bytes)
    origin = await start(join(folder.path, bucket))
    expect(await addBucket(`${origin.url}/set/`, bucket)).toContain('added')
  })

  afterAll(() => origin?.stop())

  test('lists its objects, and as folders', async () => {
    const all = await s3.send(new ListObjectsV2Command({ Bucket: bucket }))
    expect(all.Contents?.map(({ Key, Size }) => [Key, Size])).toEqual(
      Object.entries(OBJECTS).map(([key, bytes]) => [key, bytes.length]),
    )
    const top = await s3.send(new ListObjectsV2Command({ Bucket: bucket, Delimiter: '/' }))
    expect(top.CommonPrefixes).toEqual([{ Prefix: 'a b/' }])
    expect(top.Contents?.map(({ Key }) => Key)).toEqual(['empty', 'large.bin'])
  })

  test('is read once: what was read comes from the cache', async () => {
    for (const [key, bytes] of Object.entries(OBJECTS)) {
      if (key === 'large.bin') continue
      const first = await get(bucket, key)
      expect(first.bytes.equals(bytes)).toBe(true)
      expect(first.cache).toBe('miss')
      // The last bytes are sent before the object is in the cache.
      await expect.poll(async () => (await get(bucket, key)).cache).toBe('hit')
      expect((await get(bucket, key)).bytes.equals(bytes)).toBe(true)
    }
  })

  test('is read in ranges by many at once, whether the server knows ranges or not', async () => {
    const starts = [23 * MIB, 0, 5 * MIB + 3, 12 * MIB, 20 * MIB]
    await Promise.all(
      starts.map(async (first) => {
        const last = first + 70_000
        const { bytes } = await get(bucket, 'large.bin', `bytes=${first}-${last}`)
        expect(bytes.equals(LARGE.subarray(first, last + 1))).toBe(true)
      }),
    )
    const whole = await get(bucket, 'large.bin')
    expect(whole.bytes.equals(LARGE)).toBe(true)
  })

  test('describes an object to HEAD, list and GET alike', async () => {
    const at = { Bucket: bucket, Key: 'a b/x&y.bin' }
    const head = await s3.send(new HeadObjectCommand(at))
    const found = await s3.send(new GetObjectCommand(at))
    const list = await s3.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: 'a b/x' }))
    const [listed] = list.Contents ?? []
    expect(head.ETag).toMatch(/^"[0-9a-f]+-[0-9a-f]+"$/)
    for (const seen of [found, listed]) {
      expect(seen?.ETag).toBe(head.ETag)
      expect(seen?.LastModified).toEqual(head.LastModified)
    }
  })

  test('is downloaded by a job, and again without a byte', async () => {
    const client = new ForebayClient({ endpoint: forebay.url })
    const copy = { provider: 'ais', name: `${bucket}-copy` } as const
    await client.buckets.create(copy)
    const order = {
      kind: 'download',
      bucket: `ais://${copy.name}`,
      args: { directory: `${origin.url}/set/` },
    }
    const { id } = await client.jobs.start(order)
    const count = Object.keys(OBJECTS).length
    expect(await ended(client, id)).toMatchObject({
      state: 'finished',
      counters: { done: count, failed: 0 },
    })
    for (const [key, bytes] of Object.entries(OBJECTS)) {
      expect((await get(copy.name, key)).bytes.equals(bytes)).toBe(true)
    }
    const again = await client.jobs.start(order)
    expect(await ended(client, again.id)).toMatchObject({
      state: 'finished',
      counters: { done: 0, skipped: count },
    })
  })

  test('is asked again under "always", and what changed is seen', async () => {
    const client = new ForebayClient({ endpoint: forebay.url })
    await client.buckets.set({ provider: 'ais', name: bucket }, { revalidate: 'always' })
    await put(join(root, 'changing'), testBytes(50_000, 3))
    expect((await get(bucket, 'changing')).bytes.equals(testBytes(50_000, 3))).toBe(true)
    // The last bytes are sent before the object is in the cache.
    await expect.poll(async () => (await get(bucket, 'changing')).cache).toBe('revalidated')
    await put(join(root, 'changing'), testBytes(50_000, 4))
    expect((await get(bucket, 'changing')).bytes.equals(testBytes(50_000, 4))).toBe(true)
  })

  test('takes no object: it can be read only', async () => {
    const put = s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'new', Body: 'x' }))
    await expect(put).rejects.toMatchObject({ $metadata: { httpStatusCode: 501 } })
    const head = s3.send(new HeadObjectCommand({ Bucket: bucket, Key: 'new' }))
    await expect(head).rejects.toMatchObject({ $metadata: { httpStatusCode: 404 } })
  })
})

describe('an address that is not allowed', () => {
  test.each([
    'http://[::1]:80/',
    'http://10.0.0.1/',
    'http://169.254.169.254/latest/meta-data/',
    'http://[fd00:ec2::254]/',
    'http://[::ffff:10.0.0.1]/',
    'http://0x0a000001/',
  ])('%s becomes no bucket', async (url) => {
    await expect(addBucket(url, 'inner')).rejects.toThrow(/may not be connected to/)
  })

  test('is still refused when the bucket was added without a check', async () => {
    const client = new ForebayClient({ endpoint: forebay.url })
    const bucket = { provider: 'ais', name: 'unchecked' } as const
    const url = 'http://169.254.169.254/latest/'
    await client.buckets.addDirectory(bucket, { url, unchecked: true })
    await expect(get('unchecked', 'meta-data')).rejects.toThrow(/: 400 .*may not be connected to/s)
  })

  test('is downloaded from by no job', async () => {
    const client = new ForebayClient({ endpoint: forebay.url })
    await client.buckets.create({ provider: 'ais', name: 'refused' })
    const link = 'http://169.254.169.254/latest/meta-data/x'
    const order = { kind: 'download', bucket: 'ais://refused', args: { link } }
    await expect(client.jobs.start(order)).rejects.toThrow(/may not be connected to/)
  })

  test('is also this very node', async () => {
    await expect(addBucket(`${forebay.url}/v1/`, 'self')).rejects.toThrow(/this node itself/)
  })
})
