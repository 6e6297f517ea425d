import { readFileSync } from 'node:fs'
import { Failure } from '@forebay/base/failure'
import { errorCode } from '../store/journal.ts'
import { replaceFile } from '../store/replace-file.ts'

/** Version of the document; a newer one is refused. */
export const MOUNTPATH_TABLE_FORMAT = 1

/** Name of the document in the data directory. */
export const MOUNTPATH_TABLE_NAME = 'mountpaths.json'

/** Paths that were detached and stand in the settings still; older ones are forgotten beyond it. */
const DETACHED_MAX = 1000

/**
 * What a mountpath is for the node:
 * `enabled`, in service; `draining`, read and emptied, and nothing new goes on it; `disabled`, out of
 * service by order; `faulted`, out of service because its disk failed or is not there.
 */
export type MountpathState = 'enabled' | 'draining' | 'disabled' | 'faulted'

/** A mountpath of the node, in service or not. */
export interface MountpathRow {
  /** As the settings or the order to attach it name it. */
  readonly path: string
  /** Of its marker: part of every record's location. */
  readonly number: number
  readonly uuid: string
  readonly state: MountpathState
  /** Came at run time; the settings do not name it. */
  readonly attached: boolean
  /** What follows when it is empty; only while it is `draining`. */
  readonly next?: 'disable' | 'detach' | undefined
  /** Why it is not in service, one sentence. */
  readonly reason?: string | undefined
  /** Wall clock of the last change of state. */
  readonly sinceMs: number
  /**
   * What of its journal the index may lack: `none` when it left in order, so that the index alone says
   * what stands; `tail` when it was not there at a start; `all` when the index was built without it.
   */
  readonly replay: 'none' | 'tail' | 'all'
  /** Wall clock of each time it came back by itself, the latest last. */
  readonly returnsMs: readonly number[]
}

/** Which mountpaths the node has: `<dataDir>/mountpaths.json`. */
export interface MountpathTable {
  readonly rows: readonly MountpathRow[]
  /** Paths of the settings that were detached at run time: a start leaves them alone. */
  readonly detached: readonly string[]
}

const EMPTY: MountpathTable = { rows: [], detached: [] }

/**
 * The table as it was left; an empty one where there is none.
 *
 * @throws Failure `format-newer` | `setting-invalid` when it cannot be read: guessing could take a disk
 *   that is not mounted for an empty one
 */
export function readMountpathTable(path: string | undefined): MountpathTable {
  if (path === undefined) return EMPTY
  try {
    return parseMountpathTable(readFileSync(path, 'utf8'), path)
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') return EMPTY
    if (cause instanceof Failure) throw cause
    throw unreadable(path, cause)
  }
}

/** The table that a document holds. @throws Failure `format-newer` | `setting-invalid` */
export function parseMountpathTable(text: string, path: string): MountpathTable {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw unreadable(path, cause)
  }
  return tableOf(value, path)
}

/** Replaces the table, on disk when the promise resolves; does nothing without a path. */
export async function writeMountpathTable(
  path: string | undefined,
  table: MountpathTable,
): Promise<void> {
  if (path === undefined) return
  const { rows, detached } = table
  const document = { format: MOUNTPATH_TABLE_FORMAT, rows, detached: detached.slice(-DETACHED_MAX) }
  await replaceFile(path, `${JSON.stringify(document, undefined, 2)}\n`)
}

function tableOf(value: unknown, path: string): MountpathTable {
  const { format, rows, detached } = fieldsOf(value)
  if (typeof format === 'number' && format > MOUNTPATH_TABLE_FORMAT) {
    throw new Failure(
      'format-newer',
      `${path} has format ${format}; this program knows ${MOUNTPATH_TABLE_FORMAT}`,
      { hint: 'Start the version that wrote it, or a newer one.' },
    )
  }
  if (format !== MOUNTPATH_TABLE_FORMAT || !Array.isArray(rows) || !Array.isArray(detached)) {
    throw unreadable(path)
  }
  return {
    rows: rows.map((row) => parseRow(row) ?? fail(path)),
    detached: detached.filter((entry) => typeof entry === 'string'),
  }
}

function parseRow(value: unknown): MountpathRow | undefined {
  const { path, number, uuid, state, attached, next, reason, sinceMs, replay, returnsMs } =
    fieldsOf(value)
  if (typeof path !== 'string' || typeof number !== 'number' || typeof uuid !== 'string') {
    return undefined
  }
  const known = (['enabled', 'draining', 'disabled', 'faulted'] as const).find(
    (name) => name === state,
  )
  if (known === undefined) return undefined
  return {
    path,
    number,
    uuid,
    state: known,
    attached: attached === true,
    next: next === 'disable' || next === 'detach' ? next : undefined,
    reason: typeof reason === 'string' ? reason : undefined,
    sinceMs: typeof sinceMs === 'number' ? sinceMs : 0,
    replay: replay === 'none' || replay === 'tail' ? replay : 'all',
    returnsMs: Array.isArray(returnsMs) ? returnsMs.filter((at) => typeof at === 'number') : [],
  }
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}

function fail(path: string): never {
  throw unreadable(path)
}

function unreadable(path: string, cause?: unknown): Failure {
  return new Failure('setting-invalid', `${path} is not a table of mountpaths`, {
    cause,
    hint: 'Restore the file; without it the mountpaths of the settings count, and those attached later do not.',
  })
}
