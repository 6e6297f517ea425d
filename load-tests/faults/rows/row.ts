import { join } from 'node:path'
import { temporaryFolder } from '../../testkit/servers.ts'
import { FaultNode, type NodeChanges, type Running } from '../fault-node.ts'
import { S3Origin } from '../s3-origin.ts'

export type RowContext = {
  readonly seed: number
  /** `short` takes a few seconds and is part of `npm test`; `long` is what the row asks for. */
  readonly scale: 'short' | 'long'
}

export type RowReport = {
  /** What was measured, in one line. */
  readonly figures: string
  /** What broke the promise. Wanted: nothing. */
  readonly violations: readonly string[]
  /** Why it could not be tried here. */
  readonly skipped?: string
}

/** One row of the table of faults in `docs/faults.md`. */
export type FaultRow = {
  readonly number: number
  readonly title: string
  /** False for what is a test of its own in `npm test`, or too long for it. */
  readonly inTests?: boolean
  run(context: RowContext): Promise<RowReport>
}

/** A node over an origin, in a folder of its own. */
export type Scene = Running & {
  readonly origin: S3Origin
  readonly node: FaultNode
  readonly dataDir: string
}

/** Plays with a node that runs, and clears everything away. @param args `--set` arguments and the like */
export async function onNode<T>(
  options: NodeChanges,
  play: (scene: Scene) => Promise<T>,
): Promise<T> {
  const folder = await temporaryFolder('fault-row')
  const origin = await S3Origin.start()
  const dataDir = join(folder.path, 'node')
  const node = new FaultNode({ dataDir, originUrl: origin.url, ...options })
  try {
    return await play({ ...(await node.start()), origin, node, dataDir })
  } finally {
    await node.kill()
    await origin.close()
    await folder.remove()
  }
}

/** Collects what breaks the promise. */
export class Checks {
  readonly violations: string[] = []

  /** @returns `good`, so that a row can go on or not */
  that(good: boolean, what: string): boolean {
    if (!good) this.violations.push(what)
    return good
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Waits until `isSo`. @returns how long it took, ms; infinite when it did not come to be in time */
export async function until(isSo: () => Promise<boolean>, timeoutMs: number): Promise<number> {
  const startedMs = performance.now()
  while (performance.now() - startedMs < timeoutMs) {
    if (await isSo()) return performance.now() - startedMs
    await pause(50)
  }
  return Number.POSITIVE_INFINITY
}
