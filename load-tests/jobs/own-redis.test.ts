import { mkdir, readFile, symlink } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { expect, test } from 'vitest'
import { FaultNode } from '../faults/fault-node.ts'
import { temporaryFolder } from '../testkit/servers.ts'
import { isLeftOut, requireTool } from '../testkit/tools.ts'
import { JobApi } from './prefetch-run.ts'

const KEYS = ['a', 'b', 'c']

test.skipIf(isLeftOut('valkey'))(
  'with --redis auto a node starts the Valkey that it finds, ends it, and ends what a killed one left',
  async () => {
    const folder = await temporaryFolder('own-redis')
    const programs = join(folder.path, 'bin')
    await mkdir(programs)
    await symlink(requireTool('valkey'), join(programs, 'valkey-server'))
    // Quotes mean something in the server's configuration.
    const dataDir = join(folder.path, 'node "1"')
    const node = new FaultNode({
      ...{ dataDir, originUrl: 'http://127.0.0.1:9', args: ['--redis', 'auto'] },
      env: { PATH: [programs, process.env['PATH']].join(delimiter) },
    })
    try {
      const first = await node.start()
      expect(first.server.logs()).toContain(join(programs, 'valkey-server'))
      const { url } = first.server
      const done = await deleteAll(url)
      const before = await pidOf(dataDir)
      await node.kill()
      expect(await isAlive(before)).toBe(true)
      const second = await node.start()
      expect(await isAlive(before)).toBe(false)
      const api = new JobApi(second.server.url)
      expect(await api.get(done)).toMatchObject({ state: 'finished', counters: { done: 3 } })
      await deleteAll(second.server.url)
      const now = await pidOf(dataDir)
      process.kill(now, 'SIGKILL')
      await api.returns(done)
      const last = await pidOf(dataDir)
      expect(last).not.toBe(now)
      expect(await node.stop()).toBe(0)
      expect(await isAlive(last)).toBe(false)
    } finally {
      await node.kill()
      await endServer(dataDir)
      await folder.remove()
    }
  },
  120_000,
)

/** Writes three objects and has a job delete them. @returns its id */
async function deleteAll(url: string): Promise<string> {
  await fetch(`${url}/natives`, { method: 'PUT' })
  for (const key of KEYS) await fetch(`${url}/natives/${key}`, { method: 'PUT', body: key })
  const api = new JobApi(url)
  const { id } = await api.start({ kind: 'delete', bucket: 'ais://natives', args: { all: true } })
  const job = await api.until(id, ({ state }) => state === 'finished' || state === 'failed')
  expect(job).toMatchObject({ state: 'finished', counters: { done: 3 } })
  return id
}

/** Of the server that has the data directory. */
async function pidOf(dataDir: string): Promise<number> {
  return Number(await readFile(join(dataDir, 'redis', 'redis.pid'), 'utf8'))
}

/** False for one that ended and whose parent has not asked how, too. */
async function isAlive(pid: number): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return status !== '' && !/\) Z /.test(status)
}

/** A node that was killed leaves its server. */
async function endServer(dataDir: string): Promise<void> {
  const pid = await pidOf(dataDir).catch(() => 0)
  if (pid > 0 && (await isAlive(pid))) process.kill(pid, 'SIGKILL')
}
