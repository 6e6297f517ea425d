import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Failure } from '@forebay/base/failure'
import { isSaneLmdbFile } from '@forebay/base/lmdb-file'
import { encodeName, type IndexDatabases, openIndexDatabases } from './index-db.ts'
import { listSegments, POSITION_UNIT } from './journal-read.ts'
import { type Mountpath, OWN } from './mountpath.ts'
import { appliedPosition, INDEX_FORMAT } from './record-index.ts'
import type { StoreObserver } from './store-context.ts'

/**
 * Left in the index directory while it is being opened: a crash in between means
 * that it is not to be trusted.
 */
const OPENING = 'opening'

export interface OpenedIndex {
  readonly databases: IndexDatabases
  /** The index is empty and is to be built from the whole journals. */
  readonly rebuild: boolean
}

/**
 * The index environment, a fresh one when the old cannot be used: unreadable, of another format or
 * cluster, older than the journals still know, or fatal to the process that opened it last (a mapped
 * file that was cut short ends the process with SIGBUS).
 *
 * @throws Failure `format-newer`
 */
export async function openIndex(
  directory: string,
  mountpaths: readonly Mountpath[],
  { clusterId, observer }: { readonly clusterId: string; readonly observer: StoreObserver },
): Promise<OpenedIndex> {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const opening = join(directory, OPENING)
  let reason = existsSync(opening) ? 'the last start ended while opening it' : undefined
  if (reason === undefined) {
    writeFileSync(opening, '')
    const databases = tryOpen(directory)
    reason = databases === undefined ? 'unreadable' : distrust(databases, mountpaths, clusterId)
    if (databases !== undefined && reason === undefined) {
      rmSync(opening, { force: true })
      return { databases, rebuild: !isSigned(databases) && hasHistory(mountpaths) }
    }
    await databases?.root.close()
  }
  observer.event('index-rebuilt', { reason: reason ?? 'unreadable' })
  // File by file: the directory holds the lock of this process where it is apart from the mountpaths.
  for (const name of ['data.mdb', 'lock.mdb', OPENING])
    rmSync(join(directory, name), { force: true })
  return { databases: openIndexDatabases(directory), rebuild: true }
}

/** Says who owns an index and that it is complete up to its positions. */
export async function signIndex(databases: IndexDatabases, clusterId: string): Promise<void> {
  await databases.meta.put('identity', { format: INDEX_FORMAT, cluster: clusterId })
}

function tryOpen(directory: string): IndexDatabases | undefined {
  try {
    if (!isSaneLmdbFile(directory)) return undefined
    // Readers of processes that are gone; the directory is ours alone.
    rmSync(join(directory, 'lock.mdb'), { force: true })
    return openIndexDatabases(directory)
  } catch {
    // Whatever lmdb has against the file, the journals know everything that is in it.
    return undefined
  }
}

/** Why the index cannot be used. @returns undefined when it can */
function distrust(
  databases: IndexDatabases,
  mountpaths: readonly Mountpath[],
  clusterId: string,
): string | undefined {
  try {
    const identity = databases.meta.get('identity')
    if (identity === undefined) {
      return isNew(databases) ? undefined : 'it was not finished'
    }
    const { format, cluster }: { format?: unknown; cluster?: unknown } = Object(identity)
    if (typeof format === 'number' && format > INDEX_FORMAT) throw newer(format)
    if (format !== INDEX_FORMAT) return 'of an older format'
    if (cluster !== clusterId) return 'of another cluster'
    return mountpaths.some((mountpath) => isOlder(databases, mountpath))
      ? 'older than the journals'
      : undefined
  } catch (error) {
    if (error instanceof Failure) throw error
    return 'damaged'
  }
}

function newer(format: number): Failure {
  return new Failure(
    'format-newer',
    `the index has format ${format}; this program knows ${INDEX_FORMAT}`,
  )
}

/** True when entries that the index lacks were compacted away, so that a replay would miss removals. */
function isOlder(databases: IndexDatabases, { root, number }: Mountpath): boolean {
  const applied = appliedPosition(databases, number)
  const [oldest] = listSegments(join(root, OWN.journal))
  if (applied === undefined || oldest === undefined) return false
  return applied < oldest.number * POSITION_UNIT
}

function isNew(databases: IndexDatabases): boolean {
  const all = encodeName(0, '') as never
  return databases.records.getKeysCount({ start: all, limit: 1 }) === 0
}

function isSigned(databases: IndexDatabases): boolean {
  return databases.meta.get('identity') !== undefined
}

function hasHistory(mountpaths: readonly Mountpath[]): boolean {
  return mountpaths.some(({ root }) => listSegments(join(root, OWN.journal)).length > 0)
}
