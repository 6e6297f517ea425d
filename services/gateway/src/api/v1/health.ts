import { Failure } from '@forebay/base/failure'
import { parseQueryFlag } from '@forebay/wire/action'
import type { Exchange } from './exchange.ts'

/** `GET /v1/health`: 200 while the process lives; with `readiness` or `prr` 503 until it can serve. */
export async function answerHealth(exchange: Exchange): Promise<void> {
  const { query, context } = exchange
  for (const name of ['cii', 'apr', 'cii-apr']) {
    if (parseQueryFlag(query.get(name))) {
      throw new Failure('not-implemented', `health query ${name} is not built yet`)
    }
  }
  const asksReadiness = parseQueryFlag(query.get('readiness')) || parseQueryFlag(query.get('prr'))
  const { ready, reasons } = context.health()
  if (asksReadiness && !ready) {
    // Everybody may ask for health; the reasons name disks and buckets.
    const why = context.allows(exchange.raw, 'read') ? `: ${reasons.join('; ')}` : ''
    throw new Failure('unavailable', `not ready${why}`, {
      hint: 'GET /v1/forebay/status tells the reasons',
      retryAfterSeconds: 1,
    })
  }
  const uptime = String(BigInt(Math.max(0, Date.now() - context.startedMs)) * 1_000_000n)
  exchange.sendEmpty(200, { 'Ais-Node-Uptime': uptime, 'Ais-Cluster-Uptime': uptime })
}
