import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { outputOf, runCommand } from '../testkit/run-command.ts'
import { requireTool } from '../testkit/tools.ts'

/** Longest that one look at one archive may take, ms. */
const TIMEOUT_MS = 60_000

export type ArchiveFormat = 'tar' | 'tgz' | 'tar.lz4' | 'zip'

/** What a program that is not ours finds in an archive. */
export type Found = {
  /** In the order of the archive. */
  readonly names: readonly string[]
  /** Of the bytes of all members, one after the other; SHA-256. */
  readonly digest: string
}

/**
 * Reads a whole archive with the system's own programs: `tar`, `unzip`, `gzip`, `lz4`.
 *
 * @throws Error when one of them finds anything wrong
 */
export async function readByOthers(format: ArchiveFormat, path: string): Promise<Found> {
  if (format === 'zip') {
    const unzip = requireTool('unzip')
    await runCommand(unzip, ['-tqq', path], { timeoutMs: TIMEOUT_MS })
    const names = await linesOf(unzip, ['-Z1', path])
    return { names, digest: await digestOf(unzip, ['-pqq', path]) }
  }
  const unpack = await checkPacked(format, path)
  const names = await linesOf('tar', [...unpack, '-tf', path])
  return { names, digest: await digestOf('tar', [...unpack, '-xOf', path]) }
}

/** Tests the checksums of what a TAR is packed in. @returns how tar is told of it */
async function checkPacked(format: ArchiveFormat, path: string): Promise<readonly string[]> {
  if (format === 'tar') return []
  const program = format === 'tgz' ? 'gzip' : requireTool('lz4')
  await runCommand(program, ['-tq', path], { timeoutMs: TIMEOUT_MS })
  return ['-I', program]
}

async function linesOf(command: string, args: readonly string[]): Promise<readonly string[]> {
  const text = await outputOf(command, args, { timeoutMs: TIMEOUT_MS })
  return text.split('\n').filter((line) => line !== '')
}

function digestOf(command: string, args: readonly string[]): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: TIMEOUT_MS,
    killSignal: 'SIGKILL',
  })
  const hash = createHash('sha256')
  child.stdout.on('data', (chunk: Buffer) => hash.update(chunk))
  child.on('error', reject)
  child.on('close', (code) => {
    if (code === 0) resolve(hash.digest('hex'))
    else reject(new Error(`${command} ${args.join(' ')}: exit ${code}`))
  })
  return promise
}
