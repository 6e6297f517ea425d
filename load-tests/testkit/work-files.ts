import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * Names of a node's work files with bytes: there are none while nothing is written. A few empty ones are
 * kept ready.
 *
 * @param mountpath its directory
 */
export async function workFilesOf(mountpath: string): Promise<readonly string[]> {
  const folder = join(mountpath, '.forebay', 'work')
  const names: string[] = []
  for (const name of await readdir(folder)) {
    const file = await stat(join(folder, name)).catch(() => undefined)
    if (file !== undefined && file.size > 0) names.push(name)
  }
  return names
}
