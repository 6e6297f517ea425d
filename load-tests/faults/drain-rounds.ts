import { join } from 'node:path'
import { temporaryFolder } from '../testkit/servers.ts'
import { FaultNode, NATIVE } from './fault-node.ts'
import { MixedLoad } from './mixed-load.ts'
import { S3Origin } from './s3-origin.ts'

/** Load before the signal, ms. */
const LOAD_MS = 1000

/** What came of one SIGTERM under load. */
export type DrainReport = {
  readonly exitStatus: number | null
  readonly acknowledged: number
  readonly violations: readonly string[]
}

/** Ends a node by SIGTERM in the middle of a mixed load and looks at every key after its restart. */
export async function drainRound(seed: number): Promise<DrainReport> {
  const folder = await temporaryFolder('drain')
  const origin = await S3Origin.start()
  const node = new FaultNode({ dataDir: join(folder.path, 'node'), originUrl: origin.url })
  const load = new MixedLoad(seed, origin)
  try {
    const { client, server } = await node.start()
    await client.changeBucket(NATIVE, { action: 'create-bck', value: null })
    await load.prepare(client)
    const stop = new AbortController()
    const running = load.run(client, 0, stop.signal)
    await new Promise((resolve) => setTimeout(resolve, LOAD_MS))
    // The clients go on: those that are served may finish, the others are turned away.
    const ended = server.stop()
    await new Promise((resolve) => setTimeout(resolve, 50))
    stop.abort()
    const exitStatus = await ended
    await running
    await client.close()
    const { acknowledged } = load.tally
    const again = await node.start()
    await load.readBack(again.client)
    return { exitStatus, acknowledged, violations: load.violations }
  } finally {
    await node.kill()
    await origin.close()
    await folder.remove()
  }
}
