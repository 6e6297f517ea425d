import type { NodeReport } from '@forebay/client/client'
import { clientOf, note, print, type Run } from '../cli-context.ts'
import { formatTable, printable } from '../output/table.ts'
import { shareText, sizeText } from '../output/values.ts'

/** How often it is looked how far a mountpath is that is being emptied, ms. */
const LOOK_MS = 500

/** `forebay mountpath ls`: the mountpaths of the node and what is wrong with them. */
export async function listMountpaths(run: Run): Promise<void> {
  const { mountpaths } = await clientOf(run).status({ signal: run.context.signal })
  if (run.options.json === true) {
    for (const mountpath of mountpaths) print(run, JSON.stringify(mountpath))
    return
  }
  for (const line of mountpathLines(mountpaths)) print(run, line)
}

/** A table, and a line for each that is not simply in service. */
export function mountpathLines(mountpaths: NodeReport['mountpaths']): readonly string[] {
  const rows = mountpaths.map((mountpath) => [
    printable(mountpath.path),
    mountpath.state,
    String(mountpath.objectCount ?? '-'),
    sizeText(mountpath.usedBytes),
    mountpath.capacityBytes === 0 ? '-' : sizeText(mountpath.capacityBytes),
    mountpath.capacityBytes === 0 ? '-' : shareText(mountpath.usedBytes, mountpath.capacityBytes),
    String(mountpath.errorCount),
  ])
  const columns = [
    { head: 'MOUNTPATH' },
    { head: 'STATE' },
    { head: 'OBJECTS', right: true },
    { head: 'USED', right: true },
    { head: 'CAPACITY', right: true },
    { head: 'SHARE', right: true },
    { head: 'ERRORS', right: true },
  ]
  const reasons = mountpaths.flatMap(({ path, reason }) =>
    reason === undefined ? [] : [`${printable(path)}: ${printable(reason)}`],
  )
  return [...formatTable(columns, rows), ...reasons]
}

/** `forebay mountpath attach | enable`. */
export async function bringMountpath(
  run: Run,
  action: 'attach' | 'enable',
  path: string,
): Promise<void> {
  await clientOf(run).changeMountpath(action, path, { signal: run.context.signal })
  note(run, `${printable(path)} is in service`)
}

export interface LeaveOptions {
  readonly force?: boolean | undefined
  /** False: do not wait until it is empty. */
  readonly wait?: boolean | undefined
}

/** `forebay mountpath detach | disable`: waits until the mountpath has been emptied. */
export async function leaveMountpath(
  run: Run,
  action: 'detach' | 'disable',
  { path, options }: { readonly path: string; readonly options: LeaveOptions },
): Promise<void> {
  const { signal } = run.context
  const client = clientOf(run)
  const { force } = options
  const left = await client.changeMountpath(action, path, { force, signal })
  if (left > 0) {
    const what = action === 'detach' ? 'are lost' : 'cannot be read until it is enabled'
    note(run, `${left} objects that were only on ${printable(path)} ${what}`)
  }
  for (let told = -1; options.wait !== false; ) {
    const { mountpaths } = await client.status({ signal })
    const now = mountpaths.find((mountpath) => mountpath.path === path)
    if (now === undefined || now.state === 'disabled' || now.state === 'faulted') break
    if (now.state === 'enabled') throw new Error(now.reason ?? `${path} stays in service`)
    const objects = now.objectCount ?? 0
    if (objects !== told) note(run, `${objects} objects to move or drop`)
    told = objects
    await pause(signal)
  }
  const done = action === 'detach' ? 'is no mountpath any more' : 'is disabled'
  note(
    run,
    options.wait === false && left === 0 ? `${path} is leaving` : `${printable(path)} ${done}`,
  )
}

function pause(signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, LOOK_MS)
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer)
        reject(signal.reason)
      },
      { once: true },
    )
  })
}
