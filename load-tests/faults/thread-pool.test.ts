import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../testkit/servers.ts'
import { FaultNode } from './fault-node.ts'

test('a node has threads for four disks of which one hangs, not the four of Node', async () => {
  const folder = await temporaryFolder('thread-pool')
  const node = new FaultNode({
    dataDir: join(folder.path, 'node'),
    originUrl: 'http://127.0.0.1:9',
  })
  try {
    const { server } = await node.start()
    const tasks = `/proc/${server.pid}/task`
    const names = (await readdir(tasks)).map((id) => readFile(join(tasks, id, 'comm'), 'utf8'))
    const workers = (await Promise.all(names)).filter((name) => name.trim() === 'libuv-worker')
    expect(workers).toHaveLength(16)
  } finally {
    await node.kill()
    await folder.remove()
  }
})
