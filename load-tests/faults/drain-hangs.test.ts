import { join } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../testkit/servers.ts'
import { FaultNode, NATIVE } from './fault-node.ts'
import { isDone } from './s3-client.ts'

test('a node that cannot close ends all the same, and its next start has everything', async () => {
  const folder = await temporaryFolder('drain-hangs')
  const node = new FaultNode({
    dataDir: join(folder.path, 'node'),
    originUrl: 'http://127.0.0.1:9',
    args: ['--set', 'shutdown.drainTimeout=200ms', '--set', 'shutdown.closeTimeout=500ms'],
  })
  try {
    // The last mark of the store waits as it would for a disk that hangs.
    const { client, server } = await node.start('mark:synced=delay:600000')
    await client.changeBucket(NATIVE, { action: 'create-bck', value: null })
    expect(isDone(await client.put(`${NATIVE}/k`, Buffer.from('bytes')))).toBe(true)
    await client.close()
    process.kill(server.pid, 'SIGTERM')
    // By a signal, and long before the disk would have answered.
    expect(await server.exited).toBe(null)
    expect(server.logs()).toContain('did not close in 700 ms')
    const again = await node.start()
    expect((await again.client.get(`${NATIVE}/k`))?.body.toString()).toBe('bytes')
  } finally {
    await node.kill()
    await folder.remove()
  }
})
