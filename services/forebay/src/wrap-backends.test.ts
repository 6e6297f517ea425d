import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createMemoryBackend } from '@forebay/backend-memory/memory-backend'
import { MemoryStore } from '@forebay/backend-memory/memory-store'
import { systemClock } from '@forebay/base/clock'
import { loadSettings } from '@forebay/config/load'
import { createLogger } from '@forebay/observe/logger'
import { Metrics } from '@forebay/observe/metrics'
import { openTracing } from '@forebay/observe/tracing'
import { expect, onTestFinished, test } from 'vitest'
import { AccountBooks } from './account-books.ts'
import { wrapBackends } from './wrap-backends.ts'

const { signal } = new AbortController()

/** A collector, and all that it was sent. */
async function openCollector() {
  const received: string[] = []
  const server = createServer(async (request, response) => {
    received.push((await request.toArray()).join(''))
    response.end('{}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('the server has no port')
  return { received, endpoint: `http://127.0.0.1:${address.port}` }
}

async function openWrapped(endpoint: string) {
  const dataDir = await mkdtemp(join(tmpdir(), 'forebay-wrap-'))
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }))
  const { settings } = await loadSettings({
    flags: { data: dataDir },
    environment: { variables: {}, home: '/home/user' },
    readFile: async () => undefined,
  })
  const logger = createLogger({ level: 'silent' })
  const clock = systemClock
  const tracing = await openTracing({
    endpoint,
    sampleRatio: 1,
    serviceName: 'test',
    version: '1',
    nodeId: 'node-1',
    logger,
  })
  const books = await AccountBooks.open({ settings, clock, logger, buckets: () => [] })
  onTestFinished(() => books.close())
  const metrics = new Metrics({ version: '1' })
  return { tracing, wrapped: wrapBackends({ settings, metrics, logger, clock, books, tracing }) }
}

test('a request that is repeated is one span, which says how often', async () => {
  const { received, endpoint } = await openCollector()
  const { tracing, wrapped } = await openWrapped(endpoint)
  const store = new MemoryStore()
  store.createBucket('b')
  store.put('b', 'k', 'bytes')
  const code = 'backend-unreachable'
  store.addFault({ action: { kind: 'refuse', code }, on: ['head'], times: 2 })
  const backend = wrapped.wrap(createMemoryBackend(store, 'b'), { provider: 'aws', bucket: 'b' })
  await new Promise<void>((resolve, reject) => {
    tracing?.serve({ method: 'HEAD', traceparent: undefined }, () => {
      backend.head({ key: 'k', signal }).then(() => resolve(), reject)
    })
  })
  await tracing?.close()
  const [span, ...more] = received.flatMap(
    (text) => JSON.parse(text).resourceSpans[0].scopeSpans[0].spans,
  )
  expect(more).toEqual([])
  expect(span.name).toBe('origin head')
  expect(span.attributes).toContainEqual({ key: 'forebay.retries', value: { intValue: 2 } })
  expect(span.attributes).toContainEqual({ key: 'forebay.outcome', value: { stringValue: 'ok' } })
})
