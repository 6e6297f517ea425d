import { createServer, type RequestListener, type Server } from 'node:http'
import { Failure } from '@forebay/base/failure'
import { afterEach, expect, test } from 'vitest'
import { openAgent } from './agent.ts'
import { exchange } from './exchange.ts'

const agent = openAgent({ connectTimeoutMs: 1000 })
const servers: Server[] = []

afterEach(() => {
  for (const server of servers.splice(0)) server.close().closeAllConnections()
})

/** An origin that counts its connections. */
async function listen(
  answer: RequestListener,
): Promise<{ readonly origin: string; readonly connectionCount: () => number }> {
  const server = createServer(answer)
  servers.push(server)
  let connections = 0
  server.on('connection', () => {
    connections += 1
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return { origin: `http://127.0.0.1:${address.port}`, connectionCount: () => connections }
}

function send(origin: string, keepAfterHead: boolean, method: 'HEAD' | 'GET' = 'HEAD') {
  return exchange(agent, {
    ...{ method, origin, target: '/k', headers: {}, keepAfterHead },
    signal: new AbortController().signal,
    classify: (error) => new Failure('backend-unreachable', String(error)),
  })
}

test.each([
  [true, 'share connections where the store is known to send no body'],
  [false, 'have one connection each where it is not'],
])('HEAD requests one after the other (%s) %s', async (keepAfterHead) => {
  const { origin, connectionCount } = await listen((_, response) => {
    response.setHeader('content-length', 3)
    response.end()
  })
  for (let count = 0; count < 10; count++) {
    const { status, body } = await send(origin, keepAfterHead)
    expect(status).toBe(200)
    await body.pump(() => undefined)
  }
  // The pool may open a second one while it has not seen the end of an answer.
  if (keepAfterHead) expect(connectionCount()).toBeLessThanOrEqual(2)
  else expect(connectionCount()).toBe(10)
})

test('a reader that takes chunks faster than they come is not asked to take nothing again and again', async () => {
  const rest = Promise.withResolvers<void>()
  const { origin } = await listen((_, response) => {
    response.setHeader('content-length', 200_000)
    response.write(Buffer.alloc(100_000))
    void rest.promise.then(() => response.end(Buffer.alloc(100_000)))
  })
  const { body } = await send(origin, true, 'GET')
  const lengths: number[] = []
  await body.pump(async ({ length }) => {
    lengths.push(length)
    if (lengths.length > 1000) throw new Error('called without end')
    // By now the reader waits for bytes that the store has not sent.
    if (lengths.reduce((sum, next) => sum + next, 0) === 100_000) setImmediate(rest.resolve)
  })
  expect(lengths.reduce((sum, next) => sum + next, 0)).toBe(200_000)
  expect(lengths).not.toContain(0)
})
