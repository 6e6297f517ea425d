import { join } from 'node:path'
import { loadSettings } from '@forebay/config/load'
// The check itself is loaded only when it runs: it brings the whole storage engine along.
import type { CheckReport } from '@forebay/target/store/fsck'
import { note, print, type Run } from '../cli-context.ts'
import { EXIT_CODES } from '../exit-code.ts'
import { formatPairs, printable } from '../output/table.ts'
import { sizeText } from '../output/values.ts'
import { readIfThere } from './node.ts'

export interface FsckOptions {
  readonly rebuild?: boolean | undefined
  readonly verify?: boolean | undefined
  readonly config?: string | undefined
  readonly data?: string | undefined
  readonly mountpath?: readonly string[] | undefined
}

/**
 * `forebay fsck`: checks the disks of a node that is not running.
 *
 * @returns the exit code: damage has its own
 */
export async function checkNode(run: Run, options: FsckOptions): Promise<number> {
  const { environment, signal } = run.context
  const { config, data, mountpath } = options
  const { settings } = await loadSettings({
    flags: { config, data, mountpath },
    environment,
    readFile: readIfThere,
  })
  const { checkStore } = await import('@forebay/target/store/fsck')
  const report = await checkStore({
    mountpaths: settings.mountpaths.map((path) => ({ path })),
    // Mountpaths that the caller names are taken for all that there are.
    mountpathTable: mountpath === undefined ? join(settings.dataDir, 'mountpaths.json') : undefined,
    indexDir: settings.store.indexDir,
    rebuild: options.rebuild,
    verify: options.verify,
    signal,
  })
  if (run.options.json === true) print(run, JSON.stringify(report))
  else for (const line of reportLines(report)) print(run, line)
  const damage = Object.values(report.counts).reduce((sum, count) => sum + count, 0)
  if (damage === 0) return EXIT_CODES.ok
  note(run, `${damage} findings; what a record lacks is fetched again or refused, never served`)
  return EXIT_CODES.damaged
}

function reportLines(report: CheckReport): readonly string[] {
  const counts = Object.entries(report.counts).filter(([, count]) => count > 0)
  const pairs: (readonly [string, string])[] = [
    ['records', `${report.recordCount}, ${report.partialCount} of them partial`],
    ['files', String(report.fileCount)],
    ['bytes read', sizeText(report.bytesRead)],
    ['repaired', String(report.repairs.length)],
    ['findings', counts.length === 0 ? 'none' : ''],
    ...counts.map(([kind, count]) => [`  ${kind}`, String(count)] as const),
  ]
  return [
    ...formatPairs(pairs),
    ...report.repairs.map(({ event }) => `repaired: ${printable(event)}`),
    ...report.findings.map(({ kind, path }) => `${kind}: ${printable(path)}`),
  ]
}
