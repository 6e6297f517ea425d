import { isUndecided } from '@forebay/backend-port/undecided'
import { systemClock } from '@forebay/base/clock'
import { afterEach, describe, expect, test } from 'vitest'
import { classifyThrown } from './classify-error.ts'
import { openConnection } from './connection.ts'

const OPTIONS = { region: 'eu-west-1', nodeId: 'node-1', clock: systemClock } as const
const { signal } = new AbortController()

describe('the endpoint', () => {
  afterEach(() => {
    delete process.env['AWS_ENDPOINT_URL']
    delete process.env['AWS_ENDPOINT_URL_S3']
  })

  test('is never taken from AWS_ENDPOINT_URL, which may point at ourselves', async () => {
    process.env['AWS_ENDPOINT_URL'] = 'http://127.0.0.1:8080'
    process.env['AWS_ENDPOINT_URL_S3'] = 'http://127.0.0.1:8080'
    const { sdk, endpoint, agent } = openConnection(OPTIONS)
    expect(endpoint.host).toBe('s3.eu-west-1.amazonaws.com')
    expect((await sdk.config.endpoint?.())?.hostname).toBe('s3.eu-west-1.amazonaws.com')
    sdk.destroy()
    await agent.destroy()
  })
})

describe('an error of the network', () => {
  test.each([
    ['ENOTFOUND', 'backend-unreachable', false],
    ['ECONNREFUSED', 'backend-unreachable', false],
    ['UND_ERR_CONNECT_TIMEOUT', 'backend-timeout', false],
    ['ECONNRESET', 'backend-unreachable', true],
    ['UND_ERR_SOCKET', 'backend-unreachable', true],
    ['UND_ERR_HEADERS_TIMEOUT', 'backend-timeout', true],
  ])('%s is %s, and leaves a mutation undecided: %s', (code, wanted, undecided) => {
    const cause = Object.assign(new Error('broken'), { code })
    const failure = classifyThrown(new Error('failed', { cause }), 'PUT s3://b/k', signal)
    expect(failure).toMatchObject({ code: wanted })
    expect(isUndecided(failure)).toBe(undecided)
  })

  test('no credentials are no network error', () => {
    const error = Object.assign(new Error('none found'), { name: 'CredentialsProviderError' })
    const failure = classifyThrown(error, 'GET s3://b/k', signal)
    expect(failure).toMatchObject({ code: 'backend-denied' })
  })

  test('an aborted request comes to the reason of its signal', () => {
    const reason = new Error('the client is gone')
    expect(classifyThrown(new Error('x'), 'GET', AbortSignal.abort(reason))).toBe(reason)
  })
})
