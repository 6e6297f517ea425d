import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
// biome-ignore lint/correctness/useImportExtensions: the module is .mjs, only its types are .mts
import { INPUTS_FILE, isConsoleBuilt } from '../bin/console-state.mjs'

test.each(['', '{"services/cons', 'null', '{"services/console": "a folder"}'])(
  'a console whose list of sources is damaged (%j) is built again, and stops nobody',
  async (text) => {
    const folder = await mkdtemp(join(tmpdir(), 'forebay-console-'))
    try {
      await writeFile(join(folder, INPUTS_FILE), text)
      expect(isConsoleBuilt(folder)).toBe(false)
    } finally {
      await rm(folder, { recursive: true })
    }
  },
)
