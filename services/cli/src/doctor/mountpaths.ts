import { join } from 'node:path'
import { Failure } from '@forebay/base/failure'
import type { Settings } from '@forebay/config/schema'
import {
  MOUNTPATH_TABLE_NAME,
  type MountpathRow,
  type MountpathTable,
  parseMountpathTable,
} from '@forebay/target/mountpaths/mountpath-table'
import { type Finding, ok, problem, remark, warning } from './finding.ts'
import type { Machine } from './machine.ts'

/** What a node has noted of its mountpaths. */
export interface MountpathsSeen {
  readonly findings: readonly Finding[]
  /** Those that a start would use: of the settings without detached ones, and attached ones. */
  readonly paths: readonly string[]
}

/** The states of the mountpaths as the node, running or not, has left them in its data directory. */
export async function checkMountpaths(
  machine: Machine,
  settings: Settings,
): Promise<MountpathsSeen> {
  const path = join(settings.dataDir, MOUNTPATH_TABLE_NAME)
  const text = await machine.readText(path)
  if (text === undefined) return { findings: [], paths: settings.mountpaths }
  try {
    return judge(parseMountpathTable(text, path), settings)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    const finding = problem('mountpath', error.message, error.hint ?? 'restore the file')
    return { findings: [finding], paths: settings.mountpaths }
  }
}

function judge({ rows, detached }: MountpathTable, settings: Settings): MountpathsSeen {
  const left = settings.mountpaths.filter((path) => detached.includes(path))
  const gone = left.map((path) =>
    remark('mountpath', `${path} is in the settings, but was detached: a start leaves it alone`),
  )
  const named = settings.mountpaths.filter((path) => !left.includes(path))
  const paths = new Set([...named, ...rows.map((row) => row.path)])
  return { findings: [...rows.map(findingOf), ...gone], paths: [...paths] }
}

function findingOf({ path, state, next, reason, sinceMs }: MountpathRow): Finding {
  const since = `since ${new Date(sinceMs).toISOString()}`
  const why = reason === undefined ? '' : `: ${reason}`
  switch (state) {
    case 'enabled':
      return reason === undefined
        ? ok('mountpath', `${path} is in service`)
        : warning('mountpath', `${path} is in service${why}`, 'forebay mountpath ls')
    case 'draining':
      return remark('mountpath', `${path} is being emptied, to ${next ?? 'disable'} it`)
    case 'disabled':
      return remark('mountpath', `${path} is disabled ${since}${why}`)
    case 'faulted': {
      const todo = `look at its disk; then forebay mountpath enable ${path}`
      return warning('mountpath', `${path} is out of service ${since}${why}`, todo)
    }
  }
}
