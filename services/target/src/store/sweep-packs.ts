import { setImmediate as turn } from 'node:timers/promises'
import { BlockSet } from './block-set.ts'
import { encodeName } from './index-db.ts'
import { packPlaceOf } from './pack-place.ts'
import { sweepPage } from './scan.ts'
import type { Drive, StoreContext } from './store-context.ts'

/** Entries of the index that are looked at between two turns of the event loop. */
const PAGE_MAX = 500

/** What records have in the packs of a mountpath, by pack. */
type Taken = Map<string, BlockSet>

/**
 * Gives back what earlier processes left in the packs of mountpaths and no record has: what a crash
 * kept from being recorded, or from becoming a hole. May run while the store serves.
 *
 * @throws the signal's reason
 */
export async function sweepPacks(
  context: StoreContext,
  drives: readonly Drive[],
  signal: AbortSignal,
): Promise<void> {
  const taken = new Map<number, Taken>(drives.map(({ mountpath }) => [mountpath.number, new Map()]))
  let looking: Promise<void> | undefined
  const sweeps = drives.map(({ packs, mountpath }) =>
    packs.sweep(async () => {
      looking ??= lookUp(context, taken, signal)
      await looking
      return taken.get(mountpath.number) ?? new Map()
    }),
  )
  await Promise.all(sweeps)
}

/** Asks the index once for all mountpaths. What is removed from here on, the packs are told. */
async function lookUp(
  context: StoreContext,
  taken: ReadonlyMap<number, Taken>,
  signal: AbortSignal,
): Promise<void> {
  await context.index.settled()
  let start: Uint8Array | undefined = encodeName(0, '')
  while (start !== undefined) {
    signal.throwIfAborted()
    const page = sweepPage(context.index.databases, start, PAGE_MAX)
    for (const { header } of page.entries) {
      const packs = taken.get(header.mountpath)
      const place = packs && packPlaceOf(header.path)
      if (packs === undefined || place === undefined) continue
      const known = packs.get(place.file) ?? new BlockSet()
      known.add(place)
      packs.set(place.file, known)
    }
    start = page.next
    await turn()
  }
}
