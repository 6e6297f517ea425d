import { bursts, names, silence, spoiltBodies } from './backend-answers.ts'
import { behindTheCache, betweenRanges, evictReadWrite, herd } from './changing-objects.ts'
import { massDelete } from './mass-delete.ts'
import type { FaultRow } from './row.ts'

/** Rows of the table of faults that concern one node, as they can be played here. */
export const ROWS: readonly FaultRow[] = [
  bursts,
  silence,
  spoiltBodies,
  betweenRanges,
  behindTheCache,
  herd,
  names,
  evictReadWrite,
  massDelete,
]
