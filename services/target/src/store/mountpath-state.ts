import { lstatSync, readFileSync, type Stats } from 'node:fs'
import { join } from 'node:path'
import { RESERVED_NAME } from './naming.ts'
import { replaceFile } from './replace-file.ts'

/** What a boot of the machine looks like from here; another value means that memory was lost. */
export interface BootIdentity {
  readonly boot: string
  readonly mount: string
}

/** What a mountpath knows about its own disk (rule 7): `<mountpath>/.forebay/state.json`. */
export interface MountpathState {
  /** The boot under which the mountpath was last written. */
  readonly identity: BootIdentity
  /** Everything journalled below this sequence is on disk, data included. */
  readonly syncedBelow: number
  /** Validation times stated below this sequence are from before an unclean boot. */
  readonly suspectBelow: number
  /** The mountpath was closed with everything on disk. */
  readonly clean: boolean
  /** Inode of the marker, which is written once: another one means that the files are copies. */
  readonly markerInode?: number | undefined
  /** When the marker's inode last changed (`ctime`), ms: a copy may have the same inode by chance. */
  readonly markerChangedMs?: number | undefined
}

/** In place of the marker's inode, which is never this: the files are copies, whatever they look like. */
export const MARKER_REPLACED = 0

/**
 * The state as it was left.
 *
 * @returns undefined when there is none or it cannot be read: nothing is known to be on disk
 */
export function readState(root: string): MountpathState | undefined {
  try {
    return parseState(JSON.parse(readFileSync(statePath(root), 'utf8')))
  } catch {
    // Missing on a new mountpath, damaged otherwise; undefined is the careful answer to both.
    return undefined
  }
}

/** Replaces the state, on disk when the promise resolves. */
export function writeState(root: string, state: MountpathState): Promise<void> {
  return replaceFile(statePath(root), `${JSON.stringify(state)}\n`)
}

/** True when the marker is not the file that it was: somebody copied the directory, or put it back. */
export function isMarkerReplaced(root: string, state: MountpathState | undefined): boolean {
  return state?.markerInode !== undefined && state.markerInode !== markerStat(root)?.ino
}

/** True also when it may be another file by the same number, or may only have got another owner. */
export function isMarkerTouched(root: string, state: MountpathState | undefined): boolean {
  if (isMarkerReplaced(root, state)) return true
  const changedMs = state?.markerChangedMs
  return changedMs !== undefined && changedMs !== markerStat(root)?.ctimeMs
}

/** What a state says of the marker; nothing for a mountpath that has none yet. */
export function markerFacts(root: string): Pick<MountpathState, 'markerInode' | 'markerChangedMs'> {
  const stat = markerStat(root)
  return stat === undefined ? {} : { markerInode: stat.ino, markerChangedMs: stat.ctimeMs }
}

function markerStat(root: string): Stats | undefined {
  return lstatSync(markerPath(root), { throwIfNoEntry: false })
}

/** `<mountpath>/.forebay/marker.json`: what makes a directory a mountpath. */
export function markerPath(root: string): string {
  return join(root, RESERVED_NAME, 'marker.json')
}

/** True when memory was lost since the state was written, and not everything was on disk before. */
export function isUncleanBoot(state: MountpathState | undefined, now: BootIdentity): boolean {
  if (state === undefined) return true
  if (state.clean) return false
  return state.identity.boot !== now.boot || state.identity.mount !== now.mount
}

function statePath(root: string): string {
  return join(root, RESERVED_NAME, 'state.json')
}

function parseState(value: unknown): MountpathState | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const fields: Readonly<Record<string, unknown>> = { ...value }
  const { identity, syncedBelow, suspectBelow, clean } = fields
  if (typeof identity !== 'object' || identity === null) return undefined
  const { boot, mount }: { boot?: unknown; mount?: unknown } = identity
  if (
    typeof boot !== 'string' ||
    typeof mount !== 'string' ||
    typeof syncedBelow !== 'number' ||
    typeof suspectBelow !== 'number' ||
    typeof clean !== 'boolean'
  ) {
    return undefined
  }
  const { markerInode, markerChangedMs } = fields
  return {
    identity: { boot, mount },
    syncedBelow,
    suspectBelow,
    clean,
    markerInode: typeof markerInode === 'number' ? markerInode : undefined,
    markerChangedMs: typeof markerChangedMs === 'number' ? markerChangedMs : undefined,
  }
}
