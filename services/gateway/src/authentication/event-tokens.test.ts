import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { systemClock } from '@forebay/base/clock'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Authenticator } from './authenticator.ts'

const FIRST = 'first-token-of-events'
const SECOND = 'second-token-of-events'
const user = { id: 'u', accessKey: 'access', secretKey: 'secretsecret', buckets: ['*'] }

const authenticator = (mode: 'open' | 'users', eventTokens: readonly string[]): Authenticator =>
  new Authenticator({
    mode,
    users: [{ ...user, policy: 'readwrite' }],
    region: 'us-east-1',
    clock: systemClock,
    eventTokens,
  })

let judge: (message: IncomingMessage) => boolean
const server = createServer((request, response) => {
  let admitted = 'failure'
  try {
    admitted = String(judge(request))
  } catch {
    // Refused before anybody looked for a token.
  }
  response.end(admitted)
})
beforeAll(() => new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve)))
afterAll(() => void server.close())

async function ask(query: string, headers: Record<string, string> = {}): Promise<string> {
  const { port } = server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}/v1/forebay/events${query}`
  return (await fetch(url, { method: 'POST', headers })).text()
}

test('any of the tokens opens the path, in the header or in the query', async () => {
  const some = authenticator('users', [FIRST, SECOND])
  judge = (message) =>
    some.authenticateNative(message).identity.kind === 'nobody' && some.maySendEvents(message)
  expect(await ask('', { authorization: `Bearer ${SECOND}` })).toBe('true')
  expect(await ask(`?token=${FIRST}`)).toBe('true')
  // Pub/Sub can sign its messages with a token of Google's besides.
  expect(await ask(`?token=${FIRST}`, { authorization: 'Bearer eyJ.of.google' })).toBe('true')
  expect(await ask('?token=first-token-of-event')).toBe('false')
  expect(await ask('', { authorization: `Bearer ${FIRST}x` })).toBe('false')
  expect(await ask('')).toBe('false')
})

test('with tokens a caller from this host needs one too', async () => {
  const open = authenticator('open', [FIRST])
  judge = (message) => open.maySendEvents(message)
  expect(await ask('')).toBe('false')
  expect(await ask(`?token=${FIRST}`)).toBe('true')
})

test('without tokens events come from this host in open mode, and from nobody unsigned else', async () => {
  const open = authenticator('open', [])
  judge = (message) => open.maySendEvents(message)
  expect(await ask('')).toBe('true')
  const users = authenticator('users', [])
  judge = (message) => users.maySendEvents(message)
  expect(await ask('')).toBe('false')
})

test('a request that is signed is authenticated as one', async () => {
  const some = authenticator('users', [FIRST])
  judge = (message) => some.authenticateNative(message).identity.kind === 'nobody'
  expect(await ask('', { authorization: 'AWS4-HMAC-SHA256 Credential=x' })).toBe('failure')
  expect(await ask('?X-Amz-Signature=x')).toBe('failure')
})
