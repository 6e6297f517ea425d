import { setImmediate as turn } from 'node:timers/promises'
import { encodeName } from '../store/index-db.ts'
import { sweepPage } from '../store/scan.ts'
import type { StoreContext } from '../store/store-context.ts'

/** Objects that exist on one mountpath and nowhere else. */
export interface Holding {
  readonly objectCount: number
  readonly bytes: number
}

const PAGE_MAX = 500

/** What of native buckets a mountpath has; what has a backend is not counted. */
export async function holdingOf(context: StoreContext, mountpath: number): Promise<Holding> {
  let objectCount = 0
  let bytes = 0
  await eachRecord(context, mountpath, ({ bucketId, allocatedBytes }) => {
    const bucket = context.bucketOf(bucketId)
    if (bucket === undefined || bucket.backend !== undefined) return
    objectCount += 1
    bytes += allocatedBytes
  })
  return { objectCount, bytes }
}

/** Removes every record of a mountpath that is given up; its files are not touched. */
export async function dropRecords(context: StoreContext, mountpath: number): Promise<void> {
  await eachRecord(context, mountpath, ({ bucketId, key }) => {
    const write = { bucketId, key, entry: undefined, applies: [] }
    // Told by the wait for all writes.
    context.index.write(write)?.catch(() => undefined)
  })
  await context.index.settled()
}

async function eachRecord(
  context: StoreContext,
  mountpath: number,
  visit: (record: {
    readonly bucketId: number
    readonly key: string
    readonly allocatedBytes: number
  }) => void,
): Promise<void> {
  await context.index.settled()
  let start: Uint8Array | undefined = encodeName(0, '')
  while (start !== undefined) {
    const page = sweepPage(context.index.databases, start, PAGE_MAX)
    for (const { bucketId, key, header } of page.entries) {
      // Replaced by a version elsewhere since it was written to the file.
      const now = context.index.header({ bucketId, key })
      if (header.mountpath !== mountpath || now?.mountpath !== mountpath) continue
      visit({ bucketId, key, allocatedBytes: header.allocatedBytes })
    }
    start = page.next
    await turn()
  }
}
