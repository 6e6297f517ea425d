import type { Observed } from './paced-load.ts'

/** Sums over the requests of one phase of a load. */
export class LoadTally {
  requestCount = 0
  right = 0
  broken = 0
  wrong = 0
  /** Answers 5xx with Retry-After, by their status. */
  readonly refused = new Map<number, number>()
  /** Right answers by what the cache said. */
  readonly cache = new Map<string, number>()
  readonly #tookMs: number[] = []

  add({ outcome, tookMs }: Observed): void {
    this.requestCount += 1
    this.#tookMs.push(tookMs)
    switch (outcome.kind) {
      case 'right':
        this.right += 1
        this.cache.set(outcome.cache, (this.cache.get(outcome.cache) ?? 0) + 1)
        return
      case 'refused':
        this.refused.set(outcome.status, (this.refused.get(outcome.status) ?? 0) + 1)
        return
      case 'broken':
        this.broken += 1
        return
      case 'wrong':
        this.wrong += 1
        return
      default:
        outcome satisfies never
    }
  }

  get refusedCount(): number {
    return this.refused.values().reduce((sum, count) => sum + count, 0)
  }

  /** @param share 0..1 @returns ms; 0 when there was no request */
  quantile(share: number): number {
    const sorted = this.#tookMs.toSorted((one, other) => one - other)
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
  }

  /** One line of figures. */
  describe(): string {
    const refused = [...this.refused].map(([status, count]) => `${count} x ${status}`)
    const cache = [...this.cache].map(([word, count]) => `${count} ${word}`)
    const times = [0.5, 0.99, 1].map((share) => this.quantile(share).toFixed(1))
    return (
      `${this.requestCount} requests: ${this.right} right (${cache.join(', ')}), ` +
      `refused ${refused.join(', ') || 0}, ${this.broken} cut, ${this.wrong} wrong; ` +
      `p50 ${times[0]}, p99 ${times[1]}, max ${times[2]} ms`
    )
  }
}
