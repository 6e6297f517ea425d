import { createServer, type IncomingHttpHeaders } from 'node:http'
import { systemClock } from '@forebay/base/clock'
import { loadSettings } from '@forebay/config/load'
import type { BackendBinding } from '@forebay/model/bucket'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openAccount } from './open-account.ts'

const { signal } = new AbortController()
/** Base64, as the keys of accounts are. */
const KEY = Buffer.from('the key of an account').toString('base64')

let endpoint = ''
let close: (() => void) | undefined
const asked: { readonly path: string; readonly headers: IncomingHttpHeaders }[] = []

beforeEach(async () => {
  asked.length = 0
  const server = createServer(({ url = '', headers }, response) => {
    asked.push({ path: url, headers })
    response.writeHead(404).end('{}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  close = () => server.close()
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('the server has no port')
  endpoint = `http://127.0.0.1:${address.port}`
})

afterEach(() => close?.())

/** The headers of the request by which an account looks for bucket `b`. */
async function requestOf(
  provider: BackendBinding['provider'],
  written: { readonly set?: readonly string[]; readonly variables?: Record<string, string> },
): Promise<IncomingHttpHeaders> {
  const { settings } = await loadSettings({
    flags: { set: written.set ?? [] },
    environment: { variables: written.variables ?? {}, home: '/home/user' },
    readFile: async () => undefined,
  })
  const account = openAccount(
    { provider, bucket: 'b' },
    { settings, nodeId: 'node-1', clock: systemClock, vendorRegion: undefined },
  )
  await expect(account.bucket('b').headBucket({ signal })).resolves.toBeUndefined()
  await account.close()
  expect(asked).not.toHaveLength(0)
  return asked[0]?.headers ?? {}
}

test("a connection string says account, endpoint and key, by setting or Azure's own variable", async () => {
  const text = `AccountName=acc;AccountKey=${KEY};BlobEndpoint=${endpoint}/acc`
  const byVariable = await requestOf('azure', {
    variables: { AZURE_STORAGE_CONNECTION_STRING: text },
  })
  expect(byVariable.authorization).toMatch(/^SharedKey acc:/)
  expect(asked[0]?.path).toMatch(/^\/acc\/b\?/)
  asked.length = 0
  const bySetting = await requestOf('azure', { set: [`backends.azure.connectionString=${text}`] })
  expect(bySetting.authorization).toMatch(/^SharedKey acc:/)
})

test('an account of Azure that is read without credentials sends none', async () => {
  const headers = await requestOf('azure', {
    set: [`backends.azure.endpoint=${endpoint}/acc`, 'backends.azure.anonymous=true'],
    variables: { AZURE_STORAGE_KEY: KEY },
  })
  expect(headers.authorization).toBeUndefined()
})

test('the project that pays is named to Google', async () => {
  const headers = await requestOf('gcp', {
    set: [
      `backends.gcp.endpoint=${endpoint}`,
      'backends.gcp.anonymous=true',
      'backends.gcp.userProject=payer',
    ],
  })
  expect(headers['x-goog-user-project']).toBe('payer')
})
