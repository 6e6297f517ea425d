import { createServer, type Server } from 'node:http'
import { promisify } from 'node:util'
import { systemClock } from '@forebay/base/clock'
import { loadSettings } from '@forebay/config/load'
import { expect, test, vi } from 'vitest'
import { BackendPool } from './backend-pool.ts'

const { signal } = new AbortController()

/** A store without buckets. */
async function startStore(): Promise<{ readonly server: Server; readonly endpoint: string }> {
  const server = createServer((_, response) => response.writeHead(404).end('{}'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('the server has no port')
  return { server, endpoint: `http://127.0.0.1:${address.port}` }
}

test('an account that was opened for a check alone is closed again', async () => {
  const { server, endpoint } = await startStore()
  const environment = { variables: {}, home: '/home/user' }
  const { settings } = await loadSettings({
    flags: {},
    environment,
    readFile: async () => undefined,
  })
  const countConnections = promisify(server.getConnections.bind(server))
  const pool = new BackendPool({
    settings,
    nodeId: 'node-1',
    clock: systemClock,
    wrap: (backend) => backend,
    checkEndpoint: async () => undefined,
  })
  const binding = { provider: 'gcp', bucket: 'b', endpoint } as const
  await expect(pool.check(binding, signal)).rejects.toMatchObject({ code: 'bucket-not-found' })
  await vi.waitFor(async () => expect(await countConnections()).toBe(0))
  await pool.close()
  server.close()
})
