import { afterEach, expect, test } from 'vitest'
import { BodyServer, patterned, readAnswers } from '../bodies/testing/body-server.ts'
import { BytesBody } from './bytes-body.ts'

const BYTES = patterned(64 * 1024)

let server: BodyServer
afterEach(() => server.close())

/** A server of the bytes, which a client must take within `stallTimeoutMs`. */
async function serve(stallTimeoutMs: number, options: { readonly tls?: boolean } = {}) {
  const limits = { stallTimeoutMs, stallBytesMin: 16 * 1024 }
  server = await new BodyServer(
    () => new BytesBody(BYTES, { sendfile: 'auto', limits }),
    options,
  ).start()
}

test.each([false, true])('bytes of memory are what a client gets (TLS: %s)', async (tls) => {
  await serve(60_000, { tls })
  for (let time = 0; time < 3; time++) expect(await server.get('/')).toEqual(BYTES)
  expect(await server.get('/', { method: 'HEAD' })).toHaveLength(0)
  expect(await Promise.all(server.outcomes)).toEqual(Array(4).fill('sent'))
})

test('answers to requests sent at once come in their order, each whole', async () => {
  await serve(60_000)
  const client = await server.dial(...Array<string>(20).fill('/'))
  client.resume()
  const answers = await readAnswers(client, 20)
  for (const answer of answers) expect(answer).toEqual(BYTES)
  expect(await Promise.all(server.outcomes)).toEqual(Array(20).fill('sent'))
})

test('a client that takes nothing is let go', async () => {
  await serve(50)
  await server.dial(...Array<string>(400).fill('/'))
  await expect
    .poll(() => server.outcomes.at(-1), { timeout: 10_000 })
    .toMatchObject({ code: 'client-gone' })
})
