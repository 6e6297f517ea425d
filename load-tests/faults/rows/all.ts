import { bursts, names, silence, spoiltBodies } from './backend-answers.ts'
import { certificates } from './certificates.ts'
import { behindTheCache, betweenRanges, evictReadWrite, herd } from './changing-objects.ts'
import { badClients } from './clients.ts'
import { clockJumps } from './clock.ts'
import { credentials } from './credentials.ts'
import { documents } from './documents.ts'
import { SHOWN_ELSEWHERE } from './elsewhere.ts'
import { fullDisk } from './full-disk.ts'
import { massDelete } from './mass-delete.ts'
import { littleMemory } from './memory.ts'
import type { FaultRow } from './row.ts'
import { hungDisk, slowDisk } from './slow-disks.ts'
import { failingSyncs } from './syncs.ts'
import { unreadableDisk } from './unreadable-disk.ts'

/** Rows of the table of faults that concern one node, by their numbers. */
export const ROWS: readonly FaultRow[] = [
  ...SHOWN_ELSEWHERE,
  fullDisk,
  unreadableDisk,
  failingSyncs,
  slowDisk,
  hungDisk,
  bursts,
  silence,
  spoiltBodies,
  betweenRanges,
  behindTheCache,
  clockJumps,
  littleMemory,
  badClients,
  herd,
  documents,
  names,
  certificates,
  credentials,
  evictReadWrite,
  massDelete,
].toSorted((one, other) => one.number - other.number)
