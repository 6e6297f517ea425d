import { createServer } from 'node:http'
import { connect } from 'node:net'
import type { BackendBody } from '@forebay/backend-port/backend'
import { expect, test } from 'vitest'
import { createPassThroughBody } from './pass-through.ts'

const CHUNK = Buffer.alloc(1024 ** 2)
const CHUNKS = 64

/** A body of a backend that is faster than any client. */
const body: BackendBody = {
  lengthBytes: CHUNK.length * CHUNKS,
  pump: async (write) => {
    for (let at = 0; at < CHUNKS; at++) await write(CHUNK)
  },
  discard: () => undefined,
}

test('a body past the cache gives a client that stops reading no longer than the setting says', async () => {
  const sent = Promise.withResolvers<unknown>()
  const server = createServer((_, response) => {
    const terms = { served: () => undefined, stallTimeoutMs: 100 }
    const part = { skipBytes: 0, lengthBytes: CHUNK.length * CHUNKS }
    const passing = createPassThroughBody(body, part, terms)
    passing.sendTo(response).then(sent.resolve, sent.resolve)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no port')
  const client = connect(address.port, '127.0.0.1')
  client.on('error', () => undefined)
  client.pause()
  client.write('GET / HTTP/1.1\r\nHost: h\r\n\r\n')
  // Long before the default of a minute, or the test would run out of time.
  expect(await sent.promise).toBeInstanceOf(Error)
  client.destroy()
  await new Promise((resolve) => server.close(resolve))
})
