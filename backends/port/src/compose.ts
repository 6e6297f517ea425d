import type { Clock } from '@forebay/base/clock'
import type { Backend } from './backend.ts'
import { CIRCUIT_DEFAULTS, Circuit, type CircuitOptions, type CircuitState } from './circuit.ts'
import { type Caps, withCaps } from './with-caps.ts'
import { withCircuitBreaker, withCircuitGate } from './with-circuit-breaker.ts'
import { type ConcurrencyLimits, withConcurrencyLimit } from './with-concurrency-limit.ts'
import { type MeteredRequest, withMeter } from './with-meter.ts'
import { type ProgressTimeouts, withProgressTimeout } from './with-progress-timeout.ts'
import { type RetryOptions, withRetry } from './with-retry.ts'

type Own<T> = Omit<T, 'clock' | 'random' | 'probe' | 'onChange' | 'onRetry'>

export interface CompositionOptions {
  readonly retry: Own<RetryOptions>
  readonly concurrency: ConcurrencyLimits
  readonly caps: Own<Caps>
  readonly timeouts: Own<ProgressTimeouts>
  readonly circuit: Own<CircuitOptions>
  /** Gets the backend's circuit, to look at its state. */
  watch?(circuit: Circuit): void
  circuitChanged?(state: CircuitState): void
  observe(request: MeteredRequest): void
  /** A request is repeated. */
  repeated?(): void
  readonly clock: Clock
  /** Numbers 0..1, for jitter. */
  readonly random: () => number
}

/** Bounds that suit a store in the same region. */
export const COMPOSITION_DEFAULTS = {
  // Below the connections of an adapter's pool, so that nothing waits there unseen.
  concurrency: { requestsMax: 200, waitersMax: 10_000 },
  caps: { waitMaxMs: 10_000 },
  timeouts: { answerMs: 30_000, chunkMs: 30_000 },
  circuit: CIRCUIT_DEFAULTS,
} as const

/**
 * The backend as targets use it: the one place where wrappers are put in order.
 *
 * From the outside in: a retry waits without holding a turn; each attempt takes its turn, unless the
 * store is known to be away, then pays its caps, then is timed (so waiting for a turn is no timeout),
 * then counted.
 */
export function composeBackend(backend: Backend, options: CompositionOptions): Backend {
  const { clock, random } = options
  const metered = withMeter(backend, { clock, observe: (request) => options.observe(request) })
  const timed = withProgressTimeout(metered, { ...options.timeouts, clock })
  const capped = withCaps(timed, { ...options.caps, clock })
  const circuit = new Circuit(backend.name, {
    ...options.circuit,
    clock,
    random,
    probe: (signal) => capped.headBucket({ signal }),
    onChange: (state) => options.circuitChanged?.(state),
  })
  options.watch?.(circuit)
  const broken = withCircuitBreaker(capped, circuit)
  const limited = withConcurrencyLimit(broken, options.concurrency)
  const gated = withCircuitGate(limited, circuit)
  return withRetry(gated, {
    ...options.retry,
    clock,
    random,
    onRetry: () => options.repeated?.(),
  })
}
