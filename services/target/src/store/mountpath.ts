import {
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  statfsSync,
} from 'node:fs'
import { join } from 'node:path'
import type { Digest64 } from '@forebay/base/digest'
import { Failure } from '@forebay/base/failure'
import { hrwDigest } from '@forebay/model/hrw'
import { bootId, mountIdentity } from '../os/libc.ts'
import { errorCode } from './journal.ts'
import { type BootIdentity, markerPath } from './mountpath-state.ts'
import { RESERVED_NAME } from './naming.ts'
import { lockDirectory, type ProcessLock } from './process-lock.ts'
import { replaceFile } from './replace-file.ts'

/** Version of the layout of a mountpath; a newer one is refused. */
export const MOUNTPATH_FORMAT = 1

/** What `<mountpath>/.forebay/marker.json` says. */
export interface Marker {
  readonly format: number
  readonly cluster: string
  /** Part of every record's location; never given to another mountpath of the node. */
  readonly number: number
  readonly uuid: string
}

/** Directories of the store itself, relative to a mountpath. */
export const OWN = {
  work: `${RESERVED_NAME}/work`,
  partial: `${RESERVED_NAME}/partial`,
  packs: `${RESERVED_NAME}/packs`,
  journal: `${RESERVED_NAME}/journal`,
  trash: `${RESERVED_NAME}/trash`,
  quarantine: `${RESERVED_NAME}/quarantine`,
} as const

/** A directory with a marker, locked by this process. */
export interface Mountpath {
  readonly number: number
  readonly uuid: string
  /** Absolute, without symbolic links. */
  readonly root: string
  readonly digest: Digest64
  /** Of the root directory: for syncfs and for the device that files must be on. */
  readonly fd: number
  readonly device: number
  /** Allocation unit, bytes. */
  readonly unitBytes: number
  readonly identity: BootIdentity
  close(): Promise<void>
}

/**
 * Opens a mountpath, making an empty directory one.
 *
 * @param cluster the id that its marker must carry
 * @throws Failure `setting-invalid` (in use, of another cluster, not a directory) | `format-newer`
 */
export async function openMountpath(path: string, cluster: string): Promise<Mountpath> {
  const root = prepareRoot(path)
  const own = join(root, RESERVED_NAME)
  mkdirSync(own, { recursive: true, mode: 0o700 })
  if (lstatSync(own).isSymbolicLink()) {
    throw new Failure('setting-invalid', `${own} is a symbolic link`)
  }
  const lock = await lockDirectory(own)
  try {
    const marker = readMarker(root) ?? (await writeMarker(root, cluster))
    checkMarker(marker, path, cluster)
    for (const name of Object.values(OWN)) mkdirSync(join(root, name), { recursive: true })
    return mounted(root, marker, lock)
  } catch (error) {
    await lock.release()
    throw error
  }
}

/** The marker of a mountpath. @returns undefined when there is none: the directory is new */
export function readMarker(root: string): Marker | undefined {
  let text: string
  try {
    text = readFileSync(markerPath(root), 'utf8')
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') return undefined
    throw new Failure('disk-error', `${markerPath(root)} cannot be read`, { cause })
  }
  return parseMarker(text, markerPath(root))
}

function mounted(root: string, marker: Marker, lock: ProcessLock): Mountpath {
  const fd = openSync(root, constants.O_RDONLY | constants.O_DIRECTORY)
  return {
    number: marker.number,
    uuid: marker.uuid,
    root,
    digest: hrwDigest(marker.uuid),
    fd,
    device: lstatSync(root).dev,
    unitBytes: Math.max(512, statfsSync(root).bsize),
    // Without a boot id every start counts as an unclean boot: safe, and slow only then.
    identity: { boot: bootId() ?? crypto.randomUUID(), mount: mountIdentity(root) },
    close: async () => {
      closeSync(fd)
      await lock.release()
    },
  }
}

function prepareRoot(path: string): string {
  try {
    mkdirSync(path, { recursive: true })
    return realpathSync(path)
  } catch (cause) {
    throw new Failure('setting-invalid', `mountpath ${path}: ${errorCode(cause) ?? 'unusable'}`, {
      cause,
    })
  }
}

function parseMarker(text: string, path: string): Marker {
  const broken = new Failure('setting-invalid', `${path} is not a mountpath's marker`, {
    hint: 'Restore the file, or use an empty directory.',
  })
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw broken
  }
  if (typeof value !== 'object' || value === null) throw broken
  const fields: Readonly<Record<string, unknown>> = { ...value }
  const { format, cluster, number, uuid } = fields
  if (
    typeof format !== 'number' ||
    typeof cluster !== 'string' ||
    typeof number !== 'number' ||
    typeof uuid !== 'string'
  ) {
    throw broken
  }
  return { format, cluster, number, uuid }
}

function checkMarker(marker: Marker, path: string, cluster: string): void {
  if (marker.format > MOUNTPATH_FORMAT) {
    throw new Failure(
      'format-newer',
      `mountpath ${path} has format ${marker.format}; this program knows ${MOUNTPATH_FORMAT}`,
      { hint: 'Start the version that wrote it, or a newer one.' },
    )
  }
  if (marker.cluster !== cluster) {
    throw new Failure(
      'setting-invalid',
      `mountpath ${path} belongs to cluster ${marker.cluster}, not ${cluster}`,
      { hint: 'Use a directory of this cluster, or an empty one.' },
    )
  }
}

async function writeMarker(root: string, cluster: string): Promise<Marker> {
  // Random, so that no number of a mountpath that is away is given out again.
  const [number = 0] = crypto.getRandomValues(new Uint32Array(1))
  const marker: Marker = { format: MOUNTPATH_FORMAT, cluster, number, uuid: crypto.randomUUID() }
  await replaceFile(markerPath(root), `${JSON.stringify(marker, undefined, 2)}\n`)
  return marker
}
