import { rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { ROOT } from '../../testkit/tool-install.ts'
import { type BodyName, describeBytes, makeBody } from '../bodies.ts'
import { NATIVE } from '../fault-node.ts'
import { isDone } from '../s3-client.ts'
import { Checks, type FaultRow, onNode, pause, type Scene } from './row.ts'

const PRELOAD = pathToFileURL(join(ROOT, 'load-tests/faults/rows/broken-disk.ts')).href

/** Syncs and renames of one PUT; when none of so many fails, something is wrong with this row. */
const STEPS_MAX = 40

/** Row 7: each sync and each rename of a PUT fails in turn, then all of them do. */
export const failingSyncs: FaultRow = {
  number: 7,
  title:
    'a sync or a rename fails: never 200; the old version or the new one, whole, also after a restart',
  async run({ seed }) {
    const file = join(tmpdir(), `forebay-broken-disk-${process.pid}-${seed}`)
    const env = {
      NODE_OPTIONS: `--disable-warning=ExperimentalWarning --import=${PRELOAD}`,
      BROKEN_DISK_FILE: file,
    }
    try {
      return await onNode({ env }, (scene) => failInTurn(scene, { seed, file }))
    } finally {
      await rm(file, { force: true })
    }
  },
}

async function failInTurn(scene: Scene, given: { readonly seed: number; readonly file: string }) {
  const checks = new Checks()
  const { seed, file } = given
  const path = `${NATIVE}/synced`
  const name = (version: number): BodyName => ({ seed, key: path, version, sizeBytes: 40_000 })
  await scene.client.changeBucket(NATIVE, { action: 'create-bck', value: null })
  let running = { client: scene.client, server: scene.server }
  const breakAt = async (step: string): Promise<void> => {
    await writeFile(file, step)
    process.kill(running.server.pid, 'SIGUSR2')
    await pause(50)
  }
  /** What the key may hold. */
  let possible: readonly BodyName[] = [name(0)]
  const look = async (when: string): Promise<void> => {
    const answer = await running.client.get(path)
    const found = possible.find((each) => answer?.body.equals(makeBody(each)) === true)
    if (answer?.status === 200 && found !== undefined) possible = [found]
    else
      checks.that(
        false,
        `${when}: ${answer?.status}: ${describeBytes(answer?.body ?? Buffer.alloc(0), possible)}`,
      )
  }
  checks.that(isDone(await running.client.put(path, makeBody(name(0)))), 'no first version')
  let refused = 0
  let restarts = 0
  let step = 0
  for (; step < STEPS_MAX; step++) {
    const next = name(step + 1)
    await breakAt(String(step))
    const answer = await running.client.put(path, makeBody(next))
    await breakAt('')
    const done = isDone(answer)
    possible = done ? [next] : [...possible, next]
    await look(`after step ${step} failed`)
    if (done) break
    refused += 1
    checks.that((answer?.status ?? 0) >= 500, `step ${step} failed: ${answer?.status}`)
    // A journal that could not be synced takes nothing more: that is for the next start.
    if (isDone(await running.client.put(`${NATIVE}/probe`, Buffer.from('probe')))) continue
    await scene.node.stop().catch(() => null)
    running = await scene.node.start()
    restarts += 1
    await look(`after the restart that followed step ${step}`)
  }
  checks.that(refused > 0, 'no step of a PUT failed')
  checks.that(step < STEPS_MAX, 'a PUT never succeeded')
  await breakAt('-1')
  const never = await running.client.put(`${NATIVE}/never`, Buffer.from('never'))
  checks.that(!isDone(never), 'a PUT whose syncs all fail was acknowledged')
  await scene.node.kill()
  running = await scene.node.start()
  await look('at the end')
  checks.that(isDone(await running.client.put(path, makeBody(name(99)))), 'no write at the end')
  const figures = `${step} steps failed one by one, ${refused} PUTs refused, ${restarts} restarts needed`
  return { figures, violations: checks.violations }
}
