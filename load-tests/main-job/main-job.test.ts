import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readMetric } from '../testkit/metrics.ts'
import { type Server, startForebay, startVersitygw, temporaryFolder } from '../testkit/servers.ts'
import { isLeftOut, type ToolName } from '../testkit/tools.ts'
import { awsEnvironment, type Client, type Endpoint } from './client.ts'
import { awsCliClient, rcloneClient } from './command-clients.ts'
import { type Dataset, describeFile, makeDataset } from './dataset.ts'
import { readOriginLog } from './origin-log.ts'
import { pythonClient, runSteps } from './python-clients.ts'
import { sdkClient } from './sdk-client.ts'

const BUCKET = 'training'
const ORIGIN_KEYS = { accessKey: 'origin-key', secretKey: 'origin-secret' }

/** In open mode Forebay asks nobody who they are; clients must sign with something all the same. */
const CLIENT_KEYS = { accessKey: 'any-key', secretKey: 'any-secret' }

type Where = { readonly endpoint: Endpoint; readonly bucket: string }

/** Every unmodified client of the job, and the tool that it comes from. */
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

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let dataset: Dataset
let origin: Server & { readonly accessLogPath: string }
let forebay: Server
let where: Where

beforeAll(async () => {
  folder = await temporaryFolder('main-job')
  dataset = await makeDataset(join(folder.path, 'dataset'))
  origin = await startVersitygw({ ...ORIGIN_KEYS, dir: join(folder.path, 'origin') })
  const originEndpoint = { ...ORIGIN_KEYS, url: origin.url }
  await fillOrigin({ endpoint: originEndpoint, bucket: BUCKET })
  forebay = await startForebay({
    dataDir: join(folder.path, 'forebay'),
    // Longer than the whole job: every second read of it falls within the ttl.
    config: { backends: { aws: { endpoint: origin.url } }, cache: { revalidateTtl: '2h' } },
    env: { ...awsEnvironment(originEndpoint), AWS_ENDPOINT_URL: undefined },
  })
  where = { endpoint: { ...CLIENT_KEYS, url: forebay.url }, bucket: BUCKET }
})

afterAll(async () => {
  await forebay?.stop()
  await origin?.stop()
  await folder?.remove()
})

/** The data is put on the origin by clients that know nothing of Forebay. */
async function fillOrigin(at: Where): Promise<void> {
  const sdk = sdkClient(at)
  await sdk.createBucket()
  const forShards = isLeftOut('awscli') ? sdk : awsCliClient(at)
  const tables = dataset.files.filter(({ key }) => key.startsWith('tables/'))
  for (const { key, path } of dataset.files) {
    if (!key.startsWith('tables/')) await forShards.write(path, key)
    else if (isLeftOut('boto3')) await sdk.write(path, key)
  }
  if (!isLeftOut('boto3')) {
    // All by one process: to start Python takes longer than to write a table.
    const steps = tables.map(({ key, path }) => ({ do: 'write', key, path }))
    await runSteps('boto3', at, steps)
  }
  sdk.close()
}

/** What has reached the origin so far, by its own log and by Forebay's count. */
type OriginReads = { readonly logged: readonly string[]; readonly counted: number }

/** Requests other than lists: a client may list before it reads, and a list is passed on. */
async function originReads(): Promise<OriginReads> {
  const lists = new Set(['ListObjects', 'ListObjectsV2', 'ListAllMyBuckets', 'HeadBucket'])
  const requests = readOriginLog(origin.accessLogPath)
  const all = await readMetric(forebay.url, 'forebay_backend_requests_total')
  const listed = await readMetric(forebay.url, 'forebay_backend_requests_total', {
    operation: 'list',
  })
  return {
    logged: requests.filter(({ operation }) => !lists.has(operation)).map(({ line }) => line),
    counted: all - listed,
  }
}

async function originReadsSince(before: OriginReads): Promise<OriginReads> {
  const now = await originReads()
  return {
    logged: now.logged.slice(before.logged.length),
    counted: now.counted - before.counted,
  }
}

const wanted = (): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    dataset.files.map(({ key, sizeBytes, sha256 }) => [key, { sizeBytes, sha256 }]),
  )

describe.each(CLIENTS)('$name', ({ name, tool, connect }) => {
  const leftOut = tool !== undefined && isLeftOut(tool)

  test.skipIf(leftOut)('lists every key with its size', async () => {
    const listed = (
      await Promise.all(['big/', 'shards/', 'tables/'].map((prefix) => connect(where).list(prefix)))
    ).flat()
    const sizes = new Map(listed.map(({ key, sizeBytes }) => [key, sizeBytes]))
    expect(sizes).toEqual(new Map(dataset.files.map(({ key, sizeBytes }) => [key, sizeBytes])))
  })

  test.skipIf(leftOut)('reads every byte, and a second time without the origin', async () => {
    const keys = dataset.files.map(({ key }) => key)
    expect(await connect(where).read(keys)).toEqual(wanted())

    const before = await originReads()
    expect(await connect(where).read(keys)).toEqual(wanted())
    expect(await originReadsSince(before)).toEqual({ logged: [], counted: 0 })
  })

  test.skipIf(leftOut)('writes, copies and deletes, and the origin has it all', async () => {
    const client = connect(where)
    const own = `written/${name.replaceAll(/\W+/g, '-')}`
    const [source] = dataset.files.filter(({ key }) => key === 'shards/emoji-000001.tar')
    if (source === undefined) throw new Error('the data set lost a shard')
    const { sizeBytes, sha256 } = source
    await client.write(source.path, `${own}/first.tar`)
    await client.copy(`${own}/first.tar`, `${own}/second.tar`)
    for (const key of [`${own}/first.tar`, `${own}/second.tar`]) {
      expect(await client.read([key])).toEqual({ [key]: { sizeBytes, sha256 } })
      expect(describeFile(key, originPath(key))).toMatchObject({ sizeBytes, sha256 })
    }

    await client.remove(`${own}/first.tar`)
    expect(existsSync(originPath(`${own}/first.tar`))).toBe(false)
    expect(await client.list(`${own}/`)).toEqual([{ key: `${own}/second.tar`, sizeBytes }])
  })
})

describe.skipIf(isLeftOut('pyarrow'))('pyarrow, by ranges', () => {
  test('reads columns of a Parquet table that equal those of the file', async () => {
    const table = dataset.files.find(({ key }) => key === 'tables/flights-3m.parquet')
    const step = { do: 'compare-parquet', key: table?.key, path: table?.path }
    const results = await runSteps('pyarrow', where, [step, step])
    const rows = 3_000_000
    expect(results).toEqual([
      { rows, equal: true },
      { rows, equal: true },
    ])
  })
})

describe.skipIf(isLeftOut('webdataset') || isLeftOut('awscli'))('webdataset', () => {
  test('reads every sample of the shards, and a second time without the origin', async () => {
    const shards = dataset.files.filter(({ key }) => key.startsWith('shards/'))
    const steps = shards.map(({ key, path }) => ({ do: 'compare-samples', key, path }))
    const firstResults = await runSteps('webdataset', where, steps)
    expect(firstResults.every(({ samples, equal }) => equal && samples > 300)).toBe(true)

    const before = await originReads()
    expect(await runSteps('webdataset', where, steps)).toEqual(firstResults)
    expect(await originReadsSince(before)).toEqual({ logged: [], counted: 0 })
  })

  test('writes a shard that the origin holds with the same samples', async () => {
    const shard = dataset.files.find(({ key }) => key === 'shards/emoji-000000.tar')
    const key = 'written/webdataset/copy.tar'
    const [count, compared] = await runSteps('webdataset', where, [
      { do: 'write-shard', path: shard?.path, key },
      { do: 'compare-samples', key, path: shard?.path },
    ])
    expect(count).toBeGreaterThan(100)
    expect(compared).toMatchObject({ equal: true })
    const atOrigin = { endpoint: { ...ORIGIN_KEYS, url: origin.url }, bucket: BUCKET }
    const direct = await runSteps('webdataset', atOrigin, [
      { do: 'compare-samples', key, path: shard?.path },
    ])
    expect(direct).toEqual([compared])
  })
})

test('the origin was asked for every object, and Forebay counted that', async () => {
  const reads = readOriginLog(origin.accessLogPath).filter(
    ({ operation }) => operation === 'GetObject',
  )
  expect(reads.length).toBeGreaterThanOrEqual(dataset.files.length)
  expect((await originReads()).counted).toBeGreaterThanOrEqual(dataset.files.length)
})

test('what was written is read back from the origin directly, by a client of its own', async () => {
  const direct = sdkClient({ endpoint: { ...ORIGIN_KEYS, url: origin.url }, bucket: BUCKET })
  const keys = (await direct.list('written/')).map(({ key }) => key)
  const through = sdkClient(where)
  expect(keys.length).toBeGreaterThan(0)
  expect(await through.read(keys)).toEqual(await direct.read(keys))
  direct.close()
  through.close()
})

/** versitygw keeps an object as a plain file. */
function originPath(key: string): string {
  return join(folder.path, 'origin', BUCKET, key)
}
