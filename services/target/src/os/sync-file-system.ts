import { execFile } from 'node:child_process'
import { Worker } from 'node:worker_threads'
import { Failure } from '@forebay/base/failure'
import { hasSyncfs } from './libc.ts'

/** File systems that may be syncing at once; a hung disk keeps its thread, the others go on. */
export const SYNCS_MAX = 16

/** What the sync thread answers. */
export interface SyncAnswer {
  readonly ok: boolean
}

/** Threads with nothing to do; kept, since starting one costs 20 ms. */
const idle: SyncThread[] = []
let running = 0

/**
 * Resolves when everything written to the file system of `fd` before the call is on disk. Keep `fd`
 * open until then. Runs in a thread of its own; without `node:ffi` as the command `sync -f`.
 *
 * @throws Failure `disk-error` when the system reports an error; `slow-down` when `SYNCS_MAX` run.
 */
export async function syncFileSystem(fd: number): Promise<void> {
  if (running >= SYNCS_MAX) {
    throw new Failure('slow-down', `${SYNCS_MAX} file systems are syncing already; is a disk hung?`)
  }
  running += 1
  try {
    const done = hasSyncfs ? await syncInThread(fd) : await syncByCommand(fd)
    if (!done) throw new Failure('disk-error', 'the system could not sync a file system; see dmesg')
  } finally {
    running -= 1
  }
}

/** Ends the threads that have nothing to do; for a clean exit of tests. They never hold the process. */
export async function closeSyncThreads(): Promise<void> {
  await Promise.all(idle.splice(0).map((thread) => thread.close()))
}

async function syncInThread(fd: number): Promise<boolean> {
  const thread = idle.pop() ?? new SyncThread()
  const done = await thread.sync(fd)
  idle.push(thread)
  return done
}

/** One thread, one sync at a time; holds the process only meanwhile. */
class SyncThread {
  readonly #worker = new Worker(new URL('./sync-thread.ts', import.meta.url), {
    name: 'forebay-sync',
    execArgv: [],
  })
  #pending: PromiseWithResolvers<boolean> | undefined

  constructor() {
    this.#worker.on('message', (answer: SyncAnswer) => this.#pending?.resolve(answer.ok))
    this.#worker.on('error', (error) => this.#fail(error))
    this.#worker.on('exit', () => this.#fail(undefined))
    this.#worker.unref()
  }

  async sync(fd: number): Promise<boolean> {
    this.#pending = Promise.withResolvers()
    this.#worker.ref()
    this.#worker.postMessage(fd)
    try {
      return await this.#pending.promise
    } finally {
      this.#pending = undefined
      this.#worker.unref()
    }
  }

  async close(): Promise<void> {
    await this.#worker.terminate()
  }

  #fail(cause: unknown): void {
    this.#pending?.reject(new Failure('disk-error', 'the sync thread died', { cause }))
    const at = idle.indexOf(this)
    if (at >= 0) idle.splice(at, 1)
  }
}

/** `sync -f` opens the path again; through /proc it is the same open file. */
function syncByCommand(fd: number): Promise<boolean> {
  return new Promise((resolve) => {
    execFile('sync', ['-f', `/proc/${process.pid}/fd/${fd}`], (error) => resolve(error === null))
  })
}
