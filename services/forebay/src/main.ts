// First: the packages below start the thread pool while they load.
import './early.ts'

import { writeSync } from 'node:fs'
import fs from 'node:fs/promises'
import { join } from 'node:path'
import v8 from 'node:v8'
import { armFailpoints } from '@forebay/base/failpoint'
import { Failure } from '@forebay/base/failure'
import { secretsOf } from '@forebay/config/describe'
import { type Environment, failpointPlan, readEnvironment } from '@forebay/config/environment'
import { parseSettingFlags, SETTING_FLAGS } from '@forebay/config/flags'
import { loadSettings } from '@forebay/config/load'
import type { Settings } from '@forebay/config/schema'
import { createLogger, flushLogger, type Logger } from '@forebay/observe/logger'
import { RecentLines } from '@forebay/observe/recent-lines'
import { registerSecret } from '@forebay/observe/secrets'
import { renderBanner } from './banner.ts'
import { guardEnd } from './end-guard.ts'
import { type RunningNode, startNode } from './node.ts'

/** Exit status for a start that was refused (as `EX_CONFIG` of sysexits). */
const EXIT_CONFIG = 78

/** A signal that comes later than this after the first one means: now. */
const SECOND_SIGNAL_MS = 1000

/**
 * `up`: runs a node in the foreground until a signal.
 *
 * @returns the exit status
 */
export async function runNode(argv: readonly string[]): Promise<number> {
  const startedMs = performance.now()
  // Bodies are memory outside the heap; counted in its limits, each cold read of 1 GiB made V8 collect
  // the whole heap some fifty times, half of its CPU.
  v8.setFlagsFromString('--external-memory-accounted-in-global-limit')
  const environment = readEnvironment()
  try {
    const [command, ...rest] = argv
    if (command !== 'up' || rest.includes('--help')) return usage(command)
    armFailpoints(failpointPlan(environment))
    process.on('uncaughtExceptionMonitor', dieAtOnce)
    const loaded = await loadSettings({ flags: parseSettingFlags(rest), environment, readFile })
    for (const secret of secretsOf(loaded)) registerSecret(secret)
    const recent = new RecentLines()
    const logger = createLogger({ level: loaded.settings.log.level, recent })
    const node = await startNode(loaded, logger, recent)
    const { settings } = loaded
    process.stdout.write(
      `${renderBanner({
        endpoint: node.endpoint,
        dataDir: settings.dataDir,
        region: settings.s3.region,
        openMode: settings.auth.mode === 'open',
        exampleBucket: 'my-bucket',
        startedInMs: performance.now() - startedMs,
      })}\n`,
    )
    return await runUntilSignal(node, { logger, shutdown: settings.shutdown })
  } catch (error) {
    return refuse(error, environment)
  }
}

async function readFile(path: string): Promise<string | undefined> {
  try {
    return await fs.readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

/**
 * Ends the process in the middle of a mistake of ours: what is acknowledged is in the journals, and
 * the next start is quick. Not by an ordinary exit: lmdb's exit handler waits for ever for a lock that
 * a failed commit has kept (3.x, `WriteWorker::Write`), and the process would neither serve nor end.
 */
function dieAtOnce(error: unknown, origin: string): void {
  const what = error instanceof Error ? error.stack : String(error)
  writeSync(process.stderr.fd, `forebay: ${origin}: ${what}\n`)
  process.kill(process.pid, 'SIGKILL')
}

/** The first signal drains and closes within limits, a second one ends the process at once. */
async function runUntilSignal(
  node: RunningNode,
  { logger, shutdown }: { readonly logger: Logger; readonly shutdown: Settings['shutdown'] },
): Promise<number> {
  const signal = await new Promise<NodeJS.Signals>((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => resolve(name))
  })
  const signalledMs = performance.now()
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    // Ctrl-C in a terminal reaches us twice at once: from the terminal and through npm.
    process.on(name, () => {
      if (performance.now() - signalledMs > SECOND_SIGNAL_MS) process.exit(130)
    })
  }
  guardEnd(shutdown.drainTimeoutMs + shutdown.closeTimeoutMs)
  logger.info({ signal }, 'stopping: requests under way may finish')
  await node.stop()
  logger.info({}, 'stopped')
  await flushLogger(logger)
  return 0
}

function usage(command: string | undefined): number {
  const flags = Object.entries(SETTING_FLAGS).map(([flag, doc]) => `  ${flag.padEnd(18)} ${doc}`)
  const text = ['usage: up [flags]', '', ...flags, ''].join('\n')
  if (command === 'up') process.stdout.write(text)
  else process.stderr.write(text)
  return command === 'up' ? 0 : 2
}

function refuse(error: unknown, environment: Environment): number {
  if (error instanceof Failure) {
    process.stderr.write(`forebay: ${error.message}\n`)
    if (error.hint !== undefined) process.stderr.write(`  ${error.hint}\n`)
    if (environment.variables['FOREBAY_LOG'] === 'debug') process.stderr.write(`${error.stack}\n`)
    return EXIT_CONFIG
  }
  process.stderr.write(
    `forebay: the start failed: ${error instanceof Error ? error.stack : String(error)}\n`,
  )
  return 1
}

if (process.argv[1] !== undefined && join(import.meta.dirname, 'main.ts') === process.argv[1]) {
  process.exitCode = await runNode(process.argv.slice(2))
  process.exit()
}
