import { join } from 'node:path'
import { temporaryFolder } from '../testkit/servers.ts'
import { FaultNode, NATIVE, REMOTE } from './fault-node.ts'
import { MixedLoad, type Tally } from './mixed-load.ts'
import { Random } from './random.ts'
import { S3Origin } from './s3-origin.ts'

/** The process lives this long under load, ms: long enough for an upload of any size to be hit. */
const LIFE_MS_MIN = 30
const LIFE_MS_MAX = 1200

/** One mutation in ten is applied this late at the origin, at most: after the node has died, too. */
const ORIGIN_DELAY_MS_MAX = 200

/** What came of the rounds. */
export type KillReport = {
  readonly roundCount: number
  readonly tally: Tally
  /** Answers that no history explains, each with its round and key. Wanted: none. */
  readonly violations: readonly string[]
}

/**
 * Kills a node by SIGKILL at random moments of a mixed load, starts it again and compares every key,
 * `rounds` times on one data directory. Stops at the first round with a violation.
 */
export async function killRounds(options: {
  readonly seed: number
  readonly rounds: number
  readonly say?: (line: string) => void
}): Promise<KillReport> {
  const { seed, rounds, say } = options
  const folder = await temporaryFolder('kill')
  const origin = await S3Origin.start()
  const random = new Random(seed, 'kill')
  const late = new Random(seed, 'origin')
  origin.behave = () => (late.below(10) > 0 ? {} : { delayMs: late.below(ORIGIN_DELAY_MS_MAX) })
  const node = new FaultNode({ dataDir: join(folder.path, 'node'), originUrl: origin.url })
  const load = new MixedLoad(seed, origin)
  const violations: string[] = []
  let round = 0
  try {
    await prepare(node, load)
    for (; round < rounds && violations.length === 0; round++) {
      const { client } = await node.start()
      const left = await node.workFiles()
      if (round > 0 && left.length > 0) violations.push(`work files are left: ${left.join(' ')}`)
      await load.readBack(client)
      const stop = new AbortController()
      const running = load.run(client, round, stop.signal)
      await wait(LIFE_MS_MIN + random.below(LIFE_MS_MAX - LIFE_MS_MIN))
      stop.abort()
      await node.kill()
      await running
      violations.push(...load.violations.map((line) => `seed ${seed} round ${round}: ${line}`))
      if (round % 10 === 9) say?.(`${round + 1} rounds, ${load.tally.acknowledged} writes`)
    }
    const { client } = await node.start()
    await load.readBack(client)
    violations.push(...load.violations.slice(violations.length))
    return { roundCount: round, tally: load.tally, violations }
  } finally {
    await node.kill()
    await origin.close()
    await folder.remove()
  }
}

async function prepare(node: FaultNode, load: MixedLoad): Promise<void> {
  const { client } = await node.start()
  await client.changeBucket(NATIVE, { action: 'create-bck', value: null })
  await load.prepare(client)
  await client.changeBucket(REMOTE, {
    action: 'set-bprops',
    value: { forebay: { blockSize: '64KiB', sparseThreshold: '256KiB' } },
  })
  await node.kill()
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
