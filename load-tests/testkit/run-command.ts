import { spawn } from 'node:child_process'
import { join } from 'node:path'

/** Where programs of Node keep what they compiled: of what a start costs, more than half. */
const COMPILED_FOLDER = join(import.meta.dirname, '../../.cache/compile')

/** Bytes of output kept of a command: its end, where the reason of a failure stands. */
const OUTPUT_BYTES_MAX = 4 * 1024 ** 2

export type CommandOptions = {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly input?: string
  readonly signal?: AbortSignal
  /** Default 120,000. */
  readonly timeoutMs?: number
}

export type CommandOutput = { readonly stdout: string; readonly stderr: string }

/**
 * Runs a command to its end and returns what it printed. Throws with the end of its output when it
 * cannot be started, exits with another status than 0, or outlives its time (it is killed then).
 */
export function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandOutput> {
  const { promise, resolve, reject } = Promise.withResolvers<CommandOutput>()
  const timeoutMs = options.timeoutMs ?? 120_000
  const timeout = AbortSignal.timeout(timeoutMs)
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: options.env ?? childEnvironment(),
    stdio: ['pipe', 'pipe', 'pipe'],
    signal: options.signal ? AbortSignal.any([options.signal, timeout]) : timeout,
    killSignal: 'SIGKILL',
  })
  const stdout = collectOutput(child.stdout)
  const stderr = collectOutput(child.stderr)
  child.stdin.on('error', () => child.stdin.destroy())
  child.stdin.end(options.input ?? '')
  const line = [command, ...args].join(' ').slice(0, 200)
  child.on('error', (cause) => {
    const reason = timeout.aborted ? `took longer than ${timeoutMs} ms` : cause.message
    reject(new Error(`${line}: ${reason}\n${(stderr() || stdout()).slice(-4000)}`, { cause }))
  })
  child.on('close', (code, signal) => {
    if (code === 0) return resolve({ stdout: stdout(), stderr: stderr() })
    const said = (stderr() || stdout()).slice(-4000)
    reject(new Error(`${line}: exit ${code ?? signal}\n${said}`))
  })
  return promise
}

/** What a command printed on both streams, in order, whatever its exit status; killed after `timeoutMs`. */
export function outputOf(
  command: string,
  args: readonly string[],
  options: Pick<CommandOptions, 'cwd' | 'env'> & { readonly timeoutMs: number },
): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: options.env ?? childEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: options.timeoutMs,
    killSignal: 'SIGKILL',
  })
  const chunks: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk))
  child.on('error', reject)
  child.on('close', () => resolve(Buffer.concat(chunks).toString()))
  return promise
}

/**
 * The environment for a child process: ours, without what would steer a client elsewhere
 * (`AWS_CA_BUNDLE` alone breaks Go clients) or settings of another Forebay.
 *
 * @param extra names to set; undefined leaves a name out
 */
export function childEnvironment(
  extra: Readonly<Record<string, string | undefined>> = {},
): Readonly<Record<string, string | undefined>> {
  const kept = Object.entries(process.env).filter(
    ([name]) =>
      !/^(AWS_|AZURE_|FOREBAY_|AIS_|VIRTUAL_ENV$|PYTHONHOME$|PYTHONPATH$|VITEST)/.test(name),
  )
  return {
    ...Object.fromEntries(kept),
    AWS_CONFIG_FILE: '/dev/null',
    AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
    AWS_EC2_METADATA_DISABLED: 'true',
    NODE_COMPILE_CACHE: COMPILED_FOLDER,
    ...extra,
  }
}

function collectOutput(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = []
  let sizeBytes = 0
  stream.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    sizeBytes += chunk.length
    while (sizeBytes > OUTPUT_BYTES_MAX && chunks.length > 1)
      sizeBytes -= chunks.shift()?.length ?? 0
  })
  return () => Buffer.concat(chunks).toString('utf8')
}
