import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { childEnvironment } from './run-command.ts'
import { ROOT } from './tool-install.ts'
import { requireTool } from './tools.ts'

const READY_TIMEOUT_MS = 30_000
const STOP_TIMEOUT_MS = 20_000
const POLL_MS = 25

/** Lines kept of a server's output for the message of a failed start. */
const LOG_BYTES_MAX = 1024 ** 2

/** A child process that serves HTTP on loopback. Whoever started it stops it. */
export type Server = {
  readonly url: string
  readonly port: number
  readonly pid: number
  /** What it has printed so far, both streams, the oldest dropped. */
  readonly logs: () => string
  /** Resolves when the process is gone, however it ended: its exit status, null after a signal. */
  readonly exited: Promise<number | null>
  /** Ends it politely, by SIGTERM; returns its exit status. Throws when it had to be killed. */
  readonly stop: (signal?: 'SIGTERM' | 'SIGINT') => Promise<number | null>
  /** Ends it as a power cut would end the process: SIGKILL. */
  readonly kill9: () => Promise<void>
}

export type S3Credentials = { readonly accessKey: string; readonly secretKey: string }

/** A TCP port of loopback that nobody listened on a moment ago. */
export function freePort(): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const probe = createServer()
  probe.on('error', reject)
  probe.listen(0, '127.0.0.1', () => {
    const address = probe.address()
    probe.close(() => {
      if (typeof address === 'object' && address !== null) resolve(address.port)
      else reject(new Error('a listening socket has no address'))
    })
  })
  return promise
}

/** A folder below the system's temporary one, and the function that removes it. */
export async function temporaryFolder(
  name: string,
): Promise<{ readonly path: string; readonly remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), `forebay-${name}-`))
  return { path, remove: () => rm(path, { recursive: true, force: true }) }
}

/** versitygw over a folder, with its access log in `<dir>.access.log`. */
export async function startVersitygw(
  options: S3Credentials & {
    readonly dir: string
    readonly port?: number
    /** Where older versions are kept; without it there are none. */
    readonly versionsDir?: string
    /** Who is told of every change. */
    readonly eventsUrl?: string
    readonly signal?: AbortSignal
  },
): Promise<Server & { readonly accessLogPath: string }> {
  const accessLogPath = `${options.dir}.access.log`
  await mkdir(options.dir, { recursive: true })
  const port = options.port ?? (await freePort())
  const { versionsDir, eventsUrl } = options
  if (versionsDir !== undefined) await mkdir(versionsDir, { recursive: true })
  const server = await startServer({
    name: 'versitygw',
    command: requireTool('versitygw'),
    args: [
      ...['--port', `127.0.0.1:${port}`, '--access-log', accessLogPath, '--keep-alive', '--quiet'],
      ...(eventsUrl === undefined ? [] : ['--event-webhook-url', eventsUrl]),
      'posix',
      ...(versionsDir === undefined ? [] : ['--versioning-dir', versionsDir]),
      options.dir,
    ],
    env: childEnvironment({
      ROOT_ACCESS_KEY: options.accessKey,
      ROOT_SECRET_KEY: options.secretKey,
    }),
    port,
    // Any HTTP answer, a refusal too, shows that it serves.
    readyPath: '/',
    isReady: (status) => status > 0,
    signal: options.signal,
  })
  return { ...server, accessLogPath }
}

/** fake-gcs-server, with everything in memory; it takes any credentials, also behind a proxy. */
export async function startFakeGcs(
  options: { readonly signal?: AbortSignal } = {},
): Promise<Server> {
  const port = await freePort()
  return startServer({
    name: 'fake-gcs-server',
    command: requireTool('fake-gcs-server'),
    args: [
      ...['-scheme', 'http', '-host', '127.0.0.1', '-port', String(port)],
      ...['-backend', 'memory', '-data', '/nonexistent'],
      ...['-public-host', '127.0.0.1', '-external-url', `http://127.0.0.1:${port}`],
      ...['-log-level', 'error'],
    ],
    env: childEnvironment(),
    port,
    readyPath: '/_internal/healthcheck',
    isReady: (status) => status === 200,
    signal: options.signal,
  })
}

/** Azurite, the emulator of Azure Blob Storage, in memory; `account` and `key` are all it knows. */
export async function startAzurite(options: {
  readonly account: string
  /** Base64, as Azure gives keys. */
  readonly key: string
  readonly signal?: AbortSignal
}): Promise<Server> {
  const port = await freePort()
  return startServer({
    name: 'azurite',
    command: process.execPath,
    args: [
      ...[requireTool('azurite'), '--blobHost', '127.0.0.1', '--blobPort', String(port)],
      ...['--inMemoryPersistence', '--skipApiVersionCheck', '--disableTelemetry', '--silent'],
    ],
    env: childEnvironment({ AZURITE_ACCOUNTS: `${options.account}:${options.key}` }),
    port,
    // Any HTTP answer, a refusal too, shows that it serves.
    readyPath: '/',
    isReady: (status) => status > 0,
    signal: options.signal,
  })
}

/**
 * Forebay as `npm start` runs it, on a free port, ready to serve.
 *
 * @param options.config settings, written to a file of their own; `args` come after it
 */
export async function startForebay(options: {
  readonly dataDir: string
  readonly config?: Readonly<Record<string, unknown>>
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly port?: number
  /** Checkout of the program, set up; absent: this one. */
  readonly root?: string | undefined
  readonly signal?: AbortSignal
}): Promise<Server> {
  const port = options.port ?? (await freePort())
  await mkdir(options.dataDir, { recursive: true })
  const configArgs: string[] = []
  if (options.config !== undefined) {
    const path = `${options.dataDir}.config.json`
    await writeFile(path, JSON.stringify(options.config))
    configArgs.push('--config', path)
  }
  return startServer({
    name: 'forebay',
    command: process.execPath,
    args: [
      '--disable-warning=ExperimentalWarning',
      ...[join(options.root ?? ROOT, 'services/forebay/src/main.ts'), 'up'],
      ...['--port', String(port), '--data', options.dataDir, ...configArgs],
      ...(options.args ?? []),
    ],
    env: childEnvironment(options.env),
    port,
    readyPath: '/v1/health?readiness=true',
    isReady: (status) => status === 200,
    signal: options.signal,
  })
}

/** What a test needs to know to run a program as a server. */
export type ServerRecipe = {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly port: number
  readonly readyPath: string
  readonly isReady: (status: number) => boolean
  /** Asked instead of HTTP, of a server that speaks something else. */
  readonly probe?: (() => Promise<boolean>) | undefined
  readonly signal?: AbortSignal | undefined
}

/** Starts a program and returns once it answers; ends it and throws with its output if it does not. */
export async function startServer(recipe: ServerRecipe): Promise<Server> {
  const child = spawn(recipe.command, recipe.args, {
    env: recipe.env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  // A test process that ends early, by an exception or a timeout, takes its servers along.
  const endWithUs = (): void => void child.kill('SIGKILL')
  process.once('exit', endWithUs)
  const exited = new Promise<number | null>((resolve) => {
    child.once('error', () => resolve(null))
    child.once('exit', (code) => resolve(code))
  }).finally(() => process.removeListener('exit', endWithUs))
  const logs = keepLogs(child)
  const url = `http://127.0.0.1:${recipe.port}`
  try {
    await waitUntilReady(recipe, child)
  } catch (cause) {
    child.kill('SIGKILL')
    await exited
    throw new Error(`${recipe.name} did not start\n${logs().slice(-4000)}`, { cause })
  }
  return {
    url,
    port: recipe.port,
    pid: child.pid ?? 0,
    logs,
    exited,
    stop: async (signal = 'SIGTERM') => {
      child.kill(signal)
      const timer = setTimeout(endWithUs, STOP_TIMEOUT_MS)
      const code = await exited
      clearTimeout(timer)
      if (child.signalCode === 'SIGKILL') {
        throw new Error(
          `${recipe.name} did not stop in ${STOP_TIMEOUT_MS} ms\n${logs().slice(-4000)}`,
        )
      }
      return code
    },
    kill9: async () => {
      child.kill('SIGKILL')
      await exited
    },
  }
}

async function waitUntilReady(recipe: ServerRecipe, child: ChildProcess): Promise<void> {
  const deadline = Date.now() + READY_TIMEOUT_MS
  for (;;) {
    recipe.signal?.throwIfAborted()
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) {
      throw new Error(`it ended with ${child.exitCode ?? child.signalCode ?? 'no process'}`)
    }
    if (await (recipe.probe ?? (() => answersHttp(recipe)))()) return
    if (Date.now() > deadline) throw new Error(`it was not ready in ${READY_TIMEOUT_MS} ms`)
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

async function answersHttp({ port, readyPath, isReady }: ServerRecipe): Promise<boolean> {
  return isReady(await statusOf(`http://127.0.0.1:${port}${readyPath}`))
}

/** The status of a GET, 0 while nobody answers. */
async function statusOf(url: string): Promise<number> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2000) })
    await response.arrayBuffer()
    return response.status
  } catch {
    return 0
  }
}

function keepLogs(child: ChildProcess): () => string {
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8')
    stream?.on('data', (chunk: string) => {
      text = (text + chunk).slice(-LOG_BYTES_MAX)
    })
  }
  return () => text
}
