import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { accessSync, constants } from 'node:fs'
import { mkdir, readFile, readlink, realpath } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { delimiter, join } from 'node:path'
import type { Clock } from '@forebay/base/clock'
import { Failure } from '@forebay/base/failure'
import type { Logger } from '@forebay/observe/logger'
import { registerSecret } from '@forebay/observe/secrets'

/** In this order: what is free software comes first. */
const PROGRAMS = ['valkey-server', 'redis-server'] as const

/** Below the data directory. */
const FOLDER = 'redis'
const PID_FILE = 'redis.pid'
const LOG_FILE = 'redis.log'

const HOST = '127.0.0.1'

/** Ports that are tried: one that was free may be taken a moment later. */
const PORTS_MAX = 5

/** A server answers so soon, milliseconds, or is not waited for: it reads its data later. */
const START_WAIT_MS = 30_000
const STOP_WAIT_MS = 5000
const KILL_WAIT_MS = 2000
const TELL_WAIT_MS = 500

/** Pause before a server that ended is started again: doubled while it does not stay. */
const RESTART_PAUSE_MS = 1000
const RESTART_PAUSE_MAX_MS = 30_000

/** One that stayed for so long has started well, milliseconds. */
const STAYED_MS = 60_000
const POLL_MS = 50

/** A server of this node alone, with a port and a password of its own. */
export interface OwnRedis {
  readonly url: string
  readonly program: string
  stop(): Promise<void>
}

export interface OwnRedisOptions {
  /** That of a node which has the lock on it: no other one starts a server there. */
  readonly dataDir: string
  /** `PATH` of the node. */
  readonly searchPath: string
  readonly clock: Clock
  readonly logger: Logger
}

interface Access {
  readonly port: number
  readonly password: string
}

/** A process of the server. */
interface Running {
  readonly child: ChildProcess
  /** Resolves when it has ended, or could not begin. */
  readonly exited: Promise<void>
}

/**
 * Starts the Valkey or Redis that is found, for `redisUrl: auto`, and waits until it answers. It writes
 * what it is told to its log in the data directory; when it dies it is started again.
 *
 * @throws Failure `setting-invalid` where none is found, or it does not start; then none is left running
 */
export async function startOwnRedis(options: OwnRedisOptions): Promise<OwnRedis> {
  const program = findProgram(options.searchPath)
  const path = join(options.dataDir, FOLDER)
  await mkdir(path, { recursive: true, mode: 0o700 })
  // As the system names it: the server is known by the folder that it works in.
  const folder = await realpath(path)
  await endLeftBehind(folder, options.clock)
  const password = randomUUID()
  registerSecret(password)
  for (let ports = 1; ports <= PORTS_MAX; ports += 1) {
    const access = { port: await freePort(), password }
    const server = new Supervised(program, configOf(folder, access), options)
    if (await server.begin(access)) {
      options.logger.info({ program, port: access.port }, 'jobs are kept by a server of this node')
      const url = `redis://:${password}@${HOST}:${access.port}`
      return { url, program, stop: () => server.stop() }
    }
  }
  throw new Failure('setting-invalid', `redisUrl is auto, and ${program} does not start`, {
    hint: `${join(folder, LOG_FILE)} tells why.`,
  })
}

function findProgram(searchPath: string): string {
  for (const program of PROGRAMS) {
    for (const folder of searchPath.split(delimiter)) {
      const path = join(folder, program)
      if (folder !== '' && isExecutable(path)) return path
    }
  }
  throw new Failure(
    'setting-invalid',
    `redisUrl is auto, and ${PROGRAMS.join(' or ')} is not on PATH`,
    {
      hint: 'Install Valkey or Redis, name one by redisUrl, or leave redisUrl out: one node needs none.',
    },
  )
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Read from standard input: a password has no place among a process's arguments. */
function configOf(folder: string, { port, password }: Access): string {
  return [
    ...[`port ${port}`, `bind ${HOST}`, `requirepass ${password}`, `dir ${quoted(folder)}`],
    ...[`pidfile ${quoted(join(folder, PID_FILE))}`, `logfile ${quoted(join(folder, LOG_FILE))}`],
    ...['loglevel warning', 'appendonly yes', 'appendfsync everysec', 'save ""'],
    'maxmemory-policy noeviction',
    '',
  ].join('\n')
}

function quoted(text: string): string {
  return `"${text.replaceAll(/["\\]/g, '\\$&')}"`
}

class Supervised {
  readonly #program: string
  readonly #config: string
  readonly #options: OwnRedisOptions
  readonly #stopping = new AbortController()
  #running: Running
  #startedAt: number
  #pauseMs = RESTART_PAUSE_MS

  constructor(program: string, config: string, options: OwnRedisOptions) {
    this.#program = program
    this.#config = config
    this.#options = options
    this.#startedAt = options.clock.monotonic()
    this.#running = this.#spawn()
  }

  /** @returns false where it ended, or was ended, before it answered */
  async begin(access: Access): Promise<boolean> {
    const { clock } = this.#options
    const { exited } = this.#running
    let hasEnded = false
    void exited.then(() => {
      hasEnded = true
    })
    for (let waitedMs = 0; !hasEnded && waitedMs < START_WAIT_MS; waitedMs += POLL_MS) {
      // Somebody else may listen there: then the server has ended, or will not know the password.
      if ((await answers(access)) && !hasEnded) {
        this.#supervise()
        return true
      }
      await clock.sleep(POLL_MS)
    }
    await this.stop()
    return false
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    const { child, exited } = this.#running
    child.kill('SIGTERM')
    const { clock } = this.#options
    const enough = new AbortController()
    const late = clock.sleep(STOP_WAIT_MS, enough.signal).then(
      () => child.kill('SIGKILL'),
      () => false,
    )
    await Promise.race([exited, late])
    enough.abort()
    await exited
  }

  #spawn(): Running {
    const child = spawn(this.#program, ['-'], { stdio: ['pipe', 'ignore', 'ignore'] })
    child.stdin?.on('error', (error) => this.#warn(error))
    child.stdin?.end(this.#config)
    const { promise, resolve } = Promise.withResolvers<void>()
    child.once('error', (error) => {
      this.#warn(error)
      resolve()
    })
    child.once('exit', () => resolve())
    return { child, exited: promise }
  }

  #supervise(): void {
    this.#running.exited.then(() => this.#again()).catch((error: unknown) => this.#warn(error))
  }

  async #again(): Promise<void> {
    const { signal } = this.#stopping
    if (signal.aborted) return
    const { clock, logger } = this.#options
    logger.warn({ program: this.#program }, 'the server of jobs ended; it is started again')
    if (clock.monotonic() - this.#startedAt > STAYED_MS) this.#pauseMs = RESTART_PAUSE_MS
    await clock.sleep(this.#pauseMs, signal).catch(() => undefined)
    if (signal.aborted) return
    this.#pauseMs = Math.min(RESTART_PAUSE_MAX_MS, this.#pauseMs * 2)
    this.#startedAt = clock.monotonic()
    this.#running = this.#spawn()
    this.#supervise()
  }

  #warn(error: unknown): void {
    this.#options.logger.warn({ err: error }, 'the server of jobs could not be started')
  }
}

/**
 * Ends the server that a node left behind which was killed: two servers on one folder would spoil it. It
 * is known by its number and by the folder that it works in; a number alone may be somebody else's by now.
 */
async function endLeftBehind(folder: string, clock: Clock): Promise<void> {
  const pid = await serverIn(folder)
  if (pid === undefined) return
  for (const [signal, waitMs] of [
    ['SIGTERM', STOP_WAIT_MS],
    ['SIGKILL', KILL_WAIT_MS],
  ] as const) {
    end(pid, signal)
    for (let waitedMs = 0; waitedMs < waitMs; waitedMs += POLL_MS) {
      await clock.sleep(POLL_MS)
      if (!(await worksIn(pid, folder))) return
    }
  }
  throw new Failure('setting-invalid', 'a server of jobs that an earlier node left does not end', {
    hint: `End process ${pid} by hand.`,
  })
}

function end(pid: number, signal: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It has ended meanwhile, or may not be ended by us: whether it is there is looked at next.
  }
}

/** Number of the process that has the folder. */
async function serverIn(folder: string): Promise<number | undefined> {
  const text = await readFile(join(folder, PID_FILE), 'utf8').catch(() => '')
  const pid = /^\d{1,10}\s*$/.test(text) ? Number(text) : 0
  return pid > 1 && (await worksIn(pid, folder)) ? pid : undefined
}

/** False for one that has ended, also while its parent has not asked how. */
async function worksIn(pid: number, folder: string): Promise<boolean> {
  return (await readlink(`/proc/${pid}/cwd`).catch(() => '')) === folder
}

/** True where a server listens that knows the password; it may still read its data. */
function answers({ port, password }: Access): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const socket = connect(port, HOST, () => socket.write(`AUTH ${password}\r\n`))
  socket.setTimeout(TELL_WAIT_MS, () => socket.destroy())
  socket.once('data', (chunk: Buffer) => {
    resolve(chunk.toString('latin1').startsWith('+OK'))
    socket.destroy()
  })
  socket.once('error', () => resolve(false))
  socket.once('close', () => resolve(false))
  return promise
}

function freePort(): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const probe = createServer()
  probe.on('error', reject)
  probe.listen(0, HOST, () => {
    const address = probe.address()
    probe.close(() => {
      if (typeof address === 'object' && address !== null) resolve(address.port)
      else reject(new Error('a listening socket has no address'))
    })
  })
  return promise
}
