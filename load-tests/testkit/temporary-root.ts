import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * Gives all test files of a run one temporary folder, which goes at its end with what they left there:
 * the stores of killed processes, say. Vitest calls it before the first.
 */
export function setup(): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'forebay-unit-'))
  process.env['TMPDIR'] = folder
  return () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
}
