import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/** Oldest Node that runs the sources as they are: type stripping, `node:ffi`. */
export const NODE_MAJOR_MIN = 26

/**
 * The Node that runs Forebay: the one that npm installed beside the sources, else the running one
 * when it is new enough. Plain JavaScript, because an older Node must be able to read this file.
 *
 * @returns {string | undefined} absolute path, or nothing when neither exists
 */
export function findNode26() {
  const packageName = `node-${process.platform}-${process.arch}`
  try {
    const manifest = createRequire(import.meta.url).resolve(`${packageName}/package.json`)
    const node = join(dirname(manifest), 'bin', 'node')
    if (existsSync(node)) return node
  } catch (error) {
    if (error?.code !== 'MODULE_NOT_FOUND') throw error
  }
  const major = Number(process.versions.node.split('.')[0])
  return major >= NODE_MAJOR_MIN ? process.execPath : undefined
}
