import { describeBytes } from '../bodies.ts'
import { isDone } from '../s3-client.ts'
import { Checks, type FaultRow, type RowReport, until } from './row.ts'
import { bodyOf, cannotMount, onTwoDisks, stateOf, type TwoDisks } from './two-disks.ts'

/** How soon a disk that reads nothing is out of service under reads, ms. */
const LEAVES_MS = 30_000

/** Row 5: a disk answers every read with EIO. */
export const unreadableDisk: FaultRow = {
  number: 5,
  title:
    'a disk reads nothing any more: copies come from the store, its mountpath leaves, others serve',
  inTests: false,
  run: async () =>
    cannotMount()
      ? { figures: '', violations: [], skipped: 'mounting a disk needs root' }
      : onTwoDisks({}, readNothing),
}

async function readNothing(scene: TwoDisks): Promise<RowReport> {
  const { client, natives, copies, others, failing } = scene
  const checks = new Checks()
  checks.that(natives.length > 0 && copies.length > 0, 'nothing is on the failing disk')
  await scene.breakDisk()
  const said = { right: 0, refused: 0, broken: 0 }
  const readAll = async (): Promise<void> => {
    for (const path of copies) {
      const answer = await client.get(path)
      const right = answer?.status === 200 && answer.body.equals(bodyOf(path))
      if (
        checks.that(
          right,
          `the copy ${path} is ${answer?.status}: ${describeBytes(answer?.body ?? Buffer.alloc(0), [])}`,
        )
      )
        said.right += 1
    }
    for (const path of natives) {
      const answer = await client.get(path)
      const clear = answer === undefined || answer.status >= 500
      checks.that(clear, `the native ${path} is ${answer?.status}, and cannot be`)
      if (answer === undefined) said.broken += 1
      else said.refused += 1
    }
    for (const path of others) {
      const answer = await client.get(path)
      const right = answer?.status === 200 && answer.body.equals(bodyOf(path))
      checks.that(right, `${path} of the other mountpath is ${answer?.status}`)
    }
  }
  const leftMs = await until(async () => {
    await readAll()
    return (await stateOf(client, failing)) === 'faulted'
  }, LEAVES_MS)
  checks.that(leftMs <= LEAVES_MS, `it is ${await stateOf(client, failing)} after ${LEAVES_MS} ms`)
  await readAll()
  const health = await client.ask({ method: 'GET', target: '/v1/health?readiness=true' })
  checks.that(health?.status === 200, `the node is ${health?.status} with a mountpath left`)
  for (const path of [...natives, ...copies]) {
    checks.that(isDone(await client.put(path, bodyOf(path))), `${path} cannot be written anew`)
  }
  return {
    figures: `out of service after ${leftMs.toFixed(0)} ms; copies ${said.right} x right, natives ${said.refused} x 5xx and ${said.broken} x cut`,
    violations: checks.violations,
  }
}
