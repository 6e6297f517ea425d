import type { Backend } from '@forebay/backend-port/backend'
import type { Circuit } from '@forebay/backend-port/circuit'
import { COMPOSITION_DEFAULTS, composeBackend } from '@forebay/backend-port/compose'
import type { MeteredRequest } from '@forebay/backend-port/with-meter'
import { RETRY_DEFAULTS } from '@forebay/backend-port/with-retry'
import type { Clock } from '@forebay/base/clock'
import type { Settings } from '@forebay/config/schema'
import type { BackendBinding } from '@forebay/model/bucket'
import type { Logger } from '@forebay/observe/logger'
import type { BackendOutcome, BackendTallies, Metrics } from '@forebay/observe/metrics'
import type { Tracing } from '@forebay/observe/tracing'
import type { AccountBooks } from './account-books.ts'
import { traceBackend } from './trace-backend.ts'

export interface WrapOptions {
  readonly settings: Settings
  readonly metrics: Metrics
  readonly logger: Logger
  readonly clock: Clock
  readonly books: AccountBooks
  readonly tracing: Tracing | undefined
}

/** Puts limits, deadlines, retries and counting around backends, and knows how they do. */
export interface WrappedBackends {
  wrap(backend: Backend, binding: BackendBinding): Backend
  requestCount(): number
  /** Backends that cannot be reached at the moment, one sentence each. */
  troubles(): readonly string[]
}

/** How long the state of a circuit of which nothing is wanted is still told, ms: its bucket may be gone. */
const IDLE_TOLD_MAX_MS = 10 * 60_000

export function wrapBackends(options: WrapOptions): WrappedBackends {
  const { settings, metrics, logger, clock, books, tracing } = options
  const { limits } = settings.backends
  let requestCount = 0
  const circuits = new Map<string, Circuit>()
  const told = (): ReadonlyMap<string, Circuit> =>
    new Map(
      [...circuits].filter(
        ([, { state, idleForMs }]) => state === 'closed' || idleForMs < IDLE_TOLD_MAX_MS,
      ),
    )
  metrics.connectCircuits(told)
  const tallies = new Map<string, BackendTallies>()
  const observe = (backend: string, request: MeteredRequest): void => {
    requestCount += 1
    const id = `${backend} ${request.operation}`
    const known = tallies.get(id) ?? metrics.backend(backend, request.operation)
    tallies.set(id, known)
    known.outcome(outcomeOf(request.outcome)).add(1)
    known.receivedBytes.add(request.bytesRead)
    known.sentBytes.add(request.bytesWritten)
    known.duration.observe(request.durationMs / 1000)
  }
  return {
    requestCount: () => requestCount,
    troubles: () => [
      ...[...told()].filter(([, { state }]) => state !== 'closed').map(describeTrouble),
      ...books.troubles(),
    ],
    wrap: (backend, binding) => {
      const composed = composeBackend(backend, {
        ...COMPOSITION_DEFAULTS,
        clock,
        random: Math.random,
        retry: {
          ...RETRY_DEFAULTS,
          attemptsMax: limits.retryAttempts,
          budgetRatio: limits.retryBudget,
          // Who has waited for nothing until the deadline is told so.
          elapsedMaxMs: Math.min(RETRY_DEFAULTS.elapsedMaxMs, limits.progressTimeoutMs),
        },
        concurrency: { requestsMax: limits.concurrency, waitersMax: limits.queueMax },
        caps: {
          ...COMPOSITION_DEFAULTS.caps,
          requestsPerSecond: unlessZero(limits.requestsPerSecond),
          bytesPerSecond: unlessZero(limits.bytesPerSecond),
          purse: books.accountOf(binding),
        },
        timeouts: { answerMs: limits.progressTimeoutMs, chunkMs: limits.progressTimeoutMs },
        watch: (circuit) => void circuits.set(backend.name, circuit),
        circuitChanged: (state) =>
          logger.warn({ backend: backend.name, state }, 'the way to a backend changed'),
        repeated: () => {
          metrics.countBackendRetry(backend.name)
          tracing?.repeated()
        },
        observe: (request) => observe(backend.name, request),
      })
      return traceBackend(composed, tracing)
    },
  }
}

function describeTrouble([name, { state, downForMs }]: readonly [string, Circuit]): string {
  const seconds = Math.round(downForMs / 1000)
  return state === 'open'
    ? `${name} cannot be reached since ${seconds} s; what is cached is served as far as its bucket allows`
    : `${name} answers again after ${seconds} s`
}

function unlessZero(value: number): number | undefined {
  return value === 0 ? undefined : value
}

/** The few words that metrics have for how a request ended. */
function outcomeOf(outcome: MeteredRequest['outcome']): BackendOutcome {
  switch (outcome) {
    case 'ok':
    case 'found':
    case 'not-modified':
      return 'ok'
    case 'absent':
    case 'object-not-found':
    case 'bucket-not-found':
      return 'absent'
    case 'backend-throttled':
      return 'throttled'
    case 'backend-timeout':
      return 'timeout'
    case 'aborted':
      return 'aborted'
    case 'backend-unreachable':
    case 'backend-corrupt':
    case 'internal':
    case 'error':
      return 'failed'
    default:
      return 'refused'
  }
}
