import { closeSync, constants, fstatSync, openSync, unlinkSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { Failure } from '@forebay/base/failure'
import { hasFallocate, punchHoleBlocking } from './libc.ts'

/** Whole blocks of a file that is open for writing. */
export interface Hole {
  readonly fd: number
  readonly offset: number
  readonly lengthBytes: number
}

/** What the thread answers. */
export interface PunchAnswer {
  readonly failedCount: number
}

/**
 * Gives blocks of files back to their file system, in a thread of its own that starts with the first:
 * one for each disk, so that a disk that hangs holds up nobody else's.
 */
export class HolePunch {
  #worker: Worker | undefined
  #pending: PromiseWithResolvers<number> | undefined

  /**
   * Punches holes, one call at a time. Keep their files open until then.
   *
   * @returns how many could not be punched
   * @throws Failure `disk-error` when the thread died
   */
  async punch(holes: readonly Hole[]): Promise<number> {
    const worker = this.#worker ?? this.#start()
    this.#worker = worker
    this.#pending = Promise.withResolvers()
    worker.ref()
    worker.postMessage(holes)
    try {
      return await this.#pending.promise
    } finally {
      this.#pending = undefined
      worker.unref()
    }
  }

  async close(): Promise<void> {
    await this.#worker?.terminate()
  }

  #start(): Worker {
    const worker = new Worker(new URL('./punch-thread.ts', import.meta.url), {
      name: 'forebay-punch',
      execArgv: [],
    })
    worker.on('message', ({ failedCount }: PunchAnswer) => this.#pending?.resolve(failedCount))
    worker.on('error', (error) => this.#fail(worker, error))
    worker.on('exit', () => this.#fail(worker, undefined))
    worker.unref()
    return worker
  }

  /** A thread that died says so twice: by then another one may have files that are not to be closed. */
  #fail(worker: Worker, cause: unknown): void {
    if (worker !== this.#worker) return
    this.#worker = undefined
    this.#pending?.reject(new Failure('disk-error', 'the thread for holes died', { cause }))
  }
}

/**
 * Whether the file system below a directory takes holes back, by a trial; blocks like a write.
 *
 * @param unitBytes allocation unit of the file system
 */
export function takesHoles(directory: string, unitBytes: number): boolean {
  if (!hasFallocate) return false
  const path = join(directory, `trial-${crypto.randomUUID()}`)
  try {
    const fd = openSync(path, TRIAL_FLAGS, 0o600)
    try {
      writeSync(fd, Buffer.alloc(2 * unitBytes, 1))
      const before = fstatSync(fd).blocks
      return punchHoleBlocking(fd, 0, unitBytes) && fstatSync(fd).blocks < before
    } finally {
      closeSync(fd)
      unlinkSync(path)
    }
  } catch {
    // A disk that takes no file now, or is full: it takes no small objects either.
    return false
  }
}

const TRIAL_FLAGS = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW
