import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { FaultNode } from '../faults/fault-node.ts'
import { temporaryFolder } from '../testkit/servers.ts'
import { BUCKET, CountingOrigin, keyAt } from './counting-origin.ts'
import { isOver, JobApi } from './prefetch-run.ts'

/** What a node does by itself, ordered as jobs: one node over all of it. */
const OBJECTS = 40
const OBJECT_BYTES = 64 * 1024
const FROM = `s3://${BUCKET}`

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let origin: CountingOrigin
let node: FaultNode
let api: JobApi
let url: string

beforeAll(async () => {
  folder = await temporaryFolder('own-tasks')
  origin = await CountingOrigin.start({ objects: OBJECTS, objectBytes: OBJECT_BYTES })
  node = new FaultNode({ dataDir: join(folder.path, 'node'), originUrl: origin.url })
  url = (await node.start()).server.url
  api = new JobApi(url)
})

afterAll(async () => {
  await node?.stop()
  await origin?.close()
  await folder?.remove()
})

/** Orders a job and waits for its end. */
async function run(kind: string, order: Readonly<Record<string, unknown>> = {}) {
  const { id } = await api.start({ kind, ...order })
  return api.until(id, isOver)
}

/** A message of AIStore's; the id that is answered. */
async function send(method: string, path: string, message: Readonly<Record<string, unknown>>) {
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(`${url}${path}`, { method, headers, body: JSON.stringify(message) })
  return { status: response.status, text: await response.text() }
}

test('a blob download brings in the one object that is named, in our words and in AIStore’s', async () => {
  const first = await run('blob-download', {
    bucket: FROM,
    args: { key: keyAt(0), connections: 4 },
  })
  expect(first).toMatchObject({ state: 'finished', counters: { done: 1, bytes: OBJECT_BYTES } })
  const { status, text } = await send('POST', `/v1/objects/${BUCKET}?provider=aws`, {
    ...{ action: 'blob-download', name: keyAt(1) },
    value: { 'chunk-size': 0, 'num-workers': 2, 'latest-ver': false },
  })
  expect(status).toBe(200)
  const second = await api.until(text, isOver)
  expect(second).toMatchObject({ state: 'finished', counters: { done: 1 } })
  expect([...origin.reads.keys()].sort()).toEqual([keyAt(0), keyAt(1)])
  const absent = await run('blob-download', { bucket: FROM, args: { key: 'none' } })
  expect(absent).toMatchObject({ state: 'failed' })
})

test('a scrub reads what is cached, a warm-up loads its records, and lru gives it all back', async () => {
  await run('prefetch', { bucket: FROM })
  const readsBefore = origin.readCount
  const warm = await run('warm-up-metadata', { bucket: FROM })
  expect(warm).toMatchObject({ state: 'finished', counters: { done: OBJECTS, failed: 0 } })
  const scrub = await run('scrub', { bucket: FROM, args: { bytesPerSecond: 0 } })
  expect(scrub).toMatchObject({
    state: 'finished',
    result: { objects: OBJECTS, bytes: OBJECTS * OBJECT_BYTES, damaged: 0 },
  })
  const { text } = await send('PUT', '/v1/cluster', { action: 'start', value: { kind: 'lru' } })
  const above = await api.until(text, isOver)
  expect(above).toMatchObject({ state: 'finished', counters: { skipped: 1 } })
  const lru = await run('lru', { args: { toPercent: 0 } })
  expect(lru).toMatchObject({ state: 'finished', counters: { done: 1 } })
  expect(lru.counters.bytes).toBeGreaterThanOrEqual(OBJECTS * OBJECT_BYTES)
  expect(origin.readCount).toBe(readsBefore)
  expect((await run('evict', { bucket: FROM })).counters).toMatchObject({ done: 0 })
})

test('a scrub is paused where it is, and goes on', async () => {
  await run('prefetch', { bucket: FROM })
  const order = { kind: 'scrub', bucket: FROM, args: { bytesPerSecond: OBJECT_BYTES * 10 } }
  const { id } = await api.start(order)
  await api.until(id, ({ state }) => state === 'running')
  await api.post(`/v1/jobs/${id}/pause`)
  await api.until(id, ({ state }) => state === 'paused')
  await api.post(`/v1/jobs/${id}/resume`)
  const done = await api.until(id, isOver)
  expect(done).toMatchObject({ state: 'finished', result: { objects: OBJECTS } })
})

test('a cleanup removes the uploads of a bucket that is gone, after a dry run that does not', async () => {
  await send('POST', '/v1/buckets/short', { action: 'create-bck' })
  const begun = await fetch(`${url}/s3/short/a?uploads`, { method: 'POST' })
  expect(begun.status).toBe(200)
  await send('DELETE', '/v1/buckets/short', { action: 'destroy-bck' })
  const dry = await run('cleanup', { args: { dryRun: true } })
  expect(dry.counters).toMatchObject({ done: 0, failed: 0 })
  expect(dry.counters.skipped).toBeGreaterThanOrEqual(1)
  const { text } = await send('PUT', '/v1/cluster', {
    ...{ action: 'start', value: { kind: 'cleanup-store' } },
  })
  const cleaned = await api.until(text, isOver)
  expect(cleaned.state).toBe('finished')
  expect(cleaned.counters.done).toBeGreaterThanOrEqual(1)
  expect((await run('cleanup', {})).counters).toMatchObject({ done: 0, skipped: 0, failed: 0 })
})
