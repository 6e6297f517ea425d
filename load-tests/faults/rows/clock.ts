import { rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { ROOT } from '../../testkit/tool-install.ts'
import { makeBody } from '../bodies.ts'
import { NATIVE, REMOTE } from '../fault-node.ts'
import { Checks, type FaultRow, onNode, pause } from './row.ts'

const MINUTE_MS = 60_000

/** Jumps of the wall clock from the true time, and what a read of a confirmed object is then. */
const JUMPS = [
  { title: '16 minutes ahead', shiftMs: 16 * MINUTE_MS, wanted: ['hit'] },
  { title: 'back to the true time', shiftMs: 0, wanted: ['hit', 'revalidated'] },
  { title: '3 hours ahead', shiftMs: 180 * MINUTE_MS, wanted: ['revalidated'] },
  { title: '16 minutes behind', shiftMs: -16 * MINUTE_MS, wanted: ['revalidated'] },
  { title: '50 years ahead', shiftMs: 50 * 365 * 24 * 60 * MINUTE_MS, wanted: ['revalidated'] },
  { title: 'back to the true time', shiftMs: 0, wanted: ['revalidated'] },
] as const

const PRELOAD = pathToFileURL(join(ROOT, 'load-tests/faults/rows/shifted-clock.ts')).href

/** Row 18: the wall clock of a node that runs jumps. The ttl is two hours. */
export const clockJumps: FaultRow = {
  number: 18,
  title:
    'clock jumps: nothing is fresh from the future, no age is negative, writes and reads go on',
  run: async ({ seed }) => {
    const shiftFile = join(tmpdir(), `forebay-shift-${process.pid}-${seed}`)
    const env = {
      NODE_OPTIONS: `--disable-warning=ExperimentalWarning --import=${PRELOAD}`,
      SHIFT_FILE: shiftFile,
    }
    try {
      return await onNode({ env }, async ({ client, server }) => {
        const checks = new Checks()
        const said: string[] = []
        const path = `${REMOTE}/timed`
        const body = makeBody({ seed, key: path, version: 1, sizeBytes: 30_000 })
        await client.changeBucket(NATIVE, { action: 'create-bck', value: null })
        await client.put(path, body)
        for (const { title, shiftMs, wanted } of JUMPS) {
          await writeFile(shiftFile, String(shiftMs))
          process.kill(server.pid, 'SIGUSR2')
          await pause(50)
          const answer = await client.get(path)
          const cache = String(answer?.headers['forebay-cache'])
          said.push(cache)
          checks.that(answer?.body.equals(body) === true, `${title}: wrong bytes`)
          checks.that(
            wanted.some((word) => word === cache),
            `${title}: ${cache}`,
          )
          const age = Number(answer?.headers['age'] ?? 0)
          checks.that(age >= 0, `${title}: an age of ${age} s`)
          const name = `${NATIVE}/at-${said.length}`
          checks.that((await client.put(name, body))?.status === 200, `${title}: no write`)
          checks.that((await client.get(name))?.status === 200, `${title}: no read`)
        }
        return { figures: said.join(', '), violations: checks.violations }
      })
    } finally {
      await rm(shiftFile, { force: true })
    }
  },
}
