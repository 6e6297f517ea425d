import { systemClock } from '@forebay/base/clock'
import { describe, expect, test } from 'vitest'
import { type AzureOptions, resolveAddress } from './azure-options.ts'

function resolve(options: Partial<AzureOptions>) {
  return resolveAddress({ nodeId: 'node-1', clock: systemClock, ...options })
}

describe('an account', () => {
  test('is at its address in Azure where no endpoint is set', () => {
    expect(resolve({ account: 'acc' })).toEqual({
      account: 'acc',
      origin: 'https://acc.blob.core.windows.net',
      basePath: '',
      credentials: { kind: 'chain' },
    })
  })

  test.each([
    ['https://acc.blob.core.chinacloudapi.cn', 'acc', ''],
    ['https://acc.blob.core.windows.net/', 'acc', ''],
    ['http://127.0.0.1:10000/acc', 'acc', '/acc'],
    ['http://localhost:10000/acc/', 'acc', '/acc'],
    ['http://[::1]:10000/acc', 'acc', '/acc'],
  ])('follows from the endpoint %s', (endpoint, account, basePath) => {
    expect(resolve({ endpoint })).toMatchObject({ account, basePath })
  })

  test('is added as path where the host cannot name it', () => {
    const endpoint = 'http://127.0.0.1:10000'
    expect(resolve({ endpoint, account: 'acc' })).toMatchObject({ basePath: '/acc' })
    const proxied = { endpoint: 'https://proxy.example/blobs', account: 'acc' }
    expect(resolve(proxied)).toMatchObject({ basePath: '/blobs' })
  })

  test.each([
    [
      'DefaultEndpointsProtocol=https;AccountName=acc;AccountKey=a2V5PT0=;EndpointSuffix=core.windows.net',
      'https://acc.blob.core.windows.net',
      { kind: 'shared-key', key: 'a2V5PT0=' },
    ],
    [
      'BlobEndpoint=https://acc.blob.core.windows.net/;SharedAccessSignature=sv=1&sig=a%3D',
      'https://acc.blob.core.windows.net',
      { kind: 'sas', token: 'sv=1&sig=a%3D' },
    ],
    ['AccountName=acc', 'https://acc.blob.core.windows.net', { kind: 'chain' }],
  ])('is read from %s', (connectionString, origin, credentials) => {
    expect(resolve({ connectionString })).toMatchObject({ account: 'acc', origin, credentials })
  })

  test('of the emulator has its public name', () => {
    const address = resolve({ connectionString: 'UseDevelopmentStorage=true' })
    expect(address).toMatchObject({ account: 'devstoreaccount1', basePath: '/devstoreaccount1' })
  })

  test('that is stated comes before that of the connection string', () => {
    const stated = resolve({
      connectionString: 'AccountName=other;AccountKey=b3RoZXI=',
      endpoint: 'http://127.0.0.1:1/acc',
      account: 'acc',
      credentials: { kind: 'anonymous' },
    })
    expect(stated).toMatchObject({ account: 'acc', credentials: { kind: 'anonymous' } })
  })

  test.each<Partial<AzureOptions>>([{}, { endpoint: 'http://127.0.0.1:10000' }])(
    'is not known from %j: the bucket is refused, the node is not at fault',
    (options) => {
      expect(() => resolve(options)).toThrow(expect.objectContaining({ code: 'backend-refused' }))
    },
  )

  test.each<Partial<AzureOptions>>([
    { endpoint: 'ftp://acc' },
    { endpoint: 'acc.blob.core.windows.net' },
    { endpoint: 'https://acc.blob.core.windows.net/?sv=1&sig=secret' },
    { connectionString: 'AccountKey=secret' },
  ])('is not made up from %j, and no secret is repeated', (options) => {
    let thrown: unknown
    try {
      resolve(options)
    } catch (error) {
      thrown = error
    }
    expect(thrown).toMatchObject({ code: 'setting-invalid' })
    expect(String(thrown)).not.toContain('secret')
  })

  describe('whose endpoint a user named', () => {
    const resolveForeign = (endpoint: string, credentials: AzureOptions['credentials']) =>
      resolve({ endpoint, credentials, account: 'acc', foreignEndpoint: true })
    const reusable = [
      { kind: 'chain' },
      { kind: 'sas', token: 'sig=s' },
      { kind: 'shared-key', key: 'a2V5' },
    ] as const

    test.each([
      'https://evil.example',
      'https://acc.blob.core.windows.net.evil.example',
      'http://acc.blob.core.windows.net',
    ])('gets no token and no signature at %s', (endpoint) => {
      for (const credentials of reusable) {
        expect(() => resolveForeign(endpoint, credentials)).toThrow(/not sent/)
      }
      const anonymous = { kind: 'anonymous' } as const
      expect(resolveForeign(endpoint, anonymous)).toMatchObject({ credentials: anonymous })
    })

    test.each([
      'https://acc.blob.core.windows.net',
      'https://acc.blob.core.usgovcloudapi.net',
      'https://acc.z11.blob.storage.azure.net',
    ])('gets them where it is of Azure itself: %s', (endpoint) => {
      for (const credentials of reusable) {
        expect(resolveForeign(endpoint, credentials)).toMatchObject({ credentials })
      }
    })
  })
})
