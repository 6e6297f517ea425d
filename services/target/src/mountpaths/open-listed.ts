import type { Clock } from '@forebay/base/clock'
import { Failure, isFailure } from '@forebay/base/failure'
import { type Mountpath, openMountpath, readMarker } from '../store/mountpath.ts'
import { type MountpathRow, readMountpathTable } from './mountpath-table.ts'

/** What a start found of the mountpaths that the node is to have. */
export interface Listed {
  /** In the order of the settings, then in that of their coming. */
  readonly open: readonly {
    readonly mountpath: Mountpath
    readonly row: MountpathRow
    readonly draining: boolean
  }[]
  /** Not in service. */
  readonly away: readonly MountpathRow[]
  /** Of the settings, left alone because they were detached. */
  readonly detached: readonly string[]
}

export interface ListOptions {
  /** Those of the settings. */
  readonly mountpaths: readonly { readonly path: string }[]
  readonly mountpathTable?: string | undefined
  readonly indexDir?: string | undefined
  readonly clusterId: string
  readonly clock: Clock
}

/**
 * Opens the mountpaths that are to be in service. One that was in use and is not there is left out:
 * an empty directory in its place is a disk that is not mounted, and objects do not go there.
 *
 * @throws Failure `setting-invalid` when none is left, when the one with the index is not there, when
 *   one is in use or of another cluster; `format-newer`
 */
export async function openListed(options: ListOptions): Promise<Listed> {
  const table = readMountpathTable(options.mountpathTable)
  const rows = new Map(table.rows.map((row) => [row.path, row]))
  const settled = options.mountpaths
    .map(({ path }) => path)
    .filter((path) => !table.detached.includes(path))
  const attached = table.rows.filter((row) => row.attached).map(({ path }) => path)
  const open: { mountpath: Mountpath; row: MountpathRow; draining: boolean }[] = []
  const away: MountpathRow[] = []
  try {
    for (const path of new Set([...settled, ...attached])) {
      const row = rows.get(path)
      const found = await openOne(path, row, options)
      if ('state' in found) away.push(found)
      else open.push({ ...found, draining: found.row.state === 'draining' })
      if (open.length === 0 && options.indexDir === undefined) throw indexAway(path, away)
    }
    checkNumbers(open.map(({ mountpath }) => mountpath))
    if (open.length === 0 || open.every(({ draining }) => draining)) throw noneLeft(away)
  } catch (error) {
    for (const { mountpath } of open) await mountpath.close()
    throw error
  }
  const listed = new Set([...open.map(({ row }) => row.path), ...away.map(({ path }) => path)])
  // Of a mountpath that the settings do not name any more the row stays, should they name it again.
  const unlisted = table.rows.filter(({ path }) => !listed.has(path))
  return { open, away: [...away, ...unlisted.map(leave)], detached: table.detached }
}

async function openOne(
  path: string,
  row: MountpathRow | undefined,
  { clusterId, clock }: ListOptions,
): Promise<MountpathRow | { readonly mountpath: Mountpath; readonly row: MountpathRow }> {
  const sinceMs = clock.now()
  if (row === undefined) {
    const mountpath = await openMountpath(path, clusterId)
    return { mountpath, row: newRow({ path, mountpath, attached: false, sinceMs }) }
  }
  if (row.state === 'disabled' || row.state === 'faulted') return row
  const reason = whyAway(path, row)
  if (reason !== undefined) return { ...row, state: 'faulted', reason, sinceMs, replay: 'tail' }
  try {
    return { mountpath: await openMountpath(path, clusterId), row }
  } catch (error) {
    if (!isFailure(error, 'disk-error')) throw error
    return { ...row, state: 'faulted', reason: error.message, sinceMs, replay: 'tail' }
  }
}

/** The row of a mountpath that has just been opened for the first time. */
export function newRow(facts: {
  readonly path: string
  readonly mountpath: Mountpath
  readonly attached: boolean
  readonly sinceMs: number
}): MountpathRow {
  const { path, mountpath, attached, sinceMs } = facts
  const { number, uuid } = mountpath
  return { path, number, uuid, state: 'enabled', attached, sinceMs, replay: 'none', returnsMs: [] }
}

/** Why a directory is not the mountpath that it was. @returns undefined when it is */
export function whyAway(path: string, { uuid }: Pick<MountpathRow, 'uuid'>): string | undefined {
  try {
    const marker = readMarker(path)
    if (marker === undefined) return 'it is not there; its disk may not be mounted'
    return marker.uuid === uuid ? undefined : 'another mountpath is in its place'
  } catch (error) {
    if (isFailure(error, 'disk-error', 'setting-invalid')) return error.message
    throw error
  }
}

function leave(row: MountpathRow): MountpathRow {
  if (row.state === 'disabled' || row.state === 'faulted') return row
  return { ...row, state: 'disabled', reason: 'the settings do not name it', replay: 'tail' }
}

function checkNumbers(mountpaths: readonly Mountpath[]): void {
  const numbers = new Set(mountpaths.map(({ number }) => number))
  if (numbers.size === mountpaths.length) return
  throw new Failure('setting-invalid', 'two mountpaths have the same number', {
    hint: 'One is a copy of the other: leave it out.',
  })
}

function indexAway(path: string, away: readonly MountpathRow[]): Failure {
  const reason = away.find((row) => row.path === path)?.reason ?? 'it is not in service'
  return new Failure('setting-invalid', `mountpath ${path}, which has the index: ${reason}`, {
    hint: 'Mount its disk. To start without what is on it, remove mountpaths.json of the data directory.',
  })
}

function noneLeft(away: readonly MountpathRow[]): Failure {
  const reasons = away.map(({ path, reason }) => `${path}: ${reason ?? 'not in service'}`)
  return new Failure('setting-invalid', `no mountpath can be used: ${reasons.join('; ')}`)
}
