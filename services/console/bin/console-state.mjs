import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const PACKAGE = dirname(dirname(fileURLToPath(import.meta.url)))
const ROOT = join(PACKAGE, '../..')

/** Where the built console lies; git ignores it. */
export const CONSOLE_FOLDER = join(PACKAGE, 'dist')

/** Beside the built files: what they were made from, by path and digest. */
export const INPUTS_FILE = 'inputs.json'

/**
 * True when the console is built from the sources that are there now: some forty small files are
 * hashed, about two milliseconds. Plain JavaScript, because an older Node must be able to read it.
 *
 * @param {string} [folder]
 * @returns {boolean}
 */
export function isConsoleBuilt(folder = CONSOLE_FOLDER) {
  try {
    const inputs = JSON.parse(readFileSync(join(folder, INPUTS_FILE), 'utf8'))
    return Object.entries(inputs).every(([path, digest]) => digestOf(join(ROOT, path)) === digest)
  } catch {
    // Not there, damaged, or not to be read: the build says which, and a node serves without.
    return false
  }
}

function digestOf(path) {
  return createHash('sha256').update(readFileSync(path)).digest('hex')
}
