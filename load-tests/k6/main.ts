/**
 * `npm run k6 -- SCENARIO [options of k6]`: gets k6 when it is not there, starts a node unless
 * `-e ENDPOINT=URL` names a server, and hands over. The exit status is that of k6: 0 when every
 * threshold held.
 */
import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { childEnvironment } from '../testkit/run-command.ts'
import { startForebay, temporaryFolder } from '../testkit/servers.ts'
import {
  findOnPath,
  installGoProgram,
  isExecutable,
  TOOLS_FOLDER,
} from '../testkit/tool-install.ts'

const K6_VERSION = 'v1.8.1'
const K6_FOLDER = join(TOOLS_FOLDER, `k6-${K6_VERSION.slice(1)}`)

/** Files beside the scenarios that are none. */
const OTHERS = new Set(['main.ts', 's3.ts', 'sign.ts', 'k6.d.ts', 'sign.test.ts'])

async function main([name, ...args]: readonly string[]): Promise<number> {
  const scenarios = readdirSync(import.meta.dirname)
    .filter((file) => file.endsWith('.ts') && !OTHERS.has(file))
    .map((file) => file.slice(0, -3))
  if (name === undefined || !scenarios.includes(name)) {
    process.stderr.write(
      `usage: npm run k6 -- SCENARIO [options of k6]\nscenarios: ${scenarios.join(', ')}\n`,
    )
    return 2
  }
  const k6 = await findK6()
  const path = join(import.meta.dirname, `${name}.ts`)
  const fixed = ['run', '--no-usage-report']
  if (args.some((arg) => arg.startsWith('ENDPOINT=') || arg.startsWith('-eENDPOINT='))) {
    return run(k6, [...fixed, ...args, path])
  }
  const folder = await temporaryFolder('k6')
  try {
    const node = await startForebay({ dataDir: join(folder.path, 'node') })
    try {
      return await run(k6, [...fixed, '-e', `ENDPOINT=${node.url}`, ...args, path])
    } finally {
      await node.stop()
    }
  } finally {
    await folder.remove()
  }
}

/** On PATH, built before, or built now: a minute and a half. */
async function findK6(): Promise<string> {
  const path = join(K6_FOLDER, 'k6')
  const found = findOnPath('k6') ?? (isExecutable(path) ? path : undefined)
  if (found !== undefined) return found
  process.stderr.write(`k6: building ${K6_VERSION}, once ...\n`)
  await installGoProgram({ folder: K6_FOLDER, module: `go.k6.io/k6@${K6_VERSION}` })
  if (!existsSync(path)) throw new Error(`go install go.k6.io/k6@${K6_VERSION} left no program`)
  return path
}

/** Ctrl-C reaches k6 by the terminal; it prints what it has and ends. */
function run(command: string, args: readonly string[]): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const child = spawn(command, args, { stdio: 'inherit', env: childEnvironment() })
  const pass = (): void => void child.kill('SIGINT')
  process.on('SIGTERM', pass)
  process.on('SIGINT', () => undefined)
  child.on('error', reject)
  child.on('exit', (code) => resolve(code ?? 1))
  return promise
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  process.stderr.write(`k6: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
