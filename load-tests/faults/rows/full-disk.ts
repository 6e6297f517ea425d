import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { runCommand } from '../../testkit/run-command.ts'
import { temporaryFolder } from '../../testkit/servers.ts'
import { makeBody } from '../bodies.ts'
import { NATIVE } from '../fault-node.ts'
import { isDone, type S3Client } from '../s3-client.ts'
import { Checks, type FaultRow, onNode, type RowReport, until } from './row.ts'

/** How soon writes must succeed again once there is room, ms. */
const RECOVERY_MS = 5000

const CLIENTS = 8

const DISKS = [
  { title: 'bytes', options: 'size=32m', bodyBytes: 600_000 },
  { title: 'inodes', options: 'size=256m,nr_inodes=160', bodyBytes: 2000 },
] as const

/** Row 4: a file system without room, and one without inodes. */
export const fullDisk: FaultRow = {
  number: 4,
  title: 'disk full: a clear refusal, what is there is served, and writes go on when there is room',
  inTests: false,
  async run() {
    if (process.getuid?.() !== 0) {
      return { figures: '', violations: [], skipped: 'mounting a file system needs root' }
    }
    const reports: RowReport[] = []
    for (const disk of DISKS) reports.push(await fill(disk))
    return {
      figures: reports.map(({ figures }) => figures).join('; '),
      violations: reports.flatMap(({ violations }) => violations),
    }
  },
}

async function fill(disk: (typeof DISKS)[number]): Promise<RowReport> {
  const folder = await temporaryFolder('full-disk')
  const mountpath = join(folder.path, 'disk')
  await mkdir(mountpath)
  await runCommand('mount', ['-t', 'tmpfs', '-o', disk.options, 'tmpfs', mountpath])
  try {
    return await onNode({ args: ['--mountpath', mountpath] }, ({ client }) =>
      fillAndEmpty(client, disk),
    )
  } finally {
    await runCommand('umount', [mountpath])
    await folder.remove()
  }
}

async function fillAndEmpty(client: S3Client, disk: (typeof DISKS)[number]): Promise<RowReport> {
  const checks = new Checks()
  const { title, bodyBytes } = disk
  const bodyOf = (path: string): Buffer =>
    makeBody({ seed: 4, key: path, version: 1, sizeBytes: bodyBytes })
  await client.changeBucket(NATIVE, { action: 'create-bck', value: null })
  const written: string[] = []
  const refused = new Map<number, number>()
  let next = 0
  const work = async (): Promise<void> => {
    for (let refusals = 0; refusals < 3 && next < 2000; ) {
      const path = `${NATIVE}/object-${next++}`
      const answer = await client.put(path, bodyOf(path))
      if (isDone(answer)) {
        written.push(path)
        continue
      }
      refusals += 1
      const status = answer?.status ?? 0
      refused.set(status, (refused.get(status) ?? 0) + 1)
      const clear = [507, 503].includes(status)
      checks.that(clear, `${title}: a write got ${status} ${answer?.body.toString().slice(0, 300)}`)
    }
  }
  await Promise.all(Array.from({ length: CLIENTS }, work))
  checks.that(refused.size > 0, `${title}: the disk was not filled`)
  for (const path of written) {
    const answer = await client.get(path)
    const right = answer?.status === 200 && answer.body.equals(bodyOf(path))
    checks.that(right, `${title}: ${path} is ${answer?.status} on the full disk`)
  }
  for (const path of written) {
    const answer = await client.delete(path)
    checks.that(answer?.status === 204, `${title}: ${path} cannot be deleted: ${answer?.status}`)
  }
  const again = `${NATIVE}/again`
  const backMs = await until(
    async () => isDone(await client.put(again, bodyOf(again))),
    RECOVERY_MS,
  )
  checks.that(backMs <= RECOVERY_MS, `${title}: no write within ${RECOVERY_MS} ms of the room`)
  const said = [...refused].map(([status, count]) => `${count} x ${status}`).join(', ')
  return {
    figures: `${title}: ${written.length} written, then ${said}, writes again after ${backMs.toFixed(0)} ms`,
    violations: checks.violations,
  }
}
