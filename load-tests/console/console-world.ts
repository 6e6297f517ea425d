import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ensureConsole } from '@forebay/console/build'
import { type Server, startForebay, startVersitygw, temporaryFolder } from '../testkit/servers.ts'

const ORIGIN_KEYS = { accessKey: 'origin-key', secretKey: 'origin-secret' }

/** Somebody who may do everything at the node that asks for keys. */
export const ADMIN = { accessKey: 'console-admin', secretKey: 'a-secret-of-the-console-test' }

/** Somebody who may read only. */
export const READER = { accessKey: 'console-reader', secretKey: 'another-secret-of-the-test' }

/** Names that have hurt other consoles. */
export const HOSTILE_KEYS: readonly string[] = [
  '<script>window.hit=1</script>',
  '"><img src=x onerror=window.hit=1>.txt',
  'invoice\u202egpj.exe',
  'line\nbreak',
  `${'long-'.repeat(204)}name`,
  'quote\'and"tick',
  '%2e%2e%2f..%00',
]

/** An origin with some objects, a node in front of it, and one that asks for keys. */
export interface ConsoleWorld {
  readonly node: Server
  readonly users: Server
  close(): Promise<void>
}

export async function openWorld(): Promise<ConsoleWorld> {
  await ensureConsole()
  const folder = await temporaryFolder('console')
  const originDir = join(folder.path, 'origin')
  await fillOrigin(join(originDir, 'photos'))
  const origin = await startVersitygw({ ...ORIGIN_KEYS, dir: originDir })
  const store = {
    args: ['--set', `backends.aws.endpoint=${origin.url}`],
    env: { AWS_ACCESS_KEY_ID: ORIGIN_KEYS.accessKey, AWS_SECRET_ACCESS_KEY: ORIGIN_KEYS.secretKey },
  }
  const [node, users] = await Promise.all([
    startForebay({ dataDir: join(folder.path, 'node'), ...store }),
    startForebay({
      dataDir: join(folder.path, 'users'),
      ...store,
      config: {
        auth: {
          users: [
            { id: 'admin', policy: 'admin', buckets: ['*'], ...ADMIN },
            { id: 'reader', policy: 'readonly', buckets: ['*'], ...READER },
          ],
        },
      },
    }),
  ])
  await fillNode(node)
  return {
    node,
    users,
    close: async () => {
      await Promise.all([node.stop(), users.stop()])
      await origin.stop()
      await folder.remove()
    },
  }
}

async function fillOrigin(bucketDir: string): Promise<void> {
  for (const day of ['2026-11-20', '2026-11-21']) {
    await mkdir(join(bucketDir, day), { recursive: true })
    for (let index = 0; index < 6; index++) {
      const bytes = Buffer.alloc((index + 1) * 70_000, index)
      await writeFile(join(bucketDir, day, `image-${index}.jpg`), bytes)
    }
  }
  await writeFile(join(bucketDir, 'index.csv'), 'name,size\n')
}

/** Some objects are here, some are not; a native bucket holds the names of strangers. */
async function fillNode({ url }: Server): Promise<void> {
  await send(`${url}/uploads`, 'PUT')
  for (const key of HOSTILE_KEYS) {
    await send(`${url}/uploads/${encodeURIComponent(key)}`, 'PUT', 'x')
  }
  for (const index of [0, 1, 2]) await send(`${url}/photos/2026-11-21/image-${index}.jpg`)
  await send(`${url}/photos/index.csv`)
  await startJob(url, { prefix: '2026-11-20/' })
  // One that fails, with a name that must stay text.
  await startJob(url, { keys: ['index.csv', HOSTILE_KEYS[0] ?? ''] })
}

/** Orders a prefetch of the bucket with an origin. @returns its id */
export async function startJob(url: string, args: object, more: object = {}): Promise<string> {
  const order = { kind: 'prefetch', bucket: 'aws://photos', args, ...more }
  const job: unknown = JSON.parse(await send(`${url}/v1/jobs`, 'POST', JSON.stringify(order)))
  return typeof job === 'object' && job !== null && 'id' in job ? String(job.id) : ''
}

/** A request that must succeed. */
export async function send(url: string, method = 'GET', body?: string): Promise<string> {
  const response = await fetch(url, body === undefined ? { method } : { method, body })
  const text = await response.text()
  if (!response.ok) throw new Error(`${method} ${url}: ${response.status} ${text}`)
  return text
}
