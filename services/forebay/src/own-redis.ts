import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { accessSync, constants } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { delimiter, join } from 'node:path'
import type { Clock } from '@forebay/base/clock'
import { Failure } from '@forebay/base/failure'
import type { Logger } from '@forebay/observe/logger'

/** In this order: what is free software comes first. */
const PROGRAMS = ['valkey-server', 'redis-server'] as const

/** Below the data directory. */
const FOLDER = 'redis'
const NOTE = 'forebay.json'

const HOST = '127.0.0.1'
const STOP_WAIT_MS = 5000
const TELL_WAIT_MS = 500
const RESTART_PAUSE_MS = 1000
const POLL_MS = 50

/** A server of this node alone, with a port and a password of its own. */
export interface OwnRedis {
  readonly url: string
  readonly program: string
  stop(): Promise<void>
}

export interface OwnRedisOptions {
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

/**
 * Starts the Valkey or Redis that is found, for `redisUrl: auto`. It writes what it is told to its log
 * in the data directory; when it dies it is started again.
 *
 * @throws Failure `setting-invalid` where none is found
 */
export async function startOwnRedis(options: OwnRedisOptions): Promise<OwnRedis> {
  const program = findProgram(options.searchPath)
  const folder = join(options.dataDir, FOLDER)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const notePath = join(folder, NOTE)
  await endLeftBehind(notePath, options.clock)
  const access = { port: await freePort(), password: randomUUID() }
  await writeFile(notePath, JSON.stringify(access), { mode: 0o600 })
  const server = new Supervised(program, configOf(folder, access), options)
  options.logger.info({ program, port: access.port }, 'jobs are kept by a server of this node')
  return {
    url: `redis://:${access.password}@${HOST}:${access.port}`,
    program,
    stop: async () => {
      await server.stop()
      await rm(notePath, { force: true })
    },
  }
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
    ...[`port ${port}`, `bind ${HOST}`, `requirepass ${password}`, `dir "${folder}"`],
    `pidfile "${join(folder, 'redis.pid')}"`,
    ...['appendonly yes', 'appendfsync everysec', 'save ""', 'maxmemory-policy noeviction'],
    '',
  ].join('\n')
}

class Supervised {
  readonly #program: string
  readonly #config: string
  readonly #options: OwnRedisOptions
  readonly #stopping = new AbortController()
  #child: ChildProcess
  #exited: Promise<void>

  constructor(program: string, config: string, options: OwnRedisOptions) {
    this.#program = program
    this.#config = config
    this.#options = options
    ;[this.#child, this.#exited] = this.#start()
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#child.kill('SIGTERM')
    const { clock } = this.#options
    const enough = new AbortController()
    const late = clock.sleep(STOP_WAIT_MS, enough.signal).then(
      () => this.#child.kill('SIGKILL'),
      () => false,
    )
    await Promise.race([this.#exited, late])
    enough.abort()
    await this.#exited
  }

  #start(): [ChildProcess, Promise<void>] {
    const child = spawn(this.#program, ['-'], { stdio: ['pipe', 'ignore', 'ignore'] })
    child.stdin?.on('error', (error) => this.#warn(error))
    child.stdin?.end(this.#config)
    const { promise, resolve } = Promise.withResolvers<void>()
    child.once('error', (error) => {
      this.#warn(error)
      resolve()
    })
    child.once('exit', () => resolve())
    promise.then(() => this.#again()).catch((error: unknown) => this.#warn(error))
    return [child, promise]
  }

  async #again(): Promise<void> {
    const { signal } = this.#stopping
    if (signal.aborted) return
    this.#options.logger.warn(
      { program: this.#program },
      'the server of jobs ended; it is started again',
    )
    await this.#options.clock.sleep(RESTART_PAUSE_MS, signal).catch(() => undefined)
    if (!signal.aborted) [this.#child, this.#exited] = this.#start()
  }

  #warn(error: unknown): void {
    this.#options.logger.warn({ err: error }, 'the server of jobs could not be started')
  }
}

/** One that a node left behind which was killed: two servers on one folder would spoil it. */
async function endLeftBehind(notePath: string, clock: Clock): Promise<void> {
  const access = readAccess(await readFile(notePath, 'utf8').catch(() => ''))
  if (access === undefined) return
  const { port, password } = access
  for (let waitedMs = 0; waitedMs < STOP_WAIT_MS; waitedMs += POLL_MS) {
    // Who does not know the password is somebody else, on a port that was free.
    if ((await tell(port, `AUTH ${password}\r\nSHUTDOWN\r\n`)) !== 'heard') return
    await clock.sleep(POLL_MS)
  }
  throw new Failure('setting-invalid', 'a server of jobs that an earlier node left does not end', {
    hint: `It listens on ${HOST}:${port}; end it by hand.`,
  })
}

function readAccess(text: string): Access | undefined {
  const match = /^\{"port":(\d{1,5}),"password":"([0-9a-f-]{36})"\}$/.exec(text)
  return match === null ? undefined : { port: Number(match[1]), password: match[2] ?? '' }
}

/** Sends a text; `heard` where its first command was taken, or nothing was said at all. */
function tell(port: number, text: string): Promise<'heard' | 'refused'> {
  const { promise, resolve } = Promise.withResolvers<'heard' | 'refused'>()
  const socket = connect(port, HOST, () => socket.write(text))
  socket.setTimeout(TELL_WAIT_MS, () => socket.destroy())
  socket.once('data', (chunk: Buffer) => {
    if (!chunk.toString('latin1').startsWith('+OK')) {
      socket.destroy()
      resolve('refused')
    }
  })
  socket.once('error', () => resolve('refused'))
  socket.once('close', () => resolve('heard'))
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
