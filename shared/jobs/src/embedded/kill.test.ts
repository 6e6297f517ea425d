import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'

const ITEMS = 600
const folder = mkdtempSync(join(tmpdir(), 'forebay-jobs-'))
const program = fileURLToPath(new URL('./kill-worker.ts', import.meta.url))

afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Runs a process, and kills it when it has said so many lines. @returns what it said */
async function runUntil(lines: number): Promise<readonly string[]> {
  const child = spawn(process.execPath, [program, folder, String(ITEMS)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let said = ''
  for await (const chunk of child.stdout) {
    said += String(chunk)
    if (said.split('\n').length > lines) child.kill('SIGKILL')
  }
  return said.split('\n')
}

test('a process that is killed again and again loses nothing, and hardly does anything twice', async () => {
  const said: string[] = []
  for (const lines of [2, 60, 130, 200]) said.push(...(await runUntil(lines)))
  said.push(...(await runUntil(Number.POSITIVE_INFINITY)))
  expect(said).toContain(`{"state":"finished","done":${ITEMS}}`)
  const done = said.filter((line) => line.startsWith('item '))
  expect(new Set(done).size).toBe(ITEMS)
  // At each of four kills at most the pages that were under way.
  expect(done.length).toBeLessThanOrEqual(ITEMS + 4 * 3 * 50)
  const steps = said.filter((line) => line.startsWith('list '))
  expect(new Set(steps).size).toBe(ITEMS / 50)
  expect(steps.length).toBeLessThanOrEqual(ITEMS / 50 + 4)
}, 60_000)
