import { createServer } from 'node:http'
import { expect, onTestFinished, test, vi } from 'vitest'
import { openTracing, type Tracing } from './tracing.ts'

/** Spans that are sent at once, without waiting for more. */
const BATCH = 512

const ANSWER = {
  requestId: 'R1',
  operation: 'GetObject',
  bucket: 'corpus',
  status: 200,
  errorCode: undefined,
  bytesIn: 0,
  bytesOut: 5,
  cache: 'hit',
} as const

/** A collector that answers with `status`, and what it was sent. */
async function openCollector(status: () => number) {
  const received: { readonly path: string | undefined; readonly text: string }[] = []
  const server = createServer(async (request, response) => {
    const text = (await request.toArray()).join('')
    received.push({ path: request.url, text })
    response.writeHead(status(), { 'Content-Type': 'application/json' })
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

async function open(endpoint: string | undefined) {
  const lines: string[] = []
  const tracing = await openTracing({
    endpoint,
    sampleRatio: 1,
    serviceName: 'cache-of-the-test',
    version: '1.2.3',
    nodeId: 'node-1',
    logger: {
      warn: (_facts: unknown, message?: string) => void lines.push(`warn ${message}`),
      info: (_facts: unknown, message?: string) => void lines.push(`info ${message}`),
    },
  })
  return { tracing, lines }
}

const answer = (tracing: Tracing | undefined): void =>
  tracing?.serve({ method: 'GET', traceparent: undefined }, () => tracing.answered(ANSWER))

test('without an endpoint there are no traces', async () => {
  expect((await open(undefined)).tracing).toBeUndefined()
})

test('what waits is sent to the path of traces when the node stops', async () => {
  const { received, endpoint } = await openCollector(() => 200)
  const { tracing, lines } = await open(endpoint)
  answer(tracing)
  await tracing?.close()
  expect(received.map(({ path }) => path)).toEqual(['/v1/traces'])
  const { resourceSpans } = JSON.parse(received[0]?.text ?? '')
  expect(resourceSpans[0].scopeSpans[0].spans[0].name).toBe('GetObject')
  expect(JSON.stringify(resourceSpans[0].resource)).toContain('cache-of-the-test')
  expect(lines).toEqual([])
})

test('an endpoint with a path is used as it is', async () => {
  const { received, endpoint } = await openCollector(() => 200)
  const { tracing } = await open(`${endpoint}/otlp/traces`)
  answer(tracing)
  await tracing?.close()
  expect(received.map(({ path }) => path)).toEqual(['/otlp/traces'])
})

test('a stop sends several batches', async () => {
  const { received, endpoint } = await openCollector(() => 200)
  const { tracing, lines } = await open(endpoint)
  for (let count = 0; count < 4 * BATCH + 1; count++) answer(tracing)
  await tracing?.close()
  const spans = received.flatMap(
    ({ text }) => JSON.parse(text).resourceSpans[0].scopeSpans[0].spans,
  )
  expect(spans).toHaveLength(4 * BATCH + 1)
  expect(lines).toEqual([])
})

test('the log says once that a collector refuses, and once that it takes traces again', async () => {
  let status = 400
  const { received, endpoint } = await openCollector(() => status)
  const { tracing, lines } = await open(endpoint)
  const sendBatch = async (): Promise<void> => {
    const before = received.length
    for (let count = 0; count < BATCH; count++) answer(tracing)
    await vi.waitFor(() => expect(received).toHaveLength(before + 1))
  }
  await sendBatch()
  await sendBatch()
  await vi.waitFor(() => expect(lines).toEqual(['warn traces cannot be sent: they are dropped']))
  status = 200
  await sendBatch()
  await vi.waitFor(() => expect(lines).toHaveLength(2))
  expect(lines[1]).toBe('info traces are sent again')
  await tracing?.close()
})

test('a collector that cannot be reached holds up neither requests nor the stop for ever', async () => {
  const { tracing, lines } = await open('http://127.0.0.1:9')
  // More than may wait.
  for (let count = 0; count < 5000; count++) answer(tracing)
  await tracing?.close()
  expect(lines.length).toBeLessThanOrEqual(1)
})
