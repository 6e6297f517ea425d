import type { Clock } from '@forebay/base/clock'
import { type FailureCode, isFailure } from '@forebay/base/failure'
import type { Backend } from './backend.ts'
import { isRefusedByCircuit } from './circuit.ts'
import { type BackendOperation, intercept, type Run, type Step } from './intercept.ts'

export interface RetryOptions {
  /** Attempts of one request, the first included. */
  readonly attemptsMax: number
  /** Upper bound of the first wait, ms; it doubles with each attempt. */
  readonly baseMs: number
  /** Upper bound of any wait, a Retry-After of the store included, ms. */
  readonly waitMaxMs: number
  /** No attempt begins later than this after the first, ms: who timed out has waited long enough. */
  readonly elapsedMaxMs: number
  /** Retries that requests earn: 0.1 adds at most 10 % of load. */
  readonly budgetRatio: number
  /** Retries that may be saved up while all goes well. */
  readonly budgetMax: number
  readonly clock: Clock
  /** Numbers 0..1. */
  readonly random: () => number
  /** Before each attempt but the first. */
  onRetry?(): void
}

/** At most 10 % more load on a store that is in trouble (fault table, row 13). */
export const RETRY_DEFAULTS = {
  attemptsMax: 4,
  baseMs: 50,
  waitMaxMs: 5000,
  elapsedMaxMs: 10_000,
  budgetRatio: 0.1,
  budgetMax: 10,
} as const

/** Requests of which a second one is harmless. */
const READING: ReadonlySet<BackendOperation> = new Set<BackendOperation>([
  'read',
  'head',
  'list',
  'head-bucket',
  'list-parts',
  'list-uploads',
  'get-tags',
  'get-versioning',
  'list-versions',
  // Stating the same tags once more changes nothing.
  'put-tags',
])

const TRANSIENT: readonly FailureCode[] = [
  'backend-throttled',
  'backend-unreachable',
  'backend-timeout',
  'backend-corrupt',
]

/**
 * Repeats requests that failed for the moment, after a wait with full jitter, within a budget.
 *
 * Reads are repeated until their head came; a body that breaks is its owner's to resume. A mutation
 * is repeated only when it certainly was not applied (throttled, or never sent) and its body can be
 * had again. What a circuit refuses is not repeated.
 */
export function withRetry(backend: Backend, options: RetryOptions): Backend {
  const budget = new Budget(options)
  const around = async <T>(step: Step, run: Run<T>): Promise<T> => {
    budget.earn()
    const lateMs = options.clock.monotonic() + options.elapsedMaxMs
    for (let attempt = 1; ; attempt++) {
      try {
        return await run(step)
      } catch (error) {
        const late = attempt >= options.attemptsMax || options.clock.monotonic() >= lateMs
        const repeatable = !late && mayRepeat(step, error)
        if (step.signal.aborted || !repeatable || !budget.spend()) throw error
        await options.clock.sleep(waitMs(options, attempt, error), step.signal)
        options.onRetry?.()
      }
    }
  }
  return intercept(backend, { run: around, read: around })
}

function mayRepeat(step: Step, error: unknown): boolean {
  if (isRefusedByCircuit(error)) return false
  if (READING.has(step.operation)) return isFailure(error, ...TRANSIENT)
  if (step.upload?.repeatable === false) return false
  return (
    isFailure(error, 'backend-throttled') || (isFailure(error) && error.facts['notSent'] === true)
  )
}

/** Full jitter: callers that failed together do not come back together. */
function waitMs(options: RetryOptions, attempt: number, error: unknown): number {
  const boundMs = Math.min(options.waitMaxMs, options.baseMs * 2 ** (attempt - 1))
  const askedMs = isFailure(error) ? (error.retryAfterSeconds ?? 0) * 1000 : 0
  return Math.min(options.waitMaxMs, Math.max(options.random() * boundMs, askedMs))
}

/** Retries paid for by requests, so that a store in trouble is not asked ever more. */
class Budget {
  readonly #options: RetryOptions
  #tokens: number

  constructor(options: RetryOptions) {
    this.#options = options
    this.#tokens = options.budgetMax
  }

  earn(): void {
    const { budgetMax, budgetRatio } = this.#options
    this.#tokens = Math.min(budgetMax, this.#tokens + budgetRatio)
  }

  spend(): boolean {
    if (this.#tokens < 1) return false
    this.#tokens -= 1
    return true
  }
}
