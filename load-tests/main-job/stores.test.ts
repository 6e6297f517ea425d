import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readMetric } from '../testkit/metrics.ts'
import { childEnvironment, runCommand } from '../testkit/run-command.ts'
import { type Server, startForebay, temporaryFolder } from '../testkit/servers.ts'
import { ROOT } from '../testkit/tool-install.ts'
import { isLeftOut, type ToolName } from '../testkit/tools.ts'
import type { Client, Endpoint } from './client.ts'
import { awsCliClient, rcloneClient } from './command-clients.ts'
import { type Dataset, makeDataset, SMALL_SHARD_SIZES } from './dataset.ts'
import { pythonClient, runSteps } from './python-clients.ts'
import { sdkClient } from './sdk-client.ts'
import { openAzure, openGcs, openWeb, type Store } from './stores.ts'

/** The main job on stores that are no S3, each by unmodified S3 clients, from one node. */
type Where = { readonly endpoint: Endpoint; readonly bucket: string }

const CLIENTS: readonly {
  readonly name: string
  readonly tool: ToolName | undefined
  readonly connect: (where: Where) => Client
}[] = [
  { name: 'aws cli', tool: 'awscli', connect: awsCliClient },
  { name: 'boto3', tool: 'boto3', connect: (where) => pythonClient('boto3', where) },
  { name: 's3fs', tool: 's3fs', connect: (where) => pythonClient('s3fs', where) },
  { name: 'pyarrow', tool: 'pyarrow', connect: (where) => pythonClient('pyarrow', where) },
  { name: 'rclone', tool: 'rclone', connect: rcloneClient },
  { name: '@aws-sdk/client-s3', tool: undefined, connect: sdkClient },
]

const BUCKETS = { gcs: 'on-gcs', azure: 'on-azure', web: 'on-web' } as const

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let dataset: Dataset
let stores: Readonly<Record<keyof typeof BUCKETS, Store>>
let forebay: Server

beforeAll(async () => {
  folder = await temporaryFolder('stores')
  dataset = await makeDataset(join(folder.path, 'dataset'), SMALL_SHARD_SIZES)
  stores = {
    gcs: await openGcs(BUCKETS.gcs, dataset),
    azure: await openAzure(BUCKETS.azure, dataset),
    web: await openWeb(join(folder.path, 'web'), dataset),
  }
  const backends = Object.assign({}, ...Object.values(stores).map((store) => store.backends))
  forebay = await startForebay({
    dataDir: join(folder.path, 'forebay'),
    config: { backends, cache: { revalidateTtl: '2h' } },
  })
  await addBucket(stores.gcs.url)
  await addBucket(stores.azure.url)
  await addBucket(stores.web.url, '--name', BUCKETS.web)
})

afterAll(async () => {
  await forebay?.stop()
  for (const { server } of Object.values(stores ?? {})) await server.stop()
  await folder?.remove()
})

async function addBucket(...args: readonly string[]): Promise<void> {
  const cli = join(ROOT, 'services/cli/bin/forebay.js')
  await runCommand(process.execPath, [cli, '--endpoint', forebay.url, 'bucket', 'add', ...args], {
    env: childEnvironment(),
  })
}

const at = (bucket: string): Where => ({
  endpoint: { accessKey: 'any-key', secretKey: 'any-secret', url: forebay.url },
  bucket,
})

/** Requests to stores other than lists, which clients may make before they read. */
async function originReads(): Promise<number> {
  const all = await readMetric(forebay.url, 'forebay_backend_requests_total')
  const lists = { operation: 'list' }
  return all - (await readMetric(forebay.url, 'forebay_backend_requests_total', lists))
}

const wanted = (): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    dataset.files.map(({ key, sizeBytes, sha256 }) => [key, { sizeBytes, sha256 }]),
  )

for (const { name, tool, connect } of CLIENTS) {
  const leftOut = tool !== undefined && isLeftOut(tool)

  describe.each(['gcs', 'azure', 'web'] as const)(`${name} on %s`, (kind) => {
    test.skipIf(leftOut)('lists every key with its size', async () => {
      const client = connect(at(BUCKETS[kind]))
      const listed = (await Promise.all(['shards/', 'tables/'].map(client.list))).flat()
      const sizes = new Map(listed.map(({ key, sizeBytes }) => [key, sizeBytes]))
      expect(sizes).toEqual(new Map(dataset.files.map(({ key, sizeBytes }) => [key, sizeBytes])))
    })

    test.skipIf(leftOut)('reads every byte, and a second time without the store', async () => {
      const client = connect(at(BUCKETS[kind]))
      const keys = dataset.files.map(({ key }) => key)
      expect(await client.read(keys)).toEqual(wanted())
      const before = await originReads()
      expect(await client.read(keys)).toEqual(wanted())
      expect((await originReads()) - before).toBe(0)
    })
  })

  describe.each(['gcs', 'azure'] as const)(`${name} on %s`, (kind) => {
    test.skipIf(leftOut)('writes, copies and deletes, and the store has it all', async () => {
      const client = connect(at(BUCKETS[kind]))
      const { read } = stores[kind]
      const own = `written/${name.replaceAll(/\W+/g, '-')}`
      const source = dataset.files.find(({ key }) => key === 'shards/emoji-000001.tar')
      if (source === undefined) throw new Error('the data set lost a shard')
      const { path, sizeBytes, sha256 } = source
      await client.write(path, `${own}/first.tar`)
      await client.copy(`${own}/first.tar`, `${own}/second.tar`)
      const local = await client.read([`${own}/first.tar`, `${own}/second.tar`])
      for (const key of [`${own}/first.tar`, `${own}/second.tar`]) {
        expect(local[key]).toEqual({ sizeBytes, sha256 })
        expect((await read(key))?.length).toBe(sizeBytes)
      }
      await client.remove(`${own}/first.tar`)
      expect(await read(`${own}/first.tar`)).toBeUndefined()
      expect(await client.list(`${own}/`)).toEqual([{ key: `${own}/second.tar`, sizeBytes }])
    })
  })
}

describe.skipIf(isLeftOut('tables'))('readers and writers of tables', () => {
  const FLIGHTS = 'tables/flights-3m.parquet'
  const pathOf = (key: string): string | undefined =>
    dataset.files.find((file) => file.key === key)?.path

  test.each(['gcs', 'azure', 'web'] as const)('on %s read what is there', async (kind) => {
    const shard = 'shards/emoji-000001.tar'
    const table = { key: FLIGHTS, path: pathOf(FLIGHTS) }
    const results = await runSteps('tables', at(BUCKETS[kind]), [
      { do: 'duckdb-totals', ...table },
      { do: 'polars-totals', ...table },
      { do: 'obstore-read', key: shard, path: pathOf(shard) },
    ])
    const rows = 3_000_000
    const sizeBytes = dataset.files.find(({ key }) => key === shard)?.sizeBytes
    expect(results).toEqual([
      { rows, equal: true },
      { rows, equal: true },
      { equal: true, sizeBytes },
    ])
  })

  test.each(['gcs', 'azure'] as const)('on %s write, append and create', async (kind) => {
    const shard = dataset.files.find(({ key }) => key === 'shards/emoji-000001.tar')
    const results = await runSteps('tables', at(BUCKETS[kind]), [
      { do: 'duckdb-write', path: pathOf(FLIGHTS), key: 'tables-written/part.parquet' },
      { do: 'delta-table', path: pathOf(FLIGHTS), folder: 'delta' },
      { do: 'obstore-write', path: shard?.path, folder: 'obstore' },
      { do: 'obstore-create', key: 'created-once' },
    ])
    expect(results).toEqual([
      { rows: 10_000 },
      { version: 1, rows: 2000, firstRows: 1000 },
      { left: ['obstore/third'], sha256: shard?.sha256 },
      { second: 'refused', is: 'one' },
    ])
  })
})

test('what S3 clients wrote has the same bytes when the store itself is asked', async () => {
  for (const kind of ['gcs', 'azure'] as const) {
    const client = sdkClient(at(BUCKETS[kind]))
    // Some clients also make empty objects that stand for directories.
    const keys = (await client.list('written/'))
      .map(({ key }) => key)
      .filter((key) => key.endsWith('.tar'))
    expect(keys.length).toBeGreaterThan(0)
    const source = dataset.files.find(({ key }) => key === 'shards/emoji-000001.tar')
    for (const key of keys) {
      expect(await hashOf(await stores[kind].read(key))).toBe(source?.sha256)
    }
    client.close()
  }
})

test('a web server is not written to, and says so', async () => {
  const client = sdkClient(at(BUCKETS.web))
  const [file] = dataset.files
  if (file === undefined) throw new Error('the data set is empty')
  await expect(client.write(file.path, 'written/x')).rejects.toMatchObject({
    $metadata: { httpStatusCode: 501 },
  })
  client.close()
})

async function hashOf(bytes: Buffer | undefined): Promise<string> {
  if (bytes === undefined) throw new Error('the store has no such object')
  const digest = await crypto.subtle.digest('SHA-256', new Uint8Array(bytes))
  return Buffer.from(digest).toString('hex')
}
