/**
 * The one entry of the repository's commands. It runs on any Node >= 20 without a dependency, makes
 * node_modules match package-lock.json, and hands over to Node 26, which npm brought along.
 *
 *   node setup.mjs                 install what is missing
 *   node setup.mjs start [flags]   run gateway and target in the foreground
 *   node setup.mjs test | check | bench | load | k6 | lock
 */
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findNode26, NODE_MAJOR_MIN } from './services/cli/bin/node26.mjs'
// biome-ignore lint/correctness/useImportExtensions: the module is .mjs, only its types are .mts
import { isConsoleBuilt } from './services/console/bin/console-state.mjs'

const ROOT = dirname(fileURLToPath(import.meta.url))
const STAMP = join(ROOT, 'node_modules', '.forebay-setup')
const NODE_FOLDER = join(ROOT, '.cache', 'node')
const NODE_FLAGS = ['--disable-warning=ExperimentalWarning']

/** What each command runs under Node 26; the caller's own arguments follow. */
const COMMANDS = {
  start: ['services/forebay/src/main.ts', 'up'],
  test: ['load-tests/testkit/run-tests.ts', 'test'],
  check: ['load-tests/testkit/run-tests.ts', 'check'],
  tools: ['load-tests/testkit/install-tools.ts'],
  bench: ['load-tests/bench/main.ts'],
  faults: ['load-tests/faults/main.ts'],
  load: ['load-tests/loader/main.ts'],
  k6: ['load-tests/k6/main.ts'],
  lock: ['shared/testkit/tidy/complete-lock.ts'],
}

/** Those after which somebody may look at the console; no command is the set-up itself. */
const NEEDS_CONSOLE = new Set([undefined, 'start', 'test'])

function main(command, args) {
  if (command !== undefined && !Object.hasOwn(COMMANDS, command)) {
    fail(`unknown command "${command}"; there are: ${Object.keys(COMMANDS).join(', ')}`)
  }
  installPackages()
  const node = findNode26()
  if (node !== undefined && NEEDS_CONSOLE.has(command)) buildConsole(node)
  if (command === undefined) return

  if (node === undefined) {
    fail(
      `Node ${NODE_MAJOR_MIN} is needed and npm has none for ${process.platform}-${process.arch}; ` +
        `install Node ${NODE_MAJOR_MIN} or newer and run this again`,
    )
  }
  const [script, ...scriptArgs] = COMMANDS[command]
  if (!existsSync(join(ROOT, script))) fail(`${script} is missing; is this a whole checkout?`)
  handOver(node, [...NODE_FLAGS, join(ROOT, script), ...scriptArgs, ...args])
}

/** Does nothing, in well under a millisecond, while node_modules belongs to this lock file. */
function installPackages() {
  const wanted = installationId()
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === wanted) return

  const startedMs = Date.now()
  say('installing the packages of package-lock.json (about 500 MB, once) ...')
  rmSync(STAMP, { force: true })
  // npm leaves out optional packages that its own Node is too old for, so Node 26 runs it.
  runNpm(installNode() ?? process.execPath, ['--include=dev', '--include=optional'])
  mkdirSync(dirname(STAMP), { recursive: true })
  writeFileSync(STAMP, wanted)
  rmSync(NODE_FOLDER, { recursive: true, force: true })
  say(`packages installed in ${Math.round((Date.now() - startedMs) / 1000)} s`)
}

/** Half a second after a change of its sources; a node serves without its console too. */
function buildConsole(node) {
  if (isConsoleBuilt()) return
  const script = join(ROOT, 'services/console/src/build.ts')
  const { status } = spawnSync(node, [...NODE_FLAGS, script], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  if (status !== 0) say('the console could not be built; /ui will say so')
}

/** A Node 26 to install with: one at hand, else the pinned one, fetched alone and ahead of the rest. */
function installNode() {
  const atHand = findNode26()
  if (atHand !== undefined) return atHand
  const name = `node-${process.platform}-${process.arch}`
  const { optionalDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  if (!(name in optionalDependencies)) return undefined
  mkdirSync(NODE_FOLDER, { recursive: true })
  writeFileSync(join(NODE_FOLDER, 'package.json'), '{"private":true}\n')
  const spec = `${name}@${optionalDependencies[name]}`
  runNpm(process.execPath, ['--no-package-lock', '--prefix', NODE_FOLDER, spec])
  return join(NODE_FOLDER, 'node_modules', name, 'bin', 'node')
}

/** Another lock file, platform or processor needs another node_modules. */
function installationId() {
  const lock = readFileSync(join(ROOT, 'package-lock.json'))
  const hash = createHash('sha256').update(lock).digest('hex')
  return `${hash} ${process.platform}-${process.arch}\n`
}

/** Runs the npm on PATH with the given Node. The lock file decides and stays as written. */
function runNpm(node, args) {
  const always = ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund']
  const { status, error } = spawnSync('npm', [...always, '--loglevel=error', ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH}` },
  })
  if (error) fail(`npm could not be started: ${error.message}`)
  if (status !== 0) fail(`npm install failed (exit ${status}); its own message is above`)
}

/**
 * Runs Node 26 in this process's place: same terminal, same exit status. Ctrl-C in a terminal
 * reaches the whole process group, so SIGINT is passed on only where there is no terminal.
 */
function handOver(node, args) {
  const path = [dirname(node), join(ROOT, 'node_modules', '.bin'), process.env.PATH].join(delimiter)
  const child = spawn(node, args, { stdio: 'inherit', env: { ...process.env, PATH: path } })
  process.on('SIGINT', () => {
    if (!process.stdin.isTTY) child.kill('SIGINT')
  })
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('error', (error) => fail(`${node} could not be started: ${error.message}`))
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? 128 + constants.signals[signal]
  })
}

function say(message) {
  process.stderr.write(`forebay: ${message}\n`)
}

/** @returns {never} */
function fail(message) {
  say(message)
  process.exit(1)
}

main(process.argv[2], process.argv.slice(3))
