import { randomUUID } from 'node:crypto'
import {
  AccountSASPermissions,
  AccountSASResourceTypes,
  AccountSASServices,
  BlobServiceClient,
  generateAccountSASQueryParameters,
  StorageSharedKeyCredential,
} from '@azure/storage-blob'
import {
  AZURE_CAPABILITIES,
  createAzureBackend,
  openAzureAccount,
} from '@forebay/backend-azure/azure-backend'
import type { AzureOptions } from '@forebay/backend-azure/azure-options'
import { conformanceCases } from '@forebay/backend-port/conformance'
import {
  assertSameBytes,
  bodyOf,
  bytesNow,
  plainWrite,
  testBytes,
} from '@forebay/backend-port/conformance/case'
import { systemClock } from '@forebay/base/clock'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Server, startAzurite } from '../testkit/servers.ts'
import { brokenConnectionCases } from './broken-connections.ts'

const ACCOUNT = 'conformance'
const KEY = Buffer.from('the key of the account in the test').toString('base64')

let server: Server
let service: BlobServiceClient

beforeAll(async () => {
  server = await startAzurite({ account: ACCOUNT, key: KEY })
  const credential = new StorageSharedKeyCredential(ACCOUNT, KEY)
  service = new BlobServiceClient(`${server.url}/${ACCOUNT}`, credential)
})

afterAll(async () => {
  await server?.stop()
})

function optionsOf(more: Partial<AzureOptions> = {}): AzureOptions {
  return {
    account: ACCOUNT,
    endpoint: server.url,
    nodeId: 'node-1',
    clock: systemClock,
    credentials: { kind: 'shared-key', key: KEY },
    ...more,
  }
}

async function newContainer(): Promise<string> {
  const name = `c-${randomUUID()}`
  await service.createContainer(name)
  return name
}

function casesWith(more: Partial<AzureOptions>) {
  return conformanceCases({
    capabilities: AZURE_CAPABILITIES,
    partBytesMin: 1,
    digestsVerified: ['md5'],
    // Azurite compares names as JavaScript does.
    listOrder: 'utf-16',
    async open() {
      const bucket = await newContainer()
      const account = openAzureAccount(optionsOf(more))
      const container = service.getContainerClient(bucket)
      return {
        backend: account.bucket(bucket),
        missing: account.bucket(`no-such-${randomUUID()}`),
        bucket,
        put: async (key, bytes) => {
          await container.getBlockBlobClient(key).uploadData(bytes)
        },
        remove: async (key) => {
          await container.deleteBlob(key)
        },
        close: () => account.close(),
      }
    },
  })
}

describe('Azure Blob Storage over Azurite, signatures enforced', () => {
  for (const { title, run } of casesWith({})) test(title, run)
})

describe('Azure Blob Storage over Azurite, every body in blocks', () => {
  const cases = casesWith({ singlePutBytesMax: 0, blockBytes: 300_000 })
  // One request verifies an MD5 that is stated; blocks keep it unverified.
  const wanted = cases.filter(({ title }) => !title.includes('digest'))
  for (const { title, run } of wanted) test(title, run)
})

describe('Azure Blob Storage over Azurite, behind toxiproxy', () => {
  const cases = brokenConnectionCases({
    writes: true,
    port: () => server.port,
    async open(url) {
      const bucket = await newContainer()
      const container = service.getContainerClient(bucket)
      return {
        backend: createAzureBackend({ ...optionsOf({ endpoint: url }), bucket }),
        put: async (key, bytes) => {
          await container.getBlockBlobClient(key).uploadData(bytes)
        },
        close: () => Promise.resolve(),
      }
    },
  })
  for (const { title, run } of cases) test(title, run)
})

const { signal } = new AbortController()

test('containers of the account are found and listed', async () => {
  const bucket = await newContainer()
  const account = openAzureAccount(optionsOf())
  expect(await account.lookupBucket(bucket, { signal })).toMatchObject({ name: bucket })
  expect(await account.lookupBucket(`no-${randomUUID()}`, { signal })).toBeUndefined()
  const names = (await account.listBuckets({ signal })).map(({ name }) => name)
  expect(names).toContain(bucket)
  await account.close()
})

test('a wrong key is refused as denied by every operation, and stands in no message', async () => {
  const bucket = await newContainer()
  const key = Buffer.from('wrong').toString('base64')
  const wrong = optionsOf({ credentials: { kind: 'shared-key', key } })
  const backend = createAzureBackend({ ...wrong, bucket })
  const operations = [
    () => backend.read({ key: 'k', signal }),
    () => backend.head({ key: 'k', signal }),
    () => backend.list({ prefix: '', pageMax: 1, signal }),
    () => backend.headBucket({ signal }),
  ]
  for (const ask of operations) {
    const error: unknown = await ask().catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'backend-denied' })
    expect(String(error)).not.toContain(key)
  }
  await backend.close()
})

test.each(['sas', 'connection string', 'connection string with a signature'])(
  'an account is reached by %s',
  async (way) => {
    const token = generateAccountSASQueryParameters(
      {
        services: AccountSASServices.parse('b').toString(),
        resourceTypes: AccountSASResourceTypes.parse('sco').toString(),
        permissions: AccountSASPermissions.parse('rwdlac'),
        expiresOn: new Date(Date.now() + 3_600_000),
      },
      new StorageSharedKeyCredential(ACCOUNT, KEY),
    ).toString()
    const endpoint = `${server.url}/${ACCOUNT}`
    const base = { nodeId: 'node-1', clock: systemClock }
    const options: AzureOptions =
      way === 'sas'
        ? { ...base, endpoint, credentials: { kind: 'sas', token } }
        : way === 'connection string'
          ? {
              ...base,
              connectionString: `AccountName=${ACCOUNT};AccountKey=${KEY};BlobEndpoint=${endpoint};`,
            }
          : { ...base, connectionString: `BlobEndpoint=${endpoint};SharedAccessSignature=${token}` }
    const bucket = await newContainer()
    const backend = createAzureBackend({ ...options, bucket })
    await backend.mutations?.write(plainWrite('a b'), bodyOf(testBytes(10)))
    const copy = { sourceBucket: bucket, sourceKey: 'a b', sourceConditions: {} }
    await backend.mutations?.copy({
      ...plainWrite('c'),
      ...copy,
      replaceMetadata: false,
    })
    assertSameBytes(await bytesNow(backend, 'c'), testBytes(10))
    const page = await backend.list({ prefix: '', pageMax: 10, signal })
    expect(page.objects.map(({ key }) => key)).toEqual(['a b', 'c'])
    await backend.close()
  },
)

describe('an upload that is cut', () => {
  test.each([
    { way: 'in one request', options: {} },
    { way: 'in blocks', options: { singlePutBytesMax: 0, blockBytes: 100_000 } },
  ])('$way leaves nothing that the store names, and can be repeated', async ({ options }) => {
    const bucket = await newContainer()
    const backend = createAzureBackend({ ...optionsOf(options), bucket })
    const verdict = new Error('the checksum is wrong')
    const bytes = testBytes(250_000)
    const cut = {
      lengthBytes: bytes.length,
      repeatable: false,
      async *chunks() {
        yield bytes.subarray(0, bytes.length - 1)
        throw verdict
      },
    }
    const write = backend.mutations?.write(plainWrite('k'), cut)
    await expect(write).rejects.toBe(verdict)
    expect(await backend.head({ key: 'k', signal })).toEqual({ kind: 'absent' })
    const page = await backend.list({ prefix: '', pageMax: 10, signal })
    expect(page.objects).toEqual([])
    await backend.mutations?.write(plainWrite('k'), bodyOf(bytes))
    assertSameBytes(await bytesNow(backend, 'k'), bytes)
    await backend.close()
  })
})

test('of two uploads in blocks at once one is told that the other came before', async () => {
  const bucket = await newContainer()
  const inBlocks = optionsOf({ singlePutBytesMax: 0, blockBytes: 100_000 })
  const backend = createAzureBackend({ ...inBlocks, bucket })
  const [first, second] = [testBytes(150_000), testBytes(150_000, 2)]
  const late = {
    lengthBytes: first.length,
    repeatable: false,
    async *chunks() {
      yield first.subarray(0, first.length - 1)
      await backend.mutations?.write(plainWrite('k'), bodyOf(second))
      yield first.subarray(first.length - 1)
    },
  }
  const write = backend.mutations?.write(plainWrite('k'), late)
  await expect(write).rejects.toMatchObject({ code: 'conditional-conflict' })
  assertSameBytes(await bytesNow(backend, 'k'), second)
  await backend.close()
})

test('a leased blob is no failed condition', async () => {
  const bucket = await newContainer()
  const blob = service.getContainerClient(bucket).getBlockBlobClient('k')
  await blob.uploadData(testBytes(5))
  await blob.getBlobLeaseClient().acquireLease(-1)
  const backend = createAzureBackend({ ...optionsOf(), bucket })
  const write = backend.mutations?.write(plainWrite('k'), bodyOf(testBytes(6)))
  await expect(write).rejects.toMatchObject({ code: 'conditional-conflict' })
  await backend.close()
})

test('an archived blob is told by a HEAD and refused to readers and copies', async () => {
  const bucket = await newContainer()
  const backend = createAzureBackend({ ...optionsOf(), bucket })
  const options = { ...plainWrite('k'), storageClass: 'Archive' }
  await backend.mutations?.write(options, bodyOf(testBytes(5)))
  const head = await backend.head({ key: 'k', signal })
  expect(head).toMatchObject({ archived: true, attributes: { storageClass: 'Archive' } })
  const archived = { code: 'object-archived' }
  await expect(backend.read({ key: 'k', signal })).rejects.toMatchObject(archived)
  const copy = backend.mutations?.copy({
    ...plainWrite('c'),
    sourceBucket: bucket,
    sourceKey: 'k',
    sourceConditions: {},
    replaceMetadata: false,
  })
  await expect(copy).rejects.toMatchObject(archived)
  await backend.close()
})

test('names of metadata that Azure cannot hold come back as they were', async () => {
  const bucket = await newContainer()
  const backend = createAzureBackend({ ...optionsOf(), bucket })
  const metadata = { '1st': 'a', 'two-words': 'b', 'a.b': 'c', _x002d_: 'd', under_score: 'e' }
  const headers = { expires: 'Thu, 01 Dec 2033 16:00:00 GMT' }
  await backend.mutations?.write({ ...plainWrite('k'), metadata, headers }, bodyOf(testBytes(5)))
  const head = await backend.head({ key: 'k', signal })
  expect(head).toMatchObject({ attributes: { metadata, headers } })
  await backend.close()
})
