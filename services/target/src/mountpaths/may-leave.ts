import { Failure } from '@forebay/base/failure'
import type { DriveTable } from '../store/drive-table.ts'
import type { Drive, StoreContext } from '../store/store-context.ts'
import { type Holding, holdingOf } from './holding.ts'

/** What is asked whether a mountpath may leave. */
export interface Remaining {
  readonly context: StoreContext
  readonly table: DriveTable
  /** Number of the mountpath with the index; undefined when the index lies apart. */
  readonly indexOn: number | undefined
}

/**
 * Why the node cannot be without a mountpath, as the rest of a sentence that begins with its name.
 *
 * @returns undefined when it can
 */
export function whyNeeded(drive: Drive, { table, indexOn }: Remaining): string | undefined {
  if (drive.mountpath.number === indexOn) {
    return 'has the index of the node: set store.indexDir and restart to be able to do without it'
  }
  const others = table.placed.filter((other) => other !== drive)
  return others.length === 0 ? 'is the last one: attach another before' : undefined
}

/** @throws Failure `out-of-space` when the others have no room for what only this mountpath has */
export async function checkRoom(drive: Drive, path: string, remaining: Remaining): Promise<void> {
  const { context, table } = remaining
  const held = await holdingOf(context, drive.mountpath.number)
  const room = table.placed
    .filter((other) => other !== drive)
    .reduce((sum, { space }) => sum + space.roomBytes, 0)
  if (held.bytes <= room) return
  throw new Failure(
    'out-of-space',
    `mountpath ${path} has ${held.objectCount} objects, ${held.bytes} bytes, that exist only there; the others have room for ${room}`,
    { hint: 'Make room or attach another mountpath; --force leaves without them.' },
  )
}

/** For one that is out of service already. @throws Failure `argument-invalid` when objects are only there */
export function checkLosesNothing(path: string, { objectCount, bytes }: Holding): void {
  if (objectCount === 0) return
  throw new Failure(
    'argument-invalid',
    `mountpath ${path} is out of service and has ${objectCount} objects, ${bytes} bytes, that exist only there`,
    { hint: 'Enable it first and detach it then; --force gives the objects up.' },
  )
}
