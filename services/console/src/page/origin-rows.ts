import type { OriginFrame, TopFrame } from '@forebay/cli/top/frame'
import type { MetricsText } from '@forebay/observe/metrics-text'

/** One origin since the start of the node, and now. */
export interface OriginRow {
  readonly name: string
  readonly state: 'good' | 'troubled' | 'recovering' | 'down'
  readonly requests: number
  readonly failed: number
  readonly timedOut: number
  readonly throttled: number
  readonly receivedBytes: number
  readonly sentBytes: number
  readonly now: OriginFrame | undefined
}

/** Values of `forebay_backend_circuit`; a node that does not tell has all of them at 0. */
const CIRCUIT_RAMP = 1
const CIRCUIT_OPEN = 2

/** What the metrics say of each origin. */
export function originsOf(metrics: MetricsText, frame: TopFrame | undefined): readonly OriginRow[] {
  return metrics.valuesOf('forebay_backend_requests_total', 'backend').map((backend) => {
    const outcome = (name: string): number =>
      metrics.sum('forebay_backend_requests_total', { backend, outcome: name })
    const bytes = (direction: string): number =>
      metrics.sum('forebay_backend_bytes_total', { backend, direction })
    const now = frame?.origins.find(({ origin }) => origin === backend)
    return {
      name: backend,
      state: stateOf(metrics.sum('forebay_backend_circuit', { backend }), now),
      requests: metrics.sum('forebay_backend_requests_total', { backend }),
      failed: outcome('failed'),
      timedOut: outcome('timeout'),
      throttled: outcome('throttled'),
      receivedBytes: bytes('received'),
      sentBytes: bytes('sent'),
      now,
    }
  })
}

function stateOf(circuit: number, now: OriginFrame | undefined): OriginRow['state'] {
  if (circuit === CIRCUIT_OPEN) return 'down'
  if (circuit === CIRCUIT_RAMP) return 'recovering'
  return (now?.failuresPerSecond ?? 0) > 0 ? 'troubled' : 'good'
}

/** Prices of an origin; those that are not stated do not count. */
export interface Prices {
  readonly perGib: number
  readonly perThousandRequests: number
}

const GIB = 1024 ** 3

/** What the bytes and requests that origins were spared would have cost. */
export function costOf(
  saved: { readonly savedBytes: number; readonly savedRequests: number },
  prices: Prices,
): number {
  const { perGib, perThousandRequests } = prices
  return (saved.savedBytes / GIB) * perGib + (saved.savedRequests / 1000) * perThousandRequests
}
