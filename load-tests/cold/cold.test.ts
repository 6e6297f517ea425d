import { createHash } from 'node:crypto'
import { join } from 'node:path'
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { Agent, request } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Server, startForebay, startVersitygw, temporaryFolder } from '../testkit/servers.ts'
import { CountingProxy } from './counting-proxy.ts'

const KEYS = { accessKey: 'coldkey', secretKey: 'cold-secret-key' } as const
const BUCKET = 'cold'
const MIB = 1024 ** 2
const READERS = 500

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let origin: Server
let proxy: CountingProxy
let forebay: Server
let direct: S3Client
const agent = new Agent({ connections: READERS, pipelining: 1, headersTimeout: 120_000 })

beforeAll(async () => {
  folder = await temporaryFolder('cold')
  origin = await startVersitygw({ ...KEYS, dir: join(folder.path, 'origin') })
  proxy = await CountingProxy.open(origin.port)
  forebay = await startForebay({
    dataDir: join(folder.path, 'data'),
    args: ['--set', `backends.aws.endpoint=${proxy.url}`],
    env: { AWS_ACCESS_KEY_ID: KEYS.accessKey, AWS_SECRET_ACCESS_KEY: KEYS.secretKey },
  })
  direct = new S3Client({
    endpoint: origin.url,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: KEYS.accessKey, secretAccessKey: KEYS.secretKey },
  })
  await direct.send(new CreateBucketCommand({ Bucket: BUCKET }))
})

afterAll(async () => {
  await agent.close()
  direct?.destroy()
  await forebay?.stop()
  proxy?.close()
  await origin?.stop()
  await folder?.remove()
})

/** Bytes that say at every 64 of them which version they are of. */
function version(name: string, sizeBytes: number): Buffer {
  return Buffer.alloc(sizeBytes, createHash('sha512').update(name).digest())
}

async function get(
  key: string,
  range?: string,
): Promise<{ readonly status: number; readonly bytes: Buffer }> {
  const headers = range === undefined ? {} : { range }
  const answer = await request(`${forebay.url}/${BUCKET}/${key}`, { headers, dispatcher: agent })
  return { status: answer.statusCode, bytes: Buffer.from(await answer.body.arrayBuffer()) }
}

async function write(method: 'PUT' | 'DELETE', key: string, body?: Buffer): Promise<number> {
  const answer = await request(`${forebay.url}/${BUCKET}/${key}`, {
    method,
    body,
    dispatcher: agent,
  })
  await answer.body.dump()
  return answer.statusCode
}

test('500 readers of one absent object read each byte once upstream, without an error', async () => {
  const bytes = version('shared', 4 * MIB)
  await direct.send(new PutObjectCommand({ Bucket: BUCKET, Key: 'shared', Body: bytes }))
  const before = proxy.bytesFromOrigin
  const answers = await Promise.all(
    Array.from({ length: READERS }, async () => {
      const { status, bytes: got } = await get('shared')
      return status === 200 && got.equals(bytes)
    }),
  )
  expect(answers.filter((right) => !right)).toEqual([])
  // Heads of the answers are counted too; the bytes of a second reading would not fit in.
  expect(proxy.bytesFromOrigin - before).toBeLessThan(bytes.length + 256 * 1024)
})

test('ranges of an absent object by many readers read each block once', async () => {
  const bytes = version('ranges', 64 * MIB)
  await direct.send(new PutObjectCommand({ Bucket: BUCKET, Key: 'ranges', Body: bytes }))
  const before = proxy.bytesFromOrigin
  const right = await Promise.all(
    Array.from({ length: 200 }, async (_, reader) => {
      const first = (reader % 50) * MIB + 17
      const { status, bytes: got } = await get('ranges', `bytes=${first}-${first + MIB - 1}`)
      return status === 206 && got.equals(bytes.subarray(first, first + MIB))
    }),
  )
  expect(right.filter((one) => !one)).toEqual([])
  expect(proxy.bytesFromOrigin - before).toBeLessThan(53 * MIB)
})

test('a large object of a slow origin comes by several connections, each byte once', async () => {
  const bytes = version('slow', 48 * MIB)
  await direct.send(new PutObjectCommand({ Bucket: BUCKET, Key: 'slow', Body: bytes }))
  const before = proxy.bytesFromOrigin
  proxy.used.clear()
  // Slow enough that even a machine with much else to do has time for more connections.
  proxy.bytesPerSecond = 5 * MIB
  const answers = await Promise.all(
    Array.from({ length: 6 }, async () => {
      const { status, bytes: got } = await get('slow')
      return status === 200 && got.equals(bytes)
    }),
  )
  proxy.bytesPerSecond = 0
  expect(answers.filter((right) => !right)).toEqual([])
  expect(proxy.used.size).toBeGreaterThan(1)
  // What is under way on the first connection when it is cut may come twice.
  expect(proxy.bytesFromOrigin - before).toBeLessThan(bytes.length + 8 * MIB)
})

test('1 MiB of a large absent object costs at most two blocks of 4 MiB', async () => {
  const bytes = version('huge', 64 * MIB)
  await direct.send(new PutObjectCommand({ Bucket: BUCKET, Key: 'huge', Body: bytes }))
  const before = proxy.bytesFromOrigin
  const first = 30 * MIB + 3 * MIB + 512 * 1024
  const { bytes: got } = await get('huge', `bytes=${first}-${first + MIB - 1}`)
  expect(got.equals(bytes.subarray(first, first + MIB))).toBe(true)
  expect(proxy.bytesFromOrigin - before).toBeLessThan(8 * MIB + 64 * 1024)
})

test('while readers come and go, the read after each acknowledged write or delete returns it', async () => {
  const sizeBytes = 2 * MIB
  const written = new Map<string, Buffer>()
  const add = (name: string): Buffer => {
    const bytes = version(name, sizeBytes)
    written.set(createHash('sha256').update(bytes).digest('hex'), bytes)
    return bytes
  }
  await direct.send(new PutObjectCommand({ Bucket: BUCKET, Key: 'busy', Body: add('first') }))
  let running = true
  const wrong: string[] = []
  const readers = Array.from({ length: 20 }, async () => {
    while (running) {
      const { status, bytes } = await get('busy')
      if (status === 404) continue
      const sum = createHash('sha256').update(bytes).digest('hex')
      if (status !== 200 || !written.has(sum)) wrong.push(`${status}, ${bytes.length} bytes`)
    }
  })
  for (let round = 0; round < 20; round++) {
    const bytes = add(`write ${round}`)
    expect(await write('PUT', 'busy', bytes)).toBe(200)
    expect((await get('busy')).bytes.equals(bytes)).toBe(true)
    expect(await write('DELETE', 'busy')).toBe(204)
    expect((await get('busy')).status).toBe(404)
  }
  running = false
  await Promise.all(readers)
  expect(wrong).toEqual([])
})

test.each([
  { by: 'one connection', sizeBytes: 24 * MIB, count: 8, afterMs: 150 },
  { by: 'several', sizeBytes: 64 * MIB, count: 5, afterMs: 600 },
])(
  'an object that changes at the origin midway never yields bytes of two versions ($by)',
  async ({ sizeBytes, count, afterMs }) => {
    const key = `midway-${sizeBytes}`
    const versions = Array.from({ length: count }, (_, at) => version(`midway ${at}`, sizeBytes))
    await direct.send(new PutObjectCommand({ Bucket: BUCKET, Key: key, Body: versions[0] }))
    proxy.bytesPerSecond = 40 * MIB
    const outcomes: string[] = []
    for (const next of versions.slice(1)) {
      const reading = Promise.allSettled([
        get(key),
        get(key, `bytes=${16 * MIB}-${17 * MIB - 1}`),
        get(key, 'bytes=-1000'),
      ])
      await new Promise((resolve) => setTimeout(resolve, afterMs))
      await direct.send(new PutObjectCommand({ Bucket: BUCKET, Key: key, Body: next }))
      const [whole, range, suffix] = await reading
      for (const [answer, first, last] of [
        [whole, 0, sizeBytes],
        [range, 16 * MIB, 17 * MIB],
        [suffix, sizeBytes - 1000, sizeBytes],
      ] as const) {
        // A broken connection is a proper answer to a change midway; a mixture never is.
        if (answer.status === 'rejected' || answer.value.status >= 500) continue
        const pure = versions.some((one) => answer.value.bytes.equals(one.subarray(first, last)))
        if (!pure)
          outcomes.push(`${answer.value.status}: ${answer.value.bytes.length} bytes of no version`)
      }
      await direct.send(new DeleteObjectCommand({ Bucket: BUCKET, Key: 'other' }))
      await request(`${forebay.url}/v1/objects/${BUCKET}/${key}?provider=aws`, {
        method: 'DELETE',
        body: JSON.stringify({ action: 'evict-listrange', name: `${BUCKET}/${key}` }),
        dispatcher: agent,
      }).then(({ body }) => body.dump())
    }
    proxy.bytesPerSecond = 0
    expect(outcomes).toEqual([])
    const { Body } = await direct.send(new GetObjectCommand({ Bucket: BUCKET, Key: key }))
    const now = Buffer.from((await Body?.transformToByteArray()) ?? [])
    expect((await get(key)).bytes.equals(now)).toBe(true)
  },
)
