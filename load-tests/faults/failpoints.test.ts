import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CreateBucketCommand, S3Client as SdkClient } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Server, startVersitygw, temporaryFolder } from '../testkit/servers.ts'
import { isLeftOut } from '../testkit/tools.ts'
import { casesOf, crashThrough, prepare, type Truth } from './crash-through.ts'
import { FaultNode, REMOTE } from './fault-node.ts'
import { S3Origin } from './s3-origin.ts'
import { MUTATIONS_AT_BACKEND, SCENARIOS } from './scenarios.ts'

const CREDENTIALS = { accessKey: 'origin-key', secretKey: 'origin-secret' }

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let origin: S3Origin
let gateway: Server | undefined

beforeAll(async () => {
  folder = await temporaryFolder('failpoints')
  origin = await S3Origin.start()
})

afterAll(async () => {
  await gateway?.stop()
  await origin?.close()
  await folder?.remove()
})

test.concurrent.each(SCENARIOS)(
  '$bucket bucket: $name, killed at each of its steps, is done or as before, whole',
  async (scenario) => {
    const dataDir = join(folder.path, `${scenario.bucket}-${scenario.name.replaceAll(' ', '-')}`)
    const node = new FaultNode({ dataDir, originUrl: origin.url })
    const truth: Truth = {
      put: (path, bytes) => origin.put(path, bytes),
      read: async (path) => origin.get(path)?.bytes,
      quiet: () => origin.quiet(),
    }
    const cases = casesOf(scenario)
    try {
      await prepare(node, cases, truth)
      await crashThrough(node, cases, truth)
    } finally {
      await node.kill()
    }
  },
)

test.skipIf(isLeftOut('versitygw'))(
  'versitygw: every mutation, killed around its commit there, is done or as before',
  async () => {
    const dir = join(folder.path, 'versitygw')
    await mkdir(dir)
    gateway = await startVersitygw({ ...CREDENTIALS, dir })
    await createBucket(gateway.url)
    const node = new FaultNode({
      dataDir: join(folder.path, 'over-versitygw'),
      originUrl: gateway.url,
      credentials: CREDENTIALS,
    })
    const truth: Truth = {
      put: () => expect.unreachable('nothing is seeded there'),
      // Its posix backend keeps an object as a file.
      read: (path) => readFile(join(dir, path)).catch(() => undefined),
      // A request that came in whole is answered within this time.
      quiet: () => new Promise((resolve) => setTimeout(resolve, 200)),
    }
    const cases = MUTATIONS_AT_BACKEND.flatMap((scenario) =>
      casesOf(scenario).filter(({ point }) => point.startsWith('backend:')),
    )
    try {
      await prepare(node, cases, truth)
      await crashThrough(node, cases, truth)
    } finally {
      await node.kill()
    }
  },
)

async function createBucket(endpoint: string): Promise<void> {
  const { accessKey, secretKey } = CREDENTIALS
  const credentials = { accessKeyId: accessKey, secretAccessKey: secretKey }
  const sdk = new SdkClient({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials })
  await sdk.send(new CreateBucketCommand({ Bucket: REMOTE }))
  sdk.destroy()
}
