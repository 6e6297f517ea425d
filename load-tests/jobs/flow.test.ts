import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FaultNode, REMOTE } from '../faults/fault-node.ts'
import { type RedisServer, startRedis } from '../testkit/redis-servers.ts'
import { temporaryFolder } from '../testkit/servers.ts'
import { isLeftOut } from '../testkit/tools.ts'
import { isOver, JobApi } from './prefetch-run.ts'

/** Bytes of one object while they come: progress, rates within it, and users who read it meanwhile. */
const MIB = 1024 ** 2
const SIZE = 8 * MIB
const BYTES = Buffer.alloc(SIZE, 'bytes that come one after the other ')

/** What may have been taken in advance, and one body's buffers. */
const AHEAD_BYTES = MIB

let api: JobApi
let nodeUrl: string
let originUrl: string

/** The one object, under any name, whole or in part. */
function serve(request: IncomingMessage, response: ServerResponse): void {
  const headers = {
    'accept-ranges': 'bytes',
    etag: '"0123456789abcdef0123456789abcdef-2"',
    'last-modified': 'Sat, 01 Aug 2026 10:00:00 GMT',
  }
  const isObject = new URL(request.url ?? '/', 'http://origin').pathname.includes('object')
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '')
  const from = Number(range?.[1] ?? 0)
  const end = range?.[2] ? Number(range[2]) + 1 : SIZE
  const part = { 'content-length': isObject ? end - from : 0 }
  if (range === null) response.writeHead(200, { ...headers, ...part })
  else {
    const contentRange = `bytes ${from}-${end - 1}/${SIZE}`
    response.writeHead(206, { ...headers, ...part, 'content-range': contentRange })
  }
  response.end(request.method === 'HEAD' || !isObject ? undefined : BYTES.subarray(from, end))
}

/** Orders a job of one object, and looks at it while its bytes come. */
async function underWay(order: Readonly<Record<string, unknown>>) {
  const { id } = await api.start(order)
  const seen = await api.until(id, ({ counters }) => counters.bytes > 0)
  expect(seen.counters.bytes).toBeLessThan(SIZE)
  expect(seen.counters.done).toBe(0)
  return id
}

async function expectDone(id: string): Promise<Record<string, unknown>> {
  const job = await api.until(id, isOver)
  expect(job.state).toBe('finished')
  expect(job.counters).toEqual({ done: 1, skipped: 0, failed: 0, bytes: SIZE })
  return { ...job }
}

const ENGINES = isLeftOut('valkey')
  ? (['the table of the node'] as const)
  : (['the table of the node', 'BullMQ'] as const)

describe.each(ENGINES)('with %s', (engine) => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>
  let origin: Server
  let redis: RedisServer | undefined
  let node: FaultNode

  beforeAll(async () => {
    folder = await temporaryFolder('flow')
    origin = createServer(serve)
    await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve))
    const address = origin.address()
    originUrl = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
    if (engine === 'BullMQ') redis = await startRedis({ folder: join(folder.path, 'redis') })
    node = new FaultNode({
      ...{ dataDir: join(folder.path, 'node'), originUrl },
      config: { jobs: { download: { allow: ['127.0.0.0/8'] } }, redisUrl: redis?.redisUrl },
    })
    nodeUrl = (await node.start()).server.url
    api = new JobApi(nodeUrl)
  })

  afterAll(async () => {
    await node?.kill()
    await redis?.kill9()
    origin?.closeAllConnections()
    await new Promise((resolve) => origin?.close(resolve))
    await folder?.remove()
  })

  test('a download is held to its rate within one file, and shows its bytes as they come', async () => {
    const bucket = 'ais://files'
    await fetch(`${nodeUrl}/files`, { method: 'PUT' })
    const bytesPerSecond = 4 * MIB
    const args = { link: `${originUrl}/object` }
    const id = await underWay({ kind: 'download', bucket, args, limits: { bytesPerSecond } })
    const { started, ended } = await expectDone(id)
    const seconds = (Date.parse(String(ended)) - Date.parse(String(started))) / 1000
    expect(seconds).toBeGreaterThan((SIZE - AHEAD_BYTES) / bytesPerSecond)
    const stored = await fetch(`${nodeUrl}/files/object`)
    expect(Buffer.from(await stored.arrayBuffer()).equals(BYTES)).toBe(true)
  })

  test('a user who reads what a job holds back gets it at once, and the job is done with it', async () => {
    const order = { kind: 'blob-download', bucket: `aws://${REMOTE}`, args: { key: 'object' } }
    // At this rate the job alone would take over two minutes.
    const id = await underWay({ ...order, limits: { bytesPerSecond: 64 * 1024 } })
    const read = await fetch(`${nodeUrl}/${REMOTE}/object`)
    expect(Buffer.from(await read.arrayBuffer()).equals(BYTES)).toBe(true)
    await expectDone(id)
  })
})
