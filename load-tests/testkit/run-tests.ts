/**
 * `npm test` and `npm run check`. Every part runs even when an earlier one failed, so that one run
 * tells everything; the last line is `N passed, N failed`.
 */
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'
import { childEnvironment } from './run-command.ts'
import { ROOT } from './tool-install.ts'
import { installTools, type ToolState } from './tools.ts'

/** Ends a part that hangs; the parts together stay under 15 minutes on two cores. */
const PART_TIMEOUT_MS = 15 * 60_000

const REPORTS_FOLDER = join(ROOT, '.cache', 'test-reports')

/** What a part of the run counts for. A check counts as one test. */
type Tally = {
  readonly name: string
  readonly passed: number
  readonly failed: number
  /** The names of the tests that failed, with the first line of what they say. */
  readonly failures: readonly string[]
}

async function main(command: string | undefined): Promise<void> {
  const startedMs = Date.now()
  const tallies: Tally[] = []
  const report: string[] = []
  if (command === 'check') {
    tallies.push(...(await runChecks()), await runVitest('unit', ['shared/testkit/tidy']))
  } else {
    const tools = installTools((line) => console.log(`tools: ${line}`))
    tallies.push(...(await runChecks()), await runVitest('unit', []))
    const states = await tools
    tallies.push(tallyTools(states), await runVitest('system', []))
    report.push(...describeTools(states))
  }
  for (const { name, passed, failed } of tallies) {
    console.log(`${name.padEnd(8)} ${passed} passed${failed > 0 ? `, ${failed} FAILED` : ''}`)
  }
  for (const { failures } of tallies) for (const line of failures) console.log(`FAILED: ${line}`)
  for (const line of report) console.log(line)
  console.log(`took ${Math.round((Date.now() - startedMs) / 1000)} s`)
  const passed = tallies.reduce((sum, tally) => sum + tally.passed, 0)
  const failed = tallies.reduce((sum, tally) => sum + tally.failed, 0)
  console.log(`${passed} passed, ${failed} failed`)
  process.exitCode = failed === 0 ? 0 : 1
}

async function runChecks(): Promise<readonly Tally[]> {
  const lint = await runPart('biome', ['check', '--error-on-warnings', '.'])
  // What runs in browsers has other globals.
  const types =
    (await runPart('tsc', ['-p', '.'])) && (await runPart('tsc', ['-p', 'services/console']))
  return [
    { name: 'lint', passed: lint ? 1 : 0, failed: lint ? 0 : 1, failures: [] },
    { name: 'types', passed: types ? 1 : 0, failed: types ? 0 : 1, failures: [] },
  ]
}

/** Runs one vitest project and reads its own count; a run that broke off counts as a failure. */
async function runVitest(project: string, files: readonly string[]): Promise<Tally> {
  mkdirSync(REPORTS_FOLDER, { recursive: true })
  const file = join(REPORTS_FOLDER, `${project}.json`)
  rmSync(file, { force: true })
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`]
  const ok = await runPart('vitest', ['run', '--project', project, ...reporters, ...files])
  const counted = readReport(file)
  return { ...counted, name: project, failed: ok ? counted.failed : Math.max(1, counted.failed) }
}

interface VitestReport {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly testResults: readonly {
    readonly name: string
    readonly message: string
    readonly assertionResults: readonly {
      readonly status: string
      readonly fullName: string
      readonly failureMessages: readonly string[]
    }[]
  }[]
}

function readReport(file: string): Omit<Tally, 'name'> {
  try {
    const report: VitestReport = JSON.parse(readFileSync(file, 'utf8'))
    return {
      passed: report.numPassedTests,
      failed: report.numFailedTests,
      failures: listFailures(report),
    }
  } catch {
    return { passed: 0, failed: 1, failures: ['the run ended without a report'] }
  }
}

/** A file that could not be loaded has a message and no tests. */
function listFailures({ testResults }: VitestReport): readonly string[] {
  return testResults.flatMap(({ name, message, assertionResults }) => {
    const path = relative(ROOT, name)
    if (assertionResults.length === 0 && message !== '') return [`${path}: ${firstLine(message)}`]
    return assertionResults
      .filter(({ status }) => status === 'failed')
      .map(
        ({ fullName, failureMessages }) => `${path}: ${fullName}: ${firstLine(failureMessages[0])}`,
      )
  })
}

function firstLine(text = ''): string {
  return text.split('\n', 1)[0] ?? ''
}

/** Runs a program of node_modules/.bin to its end; true when it exits with 0. */
function runPart(program: string, args: readonly string[]): Promise<boolean> {
  console.log(`\n> ${program} ${args.join(' ')}`)
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const child = spawn(join(ROOT, 'node_modules', '.bin', program), args, {
    cwd: ROOT,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: childEnvironment({ FOREBAY_TEST_WITHOUT: process.env['FOREBAY_TEST_WITHOUT'] }),
    timeout: PART_TIMEOUT_MS,
  })
  child.on('error', (error) => {
    console.log(`${program} could not be started: ${error.message}`)
    resolve(false)
  })
  child.on('exit', (code, signal) => {
    if (signal !== null) console.log(`${program} was ended by ${signal}`)
    resolve(code === 0)
  })
  return promise
}

function tallyTools(states: readonly ToolState[]): Tally {
  const failed = states.filter(({ kind }) => kind === 'missing').length
  const passed = states.filter(({ kind }) => kind === 'ready').length
  return { name: 'tools', passed, failed, failures: [] }
}

function describeTools(states: readonly ToolState[]): readonly string[] {
  return states.flatMap((state) => {
    if (state.kind === 'ready') return []
    if (state.kind === 'left-out') return [`left out by FOREBAY_TEST_WITHOUT: ${state.name}`]
    return [
      `MISSING: ${state.name}; get it, or name it in FOREBAY_TEST_WITHOUT to do without`,
      `  ${state.reason.replaceAll('\n', '\n  ')}`,
    ]
  })
}

await main(process.argv[2])
