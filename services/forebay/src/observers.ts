import { isFailure } from '@forebay/base/failure'
import type { Logger } from '@forebay/observe/logger'
import type { BucketTallies, Metrics } from '@forebay/observe/metrics'
import type { CacheStatus } from '@forebay/peer/target-port'
import type { ObjectObserver } from '@forebay/target/objects/context'
import type { StoreEvent, StoreObserver } from '@forebay/target/store/store-context'

/** Sums over all buckets, for `forebay status`. */
export interface CacheTotals {
  hits: number
  misses: number
  partial: number
  stale: number
  bytesFromCache: number
  bytesFromBackend: number
}

/**
 * Counts what the flows of objects report, in metrics and in totals; warnings go to the log.
 *
 * @param answered told what clients were answered, for what it would have cost at the store
 */
export function createObjectObserver(
  metrics: Metrics,
  logger: Logger,
  answered: (bucket: string, requests: number, bytes: number) => void,
): ObjectObserver & { readonly totals: CacheTotals } {
  const totals: CacheTotals = {
    hits: 0,
    misses: 0,
    partial: 0,
    stale: 0,
    bytesFromCache: 0,
    bytesFromBackend: 0,
  }
  let lastName = ''
  let last: BucketTallies | undefined
  // Reads come in runs of one bucket: the last one's counters are at hand without a look-up.
  const talliesOf = (bucket: string): BucketTallies => {
    if (last === undefined || bucket !== lastName) {
      last = metrics.bucket(bucket)
      lastName = bucket
    }
    return last
  }
  return {
    totals,
    read: (bucket, status) => {
      countStatus(totals, status)
      talliesOf(bucket).reads[status].add(1)
      answered(bucket, 1, 0)
    },
    served: (bucket, source, bytes) => {
      answered(bucket, 0, bytes)
      const tallies = talliesOf(bucket)
      if (source === 'cache') {
        totals.bytesFromCache += bytes
        tallies.cacheBytes.add(bytes)
      } else {
        totals.bytesFromBackend += bytes
        tallies.backendBytes.add(bytes)
      }
    },
    listed: (seeks) => metrics.countListSeeks(seeks),
    written: (bucket, bytes) => talliesOf(bucket).writtenBytes.add(bytes),
    warn: (event, facts) => {
      const { error, ...rest } = facts
      const code = isFailure(error) ? error.code : undefined
      logger.warn({ ...rest, code, err: error }, event)
    },
  }
}

function countStatus(totals: CacheTotals, status: CacheStatus): void {
  switch (status) {
    case 'hit':
    case 'revalidated':
      totals.hits += 1
      return
    case 'partial':
      totals.partial += 1
      return
    case 'stale':
      totals.stale += 1
      return
    case 'miss':
    case 'bypass':
      totals.misses += 1
      return
    default:
      status satisfies never
  }
}

/** Events of the store that somebody should look at. */
const ALARMING: ReadonlySet<StoreEvent> = new Set([
  'index-rebuilt',
  'journal-damaged',
  'unclean-boot',
  'copy-adopted',
  'record-corrupt',
  'file-left-behind',
  'sync-failed',
  'compaction-failed',
  'eviction-short',
  'mountpath-attached',
  'mountpath-detached',
  'mountpath-disabled',
  'mountpath-draining',
  'mountpath-enabled',
  'mountpath-faulted',
  'mountpath-failing',
  'drain-failed',
])

/** Events that tell of damage on disk, and what was damaged. */
const DAMAGED: ReadonlyMap<StoreEvent, 'object' | 'journal' | 'index'> = new Map([
  ['record-corrupt', 'object'],
  ['journal-damaged', 'journal'],
  ['index-rebuilt', 'index'],
])

export function createStoreObserver(metrics: Metrics, logger: Logger): StoreObserver {
  return {
    event: (name, facts) => {
      if (name === 'evicted') {
        metrics.countEviction('space', Number(facts['bytes']), Number(facts['objects']))
      }
      if (name === 'expired') {
        metrics.countEviction('expired', Number(facts['bytes']), Number(facts['objects']))
      }
      const damaged = DAMAGED.get(name)
      if (damaged !== undefined) metrics.countDamage(damaged)
      if (ALARMING.has(name)) logger.warn(facts, name)
      else logger.debug(facts, name)
    },
  }
}
