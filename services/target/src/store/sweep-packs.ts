import { setImmediate as turn } from 'node:timers/promises'
import { encodeName } from './index-db.ts'
import { type PackPlace, packPlaceOf } from './pack-place.ts'
import { sweepPage } from './scan.ts'
import type { Drive, StoreContext } from './store-context.ts'

/** Entries of the index that are looked at between two turns of the event loop. */
const PAGE_MAX = 500

/**
 * Gives back what earlier processes left in the packs of a mountpath and no record has: what a crash
 * kept from being recorded, or from becoming a hole. May run while the store serves.
 */
export function sweepPacks(context: StoreContext, { packs, mountpath }: Drive): Promise<void> {
  return packs.sweep(() => placesIn(context, mountpath.number))
}

async function placesIn(
  context: StoreContext,
  mountpath: number,
): Promise<ReadonlyMap<string, readonly PackPlace[]>> {
  // What is removed from here on, the packs are told.
  await context.index.settled()
  const places = new Map<string, PackPlace[]>()
  let start: Uint8Array | undefined = encodeName(0, '')
  while (start !== undefined) {
    const page = sweepPage(context.index.databases, start, PAGE_MAX)
    for (const { header } of page.entries) {
      const place = header.mountpath === mountpath ? packPlaceOf(header.path) : undefined
      if (place === undefined) continue
      const known = places.get(place.file)
      if (known === undefined) places.set(place.file, [place])
      else known.push(place)
    }
    start = page.next
    await turn()
  }
  return places
}
