import { systemClock } from '@forebay/base/clock'
import { describe, expect, test } from 'vitest'
import { type Authorizer, openAuthorizer } from './authorize.ts'
import type { TokenSource } from './azure-options.ts'

const PARTS = { method: 'GET', target: '/box/k?comp=list', headers: {} }
const CALL = { what: 'GET az://box/k', signal: new AbortController().signal }
const HOUR_MS = 3_600_000

function bearer(
  getToken: TokenSource['getToken'],
  options: { readonly origin?: string; now?(): number } = {},
): Authorizer {
  const { origin = 'https://acc.blob.core.windows.net', now = () => 0 } = options
  const credentials = { kind: 'bearer', source: { getToken } } as const
  const address = { account: 'acc', origin, basePath: '', credentials }
  return openAuthorizer(address, { ...systemClock, now })
}

describe('an access token', () => {
  test('is asked for once, for storage, however many requests need it', async () => {
    const scopes: string[] = []
    const authorizer = bearer(async (scope) => {
      scopes.push(scope)
      return { token: 't', expiresOnTimestamp: HOUR_MS }
    })
    const all = await Promise.all([1, 2, 3].map(() => authorizer.authorize(PARTS, CALL)))
    for (const { headers, target } of all) {
      expect(headers).toEqual({ authorization: 'Bearer t' })
      expect(target).toBe(PARTS.target)
    }
    expect(scopes).toEqual(['https://storage.azure.com/.default'])
  })

  test('is replaced five minutes before its end', async () => {
    let nowMs = 0
    let asked = 0
    const authorizer = bearer(
      async () => {
        asked += 1
        return { token: `t${asked}`, expiresOnTimestamp: nowMs + HOUR_MS }
      },
      { now: () => nowMs },
    )
    await authorizer.authorize(PARTS, CALL)
    nowMs = HOUR_MS - 5 * 60_000 - 1
    expect((await authorizer.authorize(PARTS, CALL)).headers['authorization']).toBe('Bearer t1')
    nowMs += 1
    expect((await authorizer.authorize(PARTS, CALL)).headers['authorization']).toBe('Bearer t2')
  })

  test.each([
    ['is refused', () => Promise.reject(new Error('client_secret=hidden'))],
    ['is not given', () => Promise.resolve(null)],
  ])('that %s denies the request, tells no secret, and is asked for again', async (_, fail) => {
    let getToken: TokenSource['getToken'] = fail
    const authorizer = bearer((scope) => getToken(scope))
    const error: unknown = await authorizer.authorize(PARTS, CALL).catch((e: unknown) => e)
    expect(error).toMatchObject({ code: 'backend-denied' })
    expect(String(error)).not.toContain('hidden')
    getToken = async () => ({ token: 't', expiresOnTimestamp: HOUR_MS })
    const { headers } = await authorizer.authorize(PARTS, CALL)
    expect(headers).toEqual({ authorization: 'Bearer t' })
  })

  test('that does not come holds no request that is aborted, and spoils it for no other', async () => {
    const answer = Promise.withResolvers<{ token: string; expiresOnTimestamp: number }>()
    const authorizer = bearer(() => answer.promise)
    const controller = new AbortController()
    const reason = new Error('the client is gone')
    const call = { ...CALL, signal: controller.signal }
    const leaves = authorizer.authorize(PARTS, call).catch((error: unknown) => error)
    const stays = authorizer.authorize(PARTS, CALL)
    controller.abort(reason)
    expect(await leaves).toBe(reason)
    answer.resolve({ token: 't', expiresOnTimestamp: HOUR_MS })
    expect((await stays).headers).toEqual({ authorization: 'Bearer t' })
  })

  test('never goes over a network in the clear', async () => {
    const token = async () => ({ token: 't', expiresOnTimestamp: HOUR_MS })
    const open = bearer(token, { origin: 'http://storage.example' })
    await expect(open.authorize(PARTS, CALL)).rejects.toMatchObject({ code: 'backend-denied' })
    const local = bearer(token, { origin: 'http://127.0.0.1:10000' })
    await expect(local.authorize(PARTS, CALL)).resolves.toBeDefined()
  })
})

test.each([
  ['/box/k', '/box/k?sv=1&sig=s'],
  ['/box?comp=list', '/box?comp=list&sv=1&sig=s'],
])('a shared access signature is added to %s', async (target, wanted) => {
  const credentials = { kind: 'sas', token: '?sv=1&sig=s' } as const
  const address = { account: 'acc', origin: 'https://acc', basePath: '', credentials }
  const proof = await openAuthorizer(address, systemClock).authorize({ ...PARTS, target }, CALL)
  expect(proof).toEqual({ target: wanted, headers: {} })
})
