import { createAddressGuard, type ResolveHost } from '@forebay/backend-transport/address-guard'
import { systemClock } from '@forebay/base/clock'
import { errorAnswer } from '@forebay/testkit/origin/answers'
import { startOrigin } from '@forebay/testkit/origin/scripted-origin'
import { expect, test } from 'vitest'
import { createS3Backend } from './s3-backend.ts'

const REFUSED = { code: 'backend-refused' }
const { signal } = new AbortController()

function connect(endpoint: string, resolve?: ResolveHost): ReturnType<typeof createS3Backend> {
  return createS3Backend({
    bucket: 'b',
    endpoint,
    region: 'us-east-1',
    nodeId: 'node-1',
    clock: systemClock,
    credentials: { accessKeyId: 'id', secretAccessKey: 'secret' },
    guard: createAddressGuard('any', resolve),
  })
}

test.each(['http://169.254.169.254', 'http://[fd00:ec2::254]', 'https://[::ffff:169.254.169.254]'])(
  'the endpoint %s opens no account',
  (endpoint) => {
    expect(() => connect(endpoint)).toThrow(expect.objectContaining(REFUSED))
  },
)

test('an endpoint whose name leads to a closed address is not asked, by undici nor by the SDK', async () => {
  const backend = connect('http://store.example', async () => ['169.254.169.254'])
  await expect(backend.read({ key: 'k', signal })).rejects.toMatchObject(REFUSED)
  await expect(backend.list({ prefix: '', pageMax: 1, signal })).rejects.toMatchObject(REFUSED)
  await expect(backend.headBucket({ signal })).rejects.toMatchObject(REFUSED)
  await backend.close()
})

test('an endpoint whose name leads to a private address is asked there, by both', async () => {
  const origin = await startOrigin(() => errorAnswer(404, 'NoSuchKey'))
  const { port } = new URL(origin.url)
  const backend = connect(`http://store.example:${port}`, async () => ['127.0.0.1'])
  expect(await backend.read({ key: 'k', signal })).toEqual({ kind: 'absent' })
  expect(await backend.headBucket({ signal })).toBeUndefined()
  expect(origin.requests.map(({ method }) => method)).toEqual(['GET', 'HEAD'])
  await backend.close()
  await origin.close()
})
