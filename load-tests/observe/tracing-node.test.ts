import { join } from 'node:path'
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { ForebayClient } from '@forebay/client/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Server, startForebay, startVersitygw, temporaryFolder } from '../testkit/servers.ts'
import { Collector, type ReceivedSpan } from './collector.ts'

/** A node that traces, in front of a store; it is stopped before the spans are looked at. */
const BUCKET = 'traced'
const KEY = 'a-key-that-is-nobodys-business'
const KEYS = { accessKey: 'root', secretKey: 'secretsecret' }
const CREDENTIALS = { AWS_ACCESS_KEY_ID: KEYS.accessKey, AWS_SECRET_ACCESS_KEY: KEYS.secretKey }
const PARENT = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7' }

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let store: Server
let collector: Collector
/** What the node answered, in the order of the requests. */
const answers: string[] = []

const startNode = (name: string, tracing: Readonly<Record<string, unknown>>): Promise<Server> =>
  startForebay({
    dataDir: join(folder.path, name),
    config: { backends: { aws: { endpoint: store.url } }, tracing },
    env: CREDENTIALS,
  })

async function ask(node: Server, path: string, init: RequestInit = {}): Promise<void> {
  const answer = await fetch(`${node.url}${path}`, init)
  answers.push(`${answer.status} ${await answer.text()}`)
}

beforeAll(async () => {
  folder = await temporaryFolder('tracing')
  collector = await Collector.open()
  store = await startVersitygw({ ...KEYS, dir: join(folder.path, 'store') })
  const direct = new S3Client({
    endpoint: store.url,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: KEYS.accessKey, secretAccessKey: KEYS.secretKey },
  })
  await direct.send(new CreateBucketCommand({ Bucket: BUCKET }))
  await direct.send(new PutObjectCommand({ Bucket: BUCKET, Key: KEY, Body: 'cold' }))
  direct.destroy()
  const node = await startNode('on', { endpoint: collector.url, sampleRatio: 0 })
  const path = `/${BUCKET}/${KEY}`
  const traced = (spanId: string): RequestInit => ({
    headers: { traceparent: `00-${PARENT.traceId}-${spanId}-01` },
  })
  await new ForebayClient({ endpoint: node.url }).buckets.addRemote({
    provider: 'aws',
    name: BUCKET,
  })
  await ask(node, path, traced('000000000000000a'))
  await ask(node, path, traced('000000000000000b'))
  await ask(node, path, { method: 'PUT', body: 'written', ...traced('000000000000000c') })
  const native = `/v1/objects/${BUCKET}/${KEY}?provider=aws`
  await ask(node, native, traced('000000000000000d'))
  await ask(node, path)
  await node.stop()
}, 60_000)

afterAll(async () => {
  await store?.stop()
  collector?.close()
  await folder?.remove()
})

/** The span of a request by the parent that its client named, and what is below it. */
function traceOf(parentSpanId: string): readonly ReceivedSpan[] {
  const below = (id: string): readonly ReceivedSpan[] =>
    collector.spans
      .filter((span) => span.parentSpanId === id)
      .flatMap((span) => [span, ...below(span.spanId)])
  return below(parentSpanId)
}

test('requests are answered as ever while they are traced', () => {
  expect(answers).toEqual(['200 cold', '200 cold', '200 ', '200 written', '200 written'])
})

test('a cold read is a trace from the door through the target to the origin', () => {
  const spans = traceOf('000000000000000a')
  expect(spans.map(({ name }) => name)).toEqual(['GetObject', 'target read', 'origin read'])
  const [door, , origin] = spans
  expect(door?.traceId).toBe(PARENT.traceId)
  expect(door?.attributes).toMatchObject({
    'http.request.method': 'GET',
    'http.response.status_code': '200',
    'http.response.body.size': '4',
    'forebay.bucket': BUCKET,
    'forebay.cache': 'miss',
  })
  expect(origin?.attributes).toMatchObject({
    'forebay.outcome': 'found',
    'forebay.retries': '0',
    'http.response.body.size': '4',
  })
})

test('a warm read is one span', () => {
  const spans = traceOf('000000000000000b')
  expect(spans.map(({ name }) => name)).toEqual(['GetObject'])
  expect(spans[0]?.attributes['forebay.cache']).toBe('hit')
})

test('a write is a trace from the door through the target to the origin', () => {
  const names = traceOf('000000000000000c').map(({ name }) => name)
  expect(names).toEqual(['PutObject', 'target write', 'origin write'])
})

test('the native door has its span too', () => {
  const spans = traceOf('000000000000000d')
  expect(spans.map(({ name }) => name)).toEqual(['v1.get.objects'])
})

test('a request outside of the sample has no spans', () => {
  const parents = new Set(collector.spans.map(({ traceId }) => traceId))
  expect([...parents]).toEqual([PARENT.traceId])
})

test('traces hold no keys of objects and no secrets', () => {
  expect(collector.text).toContain(BUCKET)
  for (const secret of [KEY, KEYS.secretKey]) expect(collector.text).not.toContain(secret)
})

test('a node without an endpoint for traces sends none, whatever clients ask for', async () => {
  const before = collector.spans.length
  const node = await startNode('off', { sampleRatio: 1 })
  await ask(node, '/v1/health', {
    headers: { traceparent: `00-${PARENT.traceId}-${PARENT.spanId}-01` },
  })
  await node.stop()
  expect(answers.at(-1)).toMatch(/^200/)
  expect(collector.spans).toHaveLength(before)
})
