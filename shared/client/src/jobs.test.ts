import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ForebayClient } from './client.ts'
import { serverEvents } from './server-events.ts'

let answer: (request: IncomingMessage, response: ServerResponse) => void
let server: ReturnType<typeof createServer>
let client: ForebayClient
const seen: { readonly line: string; readonly body: string; readonly key: unknown }[] = []

beforeEach(async () => {
  seen.length = 0
  server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    seen.push({
      line: `${request.method} ${request.url}`,
      body: Buffer.concat(chunks).toString(),
      key: request.headers['idempotency-key'],
    })
    answer(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  // Listening on an IP address, a server's address is never a pipe name.
  const { port } = server.address() as AddressInfo
  client = new ForebayClient({ endpoint: `http://127.0.0.1:${port}` })
})

afterEach(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

const VIEW = {
  id: 'j1',
  kind: 'prefetch',
  bucket: 'aws://b',
  args: { prefix: 'p/' },
  description: null,
  state: 'running',
  attempt: 1,
  listing: { items: 10, bytes: 100, pages: 1, complete: true },
  counters: { done: 3, skipped: 1, failed: 1, bytes: 30 },
  rate: { itemsPerSecond: 2.5, bytesPerSecond: 25 },
  remainingSeconds: 2,
  error: null,
  result: null,
}

function answerWith(value: unknown): void {
  answer = (_request, response) => void response.end(JSON.stringify(value))
}

test('an order is sent as it is given, and the job comes back with what is known', async () => {
  answerWith(VIEW)
  const order = { kind: 'prefetch', bucket: 'aws://b', args: { prefix: 'p/' }, priority: 'low' }
  const job = await client.jobs.start(order)
  expect(seen[0]?.line).toBe('POST /v1/jobs')
  expect(JSON.parse(seen[0]?.body ?? '')).toEqual(order)
  expect(job).toMatchObject({ id: 'j1', state: 'running', bucket: 'aws://b', args: order.args })
  expect(job.counters).toEqual(VIEW.counters)
  expect(job.rate).toEqual(VIEW.rate)
  expect([job.description, job.error, job.result]).toEqual([undefined, undefined, undefined])
  expect(job.raw).toEqual(VIEW)
})

test('an order of which nobody knows whether it came is sent again under its key', async () => {
  const order = { kind: 'prefetch', bucket: 'aws://b', args: {} }
  answer = (request, response) => {
    if (seen.length === 1) request.socket.destroy()
    else if (seen.length === 2) {
      response.statusCode = 503
      response.end(JSON.stringify({ code: 'job-engine-unavailable', message: 'away' }))
    } else response.end(JSON.stringify(VIEW))
  }
  expect((await client.jobs.start(order)).id).toBe('j1')
  expect(seen.length).toBe(3)
  expect(seen[0]?.key).toMatch(/^[0-9a-f]{32}$/)
  expect(new Set(seen.map(({ key }) => key)).size).toBe(1)
  await client.jobs.start(order)
  expect(seen[3]?.key).not.toBe(seen[0]?.key)
})

test('an order that is refused is not sent again', async () => {
  answer = (_request, response) => {
    response.statusCode = 429
    response.end(JSON.stringify({ code: 'jobs-too-many', message: 'no', retryable: true }))
  }
  const refusal = client.jobs.start({ kind: 'evict', args: {} }, { key: 'mine' })
  await expect(refusal).rejects.toMatchObject({ code: 'jobs-too-many' })
  expect(seen.map(({ key }) => key)).toEqual(['mine'])
})

test('lists, failures and actions ask for what they are told', async () => {
  answerWith({ jobs: [VIEW], failures: [{ key: 'k', code: 'c', message: 'm' }], next: 'n' })
  expect(await client.jobs.list({ state: 'failed', max: 5 })).toHaveLength(1)
  const page = await client.jobs.failures('j1', { after: 'a', max: 2 })
  expect(page).toEqual({ failures: [{ key: 'k', code: 'c', message: 'm' }], next: 'n' })
  answerWith(VIEW)
  expect((await client.jobs.change('j1', 'retry')).id).toBe('j1')
  await client.jobs.remove('j1')
  expect(seen.map(({ line }) => line)).toEqual([
    'GET /v1/jobs?state=failed&max=5',
    'GET /v1/jobs/j1/failures?after=a&max=2',
    'POST /v1/jobs/j1/retry',
    'DELETE /v1/jobs/j1',
  ])
})

test('what is no id asks for nothing', async () => {
  for (const id of ['', '../buckets/b', 'a/b', 'é', 'x'.repeat(65)]) {
    await expect(client.jobs.get(id)).rejects.toMatchObject({ code: 'id-invalid' })
  }
  expect(seen).toEqual([])
})

test('a kind tells its arguments and which of them must be given', async () => {
  const args = {
    type: 'object',
    required: ['to'],
    properties: { to: { type: 'string', description: 'Where to.' }, keys: { type: 'array' } },
  }
  answerWith([{ name: 'copy', doc: 'Copies.', bucket: 'required', args }])
  const [kind] = await client.jobs.kinds()
  expect(kind?.args.map(({ name, doc, required }) => [name, doc, required])).toEqual([
    ['to', 'Where to.', true],
    ['keys', '', false],
  ])
})

test('a schedule is put with its order and comes back with its next time', async () => {
  const order = { kind: 'prefetch', bucket: 'aws://b', args: {} }
  answerWith({ id: 's', cron: '0 3 * * *', timeZone: 'UTC', order, next: '2026-01-01T03:00:00Z' })
  const schedule = await client.jobs.putSchedule('s', { cron: '0 3 * * *', order })
  expect(seen[0]?.line).toBe('PUT /v1/schedules/s')
  expect(JSON.parse(seen[0]?.body ?? '')).toEqual({ cron: '0 3 * * *', order })
  expect(schedule).toMatchObject({ kind: 'prefetch', bucket: 'aws://b', lastJob: undefined })
})

test('a job is followed event by event until the server says that it ended', async () => {
  answer = (_request, response) => {
    response.write(`: keep-alive\n\nevent: job\ndata: ${JSON.stringify(VIEW)}\n\n`)
    response.write(`event: job\ndata: ${JSON.stringify({ ...VIEW, state: 'finished' })}\n\n`)
    // The connection stays: it is the event that ends it.
    response.write('event: end\ndata: {}\n\n')
  }
  const states: string[] = []
  for await (const { state } of client.jobs.follow('j1')) states.push(state)
  expect(states).toEqual(['running', 'finished'])
})

test('a stream that breaks off is an answer that did not come', async () => {
  answer = (_request, response) => {
    response.write(`event: job\ndata: ${JSON.stringify(VIEW)}\n\n`, () => response.destroy())
  }
  const states: string[] = []
  const following = (async () => {
    for await (const { state } of client.jobs.follow('j1')) states.push(state)
  })()
  await expect(following).rejects.toMatchObject({ code: 'unreachable', retryable: true })
  expect(states).toEqual(['running'])
})

test('events are read whatever their line ends and wherever the bytes are cut', async () => {
  const text =
    ': hi\r\n\r\nevent: a\r\ndata: 1\r\ndata: ü\r\n\r\nevent:b\rdata:3\r\rdata: 4\n\ndata: lost'
  const bytes = new TextEncoder().encode(text)
  for (const size of [1, 2, 3, 7, bytes.length]) {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (let at = 0; at < bytes.length; at += size) {
          controller.enqueue(bytes.slice(at, at + size))
        }
        controller.close()
      },
    })
    const events: unknown[] = []
    for await (const event of serverEvents(body)) events.push(event)
    expect([size, events]).toEqual([
      size,
      [
        { event: 'a', data: '1\nü' },
        { event: 'b', data: '3' },
        { event: 'message', data: '4' },
      ],
    ])
  }
})

test('a stream of all jobs says first that it is open, and tells of those that are removed', async () => {
  answer = (_request, response) => {
    response.write(`event: job\ndata: ${JSON.stringify(VIEW)}\n\n`)
    response.end('event: removed\ndata: {"id":"j2"}\n\n')
  }
  const told: unknown[] = []
  for await (const event of client.jobs.watch()) {
    told.push(event.kind === 'job' ? event.job.id : event)
  }
  expect(told).toEqual([{ kind: 'open' }, 'j1', { kind: 'removed', id: 'j2' }])
})
