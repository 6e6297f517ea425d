import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { ForebayClient } from '@forebay/client/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readMetric } from '../testkit/metrics.ts'
import {
  freePort,
  type Server,
  startForebay,
  startVersitygw,
  temporaryFolder,
} from '../testkit/servers.ts'

/** A store that sends events of its own to a whole node, and a node whose money runs out. */
const BUCKET = 'corpus'
const TOKEN = 'a-token-for-events'
const KEYS = { accessKey: 'root', secretKey: 'secretsecret' }
const CREDENTIALS = { AWS_ACCESS_KEY_ID: KEYS.accessKey, AWS_SECRET_ACCESS_KEY: KEYS.secretKey }

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let store: Server
let forebay: Server
let atStore: S3Client
let here: S3Client

const clientOf = (endpoint: string): S3Client =>
  new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: KEYS.accessKey, secretAccessKey: KEYS.secretKey },
    maxAttempts: 1,
  })

beforeAll(async () => {
  folder = await temporaryFolder('events-node')
  const port = await freePort()
  const endpoint = `http://127.0.0.1:${port}`
  forebay = await startForebay({
    dataDir: join(folder.path, 'data'),
    config: { backends: { aws: { endpoint } }, events: { tokens: [TOKEN] } },
    env: CREDENTIALS,
  })
  store = await startVersitygw({
    ...KEYS,
    dir: join(folder.path, 'store'),
    port,
    eventsUrl: `${forebay.url}/v1/forebay/events?token=${TOKEN}`,
  })
  atStore = clientOf(store.url)
  here = clientOf(forebay.url)
  await atStore.send(new CreateBucketCommand({ Bucket: BUCKET }))
  const client = new ForebayClient({ endpoint: forebay.url })
  await client.buckets.addRemote({ provider: 'aws', name: BUCKET })
  await client.buckets.set({ provider: 'aws', name: BUCKET }, { revalidate: 'event' })
})

afterAll(async () => {
  atStore?.destroy()
  here?.destroy()
  await store?.stop()
  await forebay?.stop()
  await folder?.remove()
})

const put = (at: S3Client, key: string, body: string): Promise<unknown> =>
  at.send(new PutObjectCommand({ Bucket: BUCKET, Key: key, Body: body }))

async function get(key: string): Promise<{ readonly text: string; readonly cache: string }> {
  let cache = ''
  const command = new GetObjectCommand({ Bucket: BUCKET, Key: key })
  command.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args)
      const { headers } = Object(result.response)
      cache = headers['forebay-cache']
      return result
    },
    { step: 'deserialize' },
  )
  const answer = await here.send(command)
  return { text: (await answer.Body?.transformToString()) ?? '', cache }
}

const noted = (outcome: string): Promise<number> =>
  readMetric(forebay.url, 'forebay_events_total', { source: 's3', outcome })

/** Runs `act` and waits until an event came to this. */
async function untilNoted(outcome: string, act: () => Promise<unknown>): Promise<void> {
  const before = await noted(outcome)
  await act()
  while ((await noted(outcome)) === before) await sleep(10)
}

test('the store finds that somebody listens', async () => {
  expect(
    await readMetric(forebay.url, 'forebay_event_messages_total', { outcome: 'taken' }),
  ).toBeGreaterThan(0)
})

test.each(['plain.txt', 'dir/a b+c%41ü.txt'])(
  'an object "%s" is served from here until the store tells of another version',
  async (key) => {
    await untilNoted('stale', () => put(atStore, key, 'old'))
    expect(await get(key)).toEqual({ text: 'old', cache: 'miss' })
    expect(await get(key)).toEqual({ text: 'old', cache: 'hit' })
    await untilNoted('stale', () => put(atStore, key, 'newer'))
    expect((await get(key)).text).toBe('newer')
    const remove = new DeleteObjectCommand({ Bucket: BUCKET, Key: key })
    await untilNoted('stale', () => atStore.send(remove))
    await expect(get(key)).rejects.toMatchObject({ name: 'NoSuchKey' })
  },
)

test('an event of a write that came from here makes nothing stale', async () => {
  await untilNoted('current', () => put(here, 'ours', 'bytes'))
  expect(await get('ours')).toEqual({ text: 'bytes', cache: 'hit' })
})

test('events without the token are refused, and their bucket is not told to anybody', async () => {
  for (const query of ['', '?token=', '?token=a-token-for-event', `?Token=${TOKEN}`]) {
    const answer = await fetch(`${forebay.url}/v1/forebay/events${query}`, {
      method: 'POST',
      body: '{"Records":[]}',
    })
    expect(answer.status).toBe(401)
  }
})

test('a node whose money for today is spent answers what it has, over a restart too', async () => {
  const options = {
    dataDir: join(folder.path, 'poor'),
    config: {
      backends: {
        aws: {
          endpoint: store.url,
          price: { getPerMillion: 1_000_000 },
          budget: { softPerDay: 2, hardPerDay: 12 },
        },
      },
    },
    env: CREDENTIALS,
  }
  for (const key of ['a', 'b']) await put(atStore, key, key)
  let poor = await startForebay(options)
  const ask = (key: string): Promise<Response> => fetch(`${poor.url}/${BUCKET}/${key}`)
  try {
    expect((await ask('a')).status).toBe(200)
    // Each of these asks the store about a name that it has not.
    for (let at = 0; at < 12; at++) await ask(`none-${at}`)
    await poor.stop()
    poor = await startForebay(options)
    const warm = await ask('a')
    expect([warm.status, warm.headers.get('forebay-cache')]).toEqual([200, 'hit'])
    const cold = await ask('b')
    expect(cold.status).toBe(503)
    expect(Number(cold.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await readMetric(poor.url, 'forebay_spent_today_dollars', { backend: 'aws' })).toBe(12)
    const written = await fetch(`${poor.url}/${BUCKET}/w`, { method: 'PUT', body: 'w' })
    expect(written.status).toBe(200)
  } finally {
    await poor.stop()
  }
})
