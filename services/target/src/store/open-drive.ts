import { join } from 'node:path'
import { BusySet } from '@forebay/base/busy-map'
import type { Clock } from '@forebay/base/clock'
import type { Evictor } from '../space/evictor.ts'
import { DriveSpace, WATERMARKS_DEFAULT, type Watermarks } from '../space/space.ts'
import type { FdCache } from './fd-cache.ts'
import { Journal } from './journal.ts'
import { listSegments } from './journal-read.ts'
import { type Mountpath, OWN } from './mountpath.ts'
import { isUncleanBoot, readState } from './mountpath-state.ts'
import { PackReaders } from './pack-readers.ts'
import { Packs } from './packs.ts'
import type { RecordIndex } from './record-index.ts'
import { SpareFiles } from './spare-files.ts'
import type { Drive, StoreObserver } from './store-context.ts'
import { Trash } from './trash.ts'

/** What a mountpath's own parts are made with. */
export interface DriveOptions {
  readonly clock: Clock
  readonly observer: StoreObserver
  readonly watermarks?: Watermarks | undefined
  readonly capacityBytes?: number | undefined
}

/** Parts that need the drives, and that the drives need. */
export interface LateParts {
  index?: RecordIndex
  evictor?: Evictor
  files?: FdCache
  /** By mountpath, also of those that left: they come back to who reads on. */
  readonly readers: Map<number, PackReaders>
}

/** Makes a mountpath ready for work, with a fresh segment of its journal; earlier ones are unread. */
export async function openDrive(
  mountpath: Mountpath,
  options: DriveOptions,
  late: Readonly<LateParts>,
): Promise<Drive> {
  const { root, number } = mountpath
  const directory = join(root, OWN.journal)
  const last = listSegments(directory).at(-1)?.number ?? 0
  const space = new DriveSpace({
    root,
    capacityBytes: options.capacityBytes,
    watermarks: options.watermarks ?? WATERMARKS_DEFAULT,
    usedBytes: () => late.index?.mountpathTally(number).bytes ?? 0,
    monotonic: () => options.clock.monotonic(),
    sleep: (ms) => options.clock.sleep(ms),
    makeRoom: () => late.evictor?.makeRoom(number) ?? Promise.resolve(false),
  })
  const onTrouble = (path: string, code: string): void =>
    options.observer.event('file-left-behind', { path, code })
  const trash = new Trash(root, onTrouble)
  const readers = late.readers.get(number) ?? new PackReaders()
  late.readers.set(number, readers)
  const state = readState(root) ?? {
    identity: mountpath.identity,
    syncedBelow: 0,
    suspectBelow: 0,
    // A mountpath without a journal is new: there is nothing to doubt.
    clean: last === 0,
  }
  return {
    mountpath,
    digest: mountpath.digest,
    // One number is left free for the snapshot that may follow.
    journal: await Journal.open(directory, last + 1),
    space,
    trash,
    inFlight: new BusySet(),
    openWork: new BusySet(),
    spares: new SpareFiles(root),
    packs: new Packs({
      ...mountpath,
      readers,
      shed: () => late.files?.shed() ?? false,
      onTrouble,
    }),
    state,
    uncleanBoot: last > 0 && isUncleanBoot(readState(root), mountpath.identity),
    unsyncedCommits: 0,
  }
}
