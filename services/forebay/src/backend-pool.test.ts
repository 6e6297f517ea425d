import { createServer, type RequestListener, type Server } from 'node:http'
import { promisify } from 'node:util'
import { systemClock } from '@forebay/base/clock'
import { loadSettings } from '@forebay/config/load'
import { expect, test, vi } from 'vitest'
import { BackendPool } from './backend-pool.ts'

const { signal } = new AbortController()
const TIMEOUT = 'backends.limits.progressTimeout'

/** A store without buckets. */
async function startStore(
  serve: RequestListener = (_, response) => response.writeHead(404).end('{}'),
): Promise<{ readonly server: Server; readonly endpoint: string }> {
  const server = createServer(serve)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('the server has no port')
  return { server, endpoint: `http://127.0.0.1:${address.port}` }
}

async function openPool(progressTimeoutMs?: number): Promise<BackendPool> {
  const { settings } = await loadSettings({
    flags: progressTimeoutMs === undefined ? {} : { set: [`${TIMEOUT}=${progressTimeoutMs}ms`] },
    environment: { variables: {}, home: '/home/user' },
    readFile: async () => undefined,
  })
  return new BackendPool({
    settings,
    nodeId: 'node-1',
    clock: systemClock,
    wrap: (backend) => backend,
    checkEndpoint: async () => undefined,
  })
}

test('an account that was opened for a check alone is closed again', async () => {
  const { server, endpoint } = await startStore()
  const countConnections = promisify(server.getConnections.bind(server))
  const pool = await openPool()
  const binding = { provider: 'gcp', bucket: 'b', endpoint } as const
  await expect(pool.check(binding, signal)).rejects.toMatchObject({ code: 'bucket-not-found' })
  await vi.waitFor(async () => expect(await countConnections()).toBe(0))
  await pool.close()
  server.close()
})

test('a store that never answers is not waited for without end', async () => {
  const { server, endpoint } = await startStore(() => undefined)
  const pool = await openPool(100)
  const binding = { provider: 'gcp', bucket: 'b', endpoint } as const
  await expect(pool.check(binding, signal)).rejects.toMatchObject({ code: 'backend-timeout' })
  await pool.close()
  server.close()
})
