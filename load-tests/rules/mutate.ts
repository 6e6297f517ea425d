/**
 * Takes every rule out, one at a time, in a copy of the sources, and expects the tests that name it to
 * fail. The tree itself is never changed.
 *
 *   node load-tests/rules/mutate.ts [--rule 5]
 */
import { spawn } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Edit, Mutation } from './mutation.ts'
import { PACK_RULES } from './packs.ts'
import { RULES_1_TO_3 } from './rules-1-3.ts'
import { RULES_4_TO_6 } from './rules-4-6.ts'
import { RULES_7_TO_17 } from './rules-7-17.ts'

const MUTATIONS = [...RULES_1_TO_3, ...RULES_4_TO_6, ...RULES_7_TO_17, ...PACK_RULES]

const ROOT = join(import.meta.dirname, '../..')

/** What a checkout has beside its sources. */
const LEFT_OUT: ReadonlySet<string> = new Set(['node_modules', '.git', '.cache'])

/** A run of the tests of one mutation that takes longer hangs, ms. */
const RUN_TIMEOUT_MS = 180_000

interface Report {
  readonly numFailedTests: number
  readonly numPassedTests: number
  readonly testResults: readonly {
    readonly message: string
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[]
  }[]
}

type Outcome =
  | { readonly kind: 'passed' }
  | { readonly kind: 'failed'; readonly by: string; readonly count: number }
  /** No test came to an end: the mutation does not load, or hangs. */
  | { readonly kind: 'broken'; readonly message: string }

/** The sources in a directory of their own, with workspaces that point to each other there. */
function copySources(): string {
  const copy = mkdtempSync(join(tmpdir(), 'forebay-rules-'))
  cpSync(ROOT, copy, { recursive: true, filter: (path) => !LEFT_OUT.has(basename(path)) })
  const modules = join(copy, 'node_modules')
  mkdirSync(join(modules, '@forebay'), { recursive: true })
  for (const name of readdirSync(join(ROOT, 'node_modules'))) {
    if (name !== '@forebay') symlinkSync(join(ROOT, 'node_modules', name), join(modules, name))
  }
  for (const name of readdirSync(join(ROOT, 'node_modules/@forebay'))) {
    const target = readlinkSync(join(ROOT, 'node_modules/@forebay', name))
    symlinkSync(target, join(modules, '@forebay', name))
  }
  return copy
}

/** Makes the edits. @returns what undoes them */
function apply(copy: string, edits: readonly Edit[]): () => void {
  const before = new Map<string, string>()
  for (const { file, find, replace } of edits) {
    const path = join(copy, file)
    const text = readFileSync(path, 'utf8')
    const count = text.split(find).length - 1
    if (count !== 1) throw new Error(`${file}: ${JSON.stringify(find)} occurs ${count} times`)
    if (!before.has(path)) before.set(path, text)
    writeFileSync(
      path,
      text.replace(find, () => replace),
    )
  }
  return () => {
    for (const [path, text] of before) writeFileSync(path, text)
  }
}

async function runTests(copy: string, tests: readonly string[]): Promise<Outcome> {
  const output = join(copy, 'report.json')
  rmSync(output, { force: true })
  const options = ['--project', 'unit', '--bail', '1', '--reporter', 'json', '--outputFile', output]
  const child = spawn(
    process.execPath,
    ['node_modules/vitest/vitest.mjs', 'run', ...options, ...tests],
    {
      cwd: copy,
      stdio: 'ignore',
      timeout: RUN_TIMEOUT_MS,
    },
  )
  await new Promise((resolve) => child.once('exit', resolve))
  let report: Report
  try {
    report = JSON.parse(readFileSync(output, 'utf8'))
  } catch (error) {
    return { kind: 'broken', message: `no report: ${String(error)}` }
  }
  const cases = report.testResults.flatMap(({ assertionResults }) => assertionResults)
  const failed = cases.filter(({ status }) => status === 'failed')
  const [first] = failed
  if (first !== undefined) return { kind: 'failed', by: first.fullName, count: failed.length }
  const trouble = report.testResults.find(({ message }) => message !== '')
  if (trouble !== undefined || report.numPassedTests === 0) {
    return { kind: 'broken', message: trouble?.message.split('\n')[0] ?? 'no test ran' }
  }
  return { kind: 'passed' }
}

async function tryMutation(copy: string, { edits, tests }: Mutation): Promise<Outcome> {
  let undo: () => void
  try {
    undo = apply(copy, edits)
  } catch (error) {
    return { kind: 'broken', message: error instanceof Error ? error.message : String(error) }
  }
  try {
    return await runTests(copy, tests)
  } finally {
    undo()
  }
}

function tell({ rule, what }: Mutation, outcome: Outcome): string {
  const found =
    outcome.kind === 'failed'
      ? outcome.by
      : outcome.kind === 'passed'
        ? 'SURVIVES'
        : `BROKEN: ${outcome.message}`
  return `| ${rule} | ${what} | ${found.replaceAll('|', '\\|')} |\n`
}

const { values } = parseArgs({ options: { rule: { type: 'string' } } })
const chosen = MUTATIONS.filter(({ rule }) => values.rule === undefined || rule === values.rule)
const copy = copySources()
let bad = 0
try {
  const all = [...new Set(chosen.flatMap(({ tests }) => tests))]
  const before = await runTests(copy, all)
  if (before.kind !== 'passed') {
    throw new Error(`the tests fail already without a mutation: ${JSON.stringify(before)}`)
  }
  process.stdout.write('| Rule | Taken out | Found by |\n| --- | --- | --- |\n')
  for (const mutation of chosen) {
    const outcome = await tryMutation(copy, mutation)
    if (outcome.kind !== 'failed') bad += 1
    process.stdout.write(tell(mutation, outcome))
  }
} finally {
  rmSync(copy, { recursive: true, force: true })
}
process.stdout.write(`\n${chosen.length - bad} of ${chosen.length} mutations are found\n`)
process.exitCode = bad === 0 ? 0 : 1
