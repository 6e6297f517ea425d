import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Server, startVersitygw, temporaryFolder } from '../testkit/servers.ts'
import { BUCKET, follow, KEY } from './follow-guide.ts'

/** The quick start, followed as it stands: S3 stores. */
const KEYS = { accessKey: 'quick-key', secretKey: 'quick-secret-key' }
const BODY = 'what the store has'
const MISS_THEN_HIT = [expect.stringContaining(', miss'), expect.stringContaining(', hit'), BODY]

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let s3: Server

beforeAll(async () => {
  folder = await temporaryFolder('quick-start')
  const dir = join(folder.path, 's3')
  await mkdir(join(dir, BUCKET), { recursive: true })
  await writeFile(join(dir, BUCKET, KEY), BODY)
  s3 = await startVersitygw({ ...KEYS, dir })
})

afterAll(async () => {
  await s3?.stop()
  await folder?.remove()
})

test('Another S3 store: the second read of the quick start comes from the cache', async () => {
  const { lines, body } = await follow({
    folder: folder.path,
    heading: 'Another S3 store',
    names: {
      'http://127.0.0.1:7070': s3.url,
      'your-key': KEYS.accessKey,
      'your-secret': KEYS.secretKey,
    },
  })
  expect([...lines, body]).toEqual(MISS_THEN_HIT)
})

test('Amazon S3: the same, with the credentials of the environment', async () => {
  const { lines, body } = await follow({
    folder: folder.path,
    heading: 'Amazon S3',
    names: {},
    variables: {
      AWS_ACCESS_KEY_ID: KEYS.accessKey,
      AWS_SECRET_ACCESS_KEY: KEYS.secretKey,
      FOREBAY_BACKENDS__AWS__ENDPOINT: s3.url,
    },
  })
  expect([...lines, body]).toEqual(MISS_THEN_HIT)
})
