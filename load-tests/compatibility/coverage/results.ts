import { readFileSync, writeFileSync } from 'node:fs'
import type { Compared } from '../full-flow/compare-servers.ts'
import { coverageText } from './coverage-text.ts'

const RESULTS = new URL('../full-flow/results.tsv', import.meta.url)
const COVERAGE = new URL('../COVERAGE.md', import.meta.url)

/** The scored cases of one group of the suite; a group is mostly an operation. */
export type GroupResult = {
  readonly cases: number
  readonly passed: number
  /** Names of the others; each has its reason in `scope.ts`. */
  readonly failed: readonly string[]
}

/** What one run of the suite against Forebay came to, by group. */
export type SuiteResults = Readonly<Record<string, GroupResult>>

/** Of the cases that concern what is built. */
export function summarise(cases: readonly Compared[]): SuiteResults {
  const groups = new Map<string, GroupResult>()
  for (const { name, forebay, missing } of cases) {
    if (missing !== undefined) continue
    const group = name.split('_', 1)[0] ?? ''
    const before = groups.get(group) ?? { cases: 0, passed: 0, failed: [] }
    groups.set(group, {
      cases: before.cases + 1,
      passed: before.passed + (forebay.passed ? 1 : 0),
      failed: forebay.passed ? before.failed : [...before.failed, name],
    })
  }
  return Object.fromEntries([...groups].sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** The results that are written down. */
export function readResults(): SuiteResults {
  const lines = readFileSync(RESULTS, 'utf8').trim().split('\n').slice(1)
  return Object.fromEntries(
    lines.map((line): [string, GroupResult] => {
      const [group = '', cases, passed, failed = ''] = line.split('\t')
      const names = failed === '' ? [] : failed.split(' ')
      return [group, { cases: Number(cases), passed: Number(passed), failed: names }]
    }),
  )
}

/** Writes the results of a whole run and the tables that follow from them. */
export function writeResults(cases: readonly Compared[]): void {
  const lines = Object.entries(summarise(cases)).map(([group, { cases: count, passed, failed }]) =>
    [group, count, passed, failed.join(' ')].join('\t'),
  )
  writeFileSync(RESULTS, `group\tcases\tpassed\tfailed\n${lines.join('\n')}\n`)
  writeCoverage()
}

/** COVERAGE.md as it is, and as code and results want it. */
export function compareCoverage(): { readonly is: string; readonly shall: string } {
  const is = readFileSync(COVERAGE, 'utf8')
  return { is, shall: coverageText(is, readResults()) }
}

/** Brings the generated parts of COVERAGE.md up to date. */
export function writeCoverage(): void {
  writeFileSync(COVERAGE, compareCoverage().shall)
}
