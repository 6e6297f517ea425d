import { glob, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ROOT } from '../testkit/tool-install.ts'
import { MAINTENANCE } from './maintenance-points.ts'
import { SCENARIOS } from './scenarios.ts'

/** A literal name, or a name whose first part the caller states. */
const CALL = /failpoint\(\s*(?:'([^']+)'|`\$\{name\}\.([^`]+)`)/g

/** Documents that are replaced step by step, as their callers name them. */
const DOCUMENT = /replaceFile\([^()]*'([a-z.-]+)'\s*\)/g

test('a process is killed at every failpoint that there is', async () => {
  const covered = new Set<string>([
    ...SCENARIOS.flatMap(({ points }) => points.map((point) => point.split('@')[0] ?? '')),
    ...Object.values(MAINTENANCE).flat(),
  ])
  const names = await failpointNames()
  expect(names).toContain('commit:journalled')
  expect(names.filter((name) => !covered.has(name))).toEqual([])
  expect([...covered].filter((name) => !names.includes(name))).toEqual([])
})

async function failpointNames(): Promise<readonly string[]> {
  const names = new Set<string>()
  const steps = new Set<string>()
  const documents = new Set<string>()
  for await (const path of glob('{shared,backends,services}/*/src/**/*.ts', { cwd: ROOT })) {
    if (path.endsWith('.test.ts') || path.includes('/testing/')) continue
    const text = await readFile(join(ROOT, path), 'utf8')
    for (const [, name, step] of text.matchAll(CALL)) {
      if (name !== undefined) names.add(name)
      if (step !== undefined) steps.add(step)
    }
    for (const [, document = ''] of text.matchAll(DOCUMENT)) documents.add(document)
  }
  for (const document of documents) for (const step of steps) names.add(`${document}.${step}`)
  return [...names].sort()
}
