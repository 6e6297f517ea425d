/** Compiles the load client once per version of its source. */
import { createHash } from 'node:crypto'
import { mkdir, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { childEnvironment, runCommand } from '../testkit/run-command.ts'
import { findOnPath, isExecutable, TOOLS_FOLDER } from '../testkit/tool-install.ts'

const SOURCE = join(import.meta.dirname, 'client.c')
const FLAGS = ['-O2', '-std=gnu11', '-Wall', '-Wextra', '-Werror']
const APT_TIMEOUT_MS = 10 * 60_000

/**
 * Path of the compiled client. Takes the C compiler on PATH; as root on Debian it installs one.
 *
 * @throws Error when there is no compiler, with what to do
 */
export async function buildClient(): Promise<string> {
  const source = await readFile(SOURCE)
  const id = createHash('sha256').update(source).update(FLAGS.join(' ')).digest('hex').slice(0, 16)
  const path = join(TOOLS_FOLDER, `bench-client-${id}`)
  if (isExecutable(path)) return path
  await mkdir(TOOLS_FOLDER, { recursive: true })
  const part = `${path}.${process.pid}.part`
  await runCommand(await findCompiler(), [...FLAGS, '-o', part, SOURCE])
  await rename(part, path)
  return path
}

async function findCompiler(): Promise<string> {
  const found = findOnPath('cc') ?? findOnPath('gcc')
  if (found !== undefined) return found
  if (process.getuid?.() !== 0 || findOnPath('apt-get') === undefined) {
    throw new Error('the load client needs a C compiler: apt-get install gcc libc6-dev')
  }
  const env = childEnvironment({ DEBIAN_FRONTEND: 'noninteractive' })
  const options = { env, timeoutMs: APT_TIMEOUT_MS }
  const install = ['install', '-y', '--no-install-recommends', 'gcc', 'libc6-dev']
  await runCommand('apt-get', install, options).catch(async () => {
    await runCommand('apt-get', ['update'], options)
    return runCommand('apt-get', install, options)
  })
  return 'gcc'
}
