import { mkdir, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { request } from 'undici'
import { makeBody } from '../bodies.ts'
import { REMOTE } from '../fault-node.ts'
import { isDone } from '../s3-client.ts'
import { Checks, type FaultRow, onNode, type Scene } from './row.ts'

/** The whole process with the page cache that it causes (fault table, row 19). */
const LIMIT_BYTES = 512 * 1024 ** 2

/** Control groups of version 1, as this row writes to them. */
const CGROUPS = '/sys/fs/cgroup/memory'

/** Row 19: as many bodies at a time as the memory would not hold. */
export const littleMemory: FaultRow = {
  number: 19,
  title: 'memory limit of 512 MiB: parallel GETs and PUTs of more than that all succeed',
  inTests: false,
  async run({ scale, seed }) {
    const group = join(CGROUPS, `forebay-fault-${process.pid}`)
    try {
      await mkdir(group)
      await writeFile(join(group, 'memory.limit_in_bytes'), String(LIMIT_BYTES))
    } catch (error) {
      await rmdir(group).catch(() => undefined)
      const skipped = `no memory control group of version 1 can be made: ${String(error)}`
      return { figures: '', violations: [], skipped }
    }
    try {
      return await onNode({}, async (scene) => {
        await writeFile(join(group, 'cgroup.procs'), String(scene.server.pid))
        const clients = scale === 'long' ? 100 : 24
        const sizeBytes = (scale === 'long' ? 64 : 32) * 1024 ** 2
        return many(scene, { clients, sizeBytes, seed })
      })
    } finally {
      await rmdir(group).catch(() => undefined)
    }
  },
}

async function many(
  { client, server, origin }: Scene,
  load: { readonly clients: number; readonly sizeBytes: number; readonly seed: number },
) {
  const checks = new Checks()
  const { clients, sizeBytes, seed } = load
  const path = `${REMOTE}/large`
  const body = makeBody({ seed, key: path, version: 1, sizeBytes })
  origin.put(path, body)
  const reads = Array.from({ length: clients }, async (_, index) => {
    const right = await isReadRight(`${server.url}/${path}`, body).catch(() => false)
    checks.that(right, `read ${index} is not right`)
  })
  const writes = Array.from({ length: Math.floor(clients / 4) }, async (_, index) => {
    const answer = await client.put(`${path}-${index}`, body)
    checks.that(isDone(answer), `write ${index} got ${answer?.status}`)
  })
  await Promise.all([...reads, ...writes])
  const alive = await client.get(path, { first: 0, last: 9 })
  checks.that(alive?.status === 206, 'the node is gone')
  const mebibytes = sizeBytes / 1024 ** 2
  const figures = `${clients} GETs and ${writes.length} PUTs of ${mebibytes} MiB at once in 512 MiB`
  return { figures, violations: checks.violations }
}

/** Compares while it reads: the bodies together are larger than this process should be. */
async function isReadRight(url: string, expected: Buffer): Promise<boolean> {
  const { statusCode, body } = await request(url)
  let at = 0
  let same = statusCode === 200
  for await (const chunk of body) {
    const bytes: Buffer = chunk
    same = same && bytes.equals(expected.subarray(at, at + bytes.length))
    at += bytes.length
  }
  return same && at === expected.length
}
