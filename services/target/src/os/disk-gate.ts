import { fstatSync } from 'node:fs'
import { Failure, type FailureCode } from '@forebay/base/failure'
import { tellDiskError } from './disk-errors.ts'

/**
 * Operations of one disk that may occupy threads of the pool at once. A hung disk then keeps this many
 * threads and no more; the pool must have more than that (UV_THREADPOOL_SIZE).
 */
export const DISK_OPERATIONS_MAX = 4

/** Operations that may wait for one disk; more are refused. */
export const DISK_WAITERS_MAX = 1000

/** After this long an answer is not expected any more, milliseconds. */
export const DISK_TIMEOUT_MS = 30_000

export interface DiskGateOptions {
  readonly operationsMax?: number
  readonly waitersMax?: number
  readonly timeoutMs?: number
}

export interface DiskRunOptions {
  /** Ends the wait of the caller, not the operation. */
  readonly signal?: AbortSignal | undefined
  /** Wait for the end whatever it takes; for writes, whose descriptor must outlive them. */
  readonly patient?: boolean | undefined
}

/**
 * Admits a bounded number of blocking operations of one disk, in the order of asking, so that a slow
 * or hung disk delays nobody but its own readers and writers.
 */
export class DiskGate {
  readonly #operationsMax: number
  readonly #waitersMax: number
  readonly #timeoutMs: number
  readonly #waiting = new Set<() => void>()
  #running = 0
  #overdue = 0

  constructor(options: DiskGateOptions = {}) {
    this.#operationsMax = options.operationsMax ?? DISK_OPERATIONS_MAX
    this.#waitersMax = options.waitersMax ?? DISK_WAITERS_MAX
    this.#timeoutMs = options.timeoutMs ?? DISK_TIMEOUT_MS
  }

  /** Operations that run for longer than the time limit: the disk hangs. */
  get overdueCount(): number {
    return this.#overdue
  }

  /**
   * Runs the operation once a place is free. It keeps its place until it settles, even when the
   * caller was told before that it took too long: what it holds (a buffer, a descriptor) must be let
   * go by the operation itself. A `patient` caller is never told before it settles.
   *
   * @throws Failure `slow-down` past the bound of waiters, `disk-error` after the time limit; the
   * signal's reason; whatever the operation throws
   */
  run<T>(operation: () => Promise<T>, options: DiskRunOptions = {}): Promise<T> {
    const { signal } = options
    if (signal?.aborted) return Promise.reject(signal.reason)
    if (this.#running >= this.#operationsMax && this.#waiting.size >= this.#waitersMax) {
      return Promise.reject(busy(this.#waitersMax))
    }
    return new Promise((resolve, reject) => {
      let started = false
      let overdue = false
      const leave = (): void => {
        if (!started) drop()
        reject(signal?.reason)
      }
      const expire = (): void => {
        if (started) {
          overdue = true
          this.#overdue += 1
        }
        if (options.patient) return
        if (!started) drop()
        reject(tooLate(this.#timeoutMs))
      }
      const timer = setTimeout(expire, this.#timeoutMs).unref()
      const drop = (): void => {
        this.#waiting.delete(start)
        clearTimeout(timer)
        signal?.removeEventListener('abort', leave)
      }
      const finish = (): void => {
        if (overdue) this.#overdue -= 1
        drop()
        this.#running -= 1
        this.#startNext()
      }
      const start = (): void => {
        started = true
        this.#running += 1
        // For a caller who has given up this settles a settled promise, which does nothing.
        operation().finally(finish).then(resolve, reject)
      }
      signal?.addEventListener('abort', leave, { once: true })
      if (this.#running < this.#operationsMax) start()
      else this.#waiting.add(start)
    })
  }

  #startNext(): void {
    const [start] = this.#waiting
    if (start === undefined || this.#running >= this.#operationsMax) return
    this.#waiting.delete(start)
    start()
  }
}

const gates = new Map<number, DiskGate>()

/** The gate of the disk that a descriptor's file is on. */
export function diskGateOf(fd: number): DiskGate {
  const { dev } = fstatSync(fd)
  let gate = gates.get(dev)
  if (gate === undefined) {
    gate = new DiskGate()
    gates.set(dev, gate)
  }
  return gate
}

/** True when no descriptor was left, of the process or of the system: nothing is wrong with the file. */
export function isExhausted(error: unknown): boolean {
  return isSystemError(error) && (error.code === 'EMFILE' || error.code === 'ENFILE')
}

/**
 * The error of a disk operation as a failure of the catalogue; those who watch the disks are told.
 *
 * @param fd of the file that it was about, where the error names none
 */
export function diskFailure(error: unknown, what: string, fd?: number): Failure {
  if (error instanceof Failure) return error
  if (isSystemError(error)) tellDiskError(error, fd)
  if (isExhausted(error)) return exhausted(error, what)
  const full = isSystemError(error) && (error.code === 'ENOSPC' || error.code === 'EDQUOT')
  const code: FailureCode = full ? 'out-of-space' : 'disk-error'
  const why = error instanceof Error ? error.message : String(error)
  return new Failure(code, `${what}: ${why}`, { cause: error })
}

function isSystemError(error: unknown): error is Error & { readonly code: unknown } {
  return error instanceof Error && 'code' in error
}

function exhausted(cause: unknown, what: string): Failure {
  return new Failure('slow-down', `${what}: no file descriptor is left`, {
    cause,
    hint: 'Raise the limit of open files (ulimit -n, LimitNOFILE of systemd).',
    retryAfterSeconds: 1,
  })
}

function busy(waitersMax: number): Failure {
  return new Failure('slow-down', `more than ${waitersMax} operations wait for one disk`, {
    retryAfterSeconds: 1,
  })
}

function tooLate(timeoutMs: number): Failure {
  return new Failure('disk-error', `a disk did not answer in ${timeoutMs} ms; see dmesg`)
}
