import { createServer, type IncomingMessage, type ServerResponse, request as send } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { Failure } from '@forebay/base/failure'
import { afterEach, expect, test } from 'vitest'
import type { S3Context } from './context.ts'
import { Exchange } from './exchange.ts'
import { refuse } from './refuse.ts'

const DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'

let close: (() => void) | undefined
afterEach(() => close?.())

/** Serves one request; resolves with its answer once the first byte of it is here. */
async function answerOf(serve: (exchange: Exchange) => Promise<void>): Promise<IncomingMessage> {
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const arrival = { request, response, requestId: 'r1', awaitsContinue: false }
    // The few fields that an answer is made of.
    const parsed = { headers: {}, operation: 'CompleteMultipartUpload' }
    const exchange = new Exchange({} as S3Context, arrival, parsed as unknown as Exchange)
    serve(exchange).catch((error: Failure) =>
      refuse(
        error,
        { requestId: 'r1', hostId: 'h', resource: '/b/k', bucket: 'b', key: 'k' },
        { ...arrival, hasBegun: exchange.hasBegun },
      ),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  close = () => server.close()
  const { port } = server.address() as AddressInfo
  return new Promise((resolve, reject) => {
    send({ port, host: '127.0.0.1', agent: false }, resolve).on('error', reject).end()
  })
}

test('an answer that is ready soon says its length and nothing before its document', async () => {
  const answer = await answerOf(async (exchange) => {
    exchange.sendXml(`${DECLARATION}<Done/>`, [
      'x-amz-version-id',
      await exchange.keepAwake(later('v')),
    ])
  })
  expect(answer.headers).toMatchObject({ 'x-amz-version-id': 'v', 'content-length': '46' })
  expect(await text(answer)).toBe(`${DECLARATION}<Done/>`)
})

test('work that takes long is answered with white space until its document comes', async () => {
  const work = Promise.withResolvers<void>()
  const answer = await answerOf(async (exchange) => {
    await exchange.keepAwake(work.promise, 2)
    exchange.sendXml(`${DECLARATION}<Done/>`)
  })
  // The head is here although the work is not done.
  expect(answer.statusCode).toBe(200)
  work.resolve()
  expect(await text(answer)).toMatch(/^<\?xml version="1.0" encoding="UTF-8"\?>\n *<Done\/>$/)
})

test('work that fails after the answer has begun ends with the error as its document', async () => {
  const work = Promise.withResolvers<void>()
  const answer = await answerOf((exchange) => exchange.keepAwake(work.promise, 2))
  work.reject(new Failure('backend-denied', 'the store refuses'))
  const body = await text(answer)
  expect(answer.statusCode).toBe(200)
  expect(body).toMatch(/^<\?xml version="1.0" encoding="UTF-8"\?>\n *<Error><Code>/)
  expect(body.match(/<\?xml/g)).toHaveLength(1)
})

async function later<T>(value: T): Promise<T> {
  await new Promise((resolve) => setImmediate(resolve))
  return value
}
