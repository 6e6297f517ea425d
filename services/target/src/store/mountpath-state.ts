import { lstatSync, readFileSync } from 'node:fs'
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
}

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
  return state?.markerInode !== undefined && state.markerInode !== markerInode(root)
}

/** Undefined for a mountpath that has no marker yet. */
export function markerInode(root: string): number | undefined {
  return lstatSync(markerPath(root), { throwIfNoEntry: false })?.ino
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
  const inode = typeof fields['markerInode'] === 'number' ? fields['markerInode'] : undefined
  return { identity: { boot, mount }, syncedBelow, suspectBelow, clean, markerInode: inode }
}
