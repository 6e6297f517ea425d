import { Counter, Histogram, type Registry } from 'prom-client'

/** A number that is added to on the hot path and read when somebody scrapes. */
export class Tally {
  value = 0

  add(count: number): void {
    this.value += count
  }
}

type LabelValues = Readonly<Record<string, string>>

interface Sample {
  readonly labels: LabelValues
  readonly value: number
  readonly metricName?: string
}

interface FamilyOptions<L extends string> {
  readonly name: string
  readonly help: string
  readonly labels: readonly L[]
  readonly registry: Registry
}

/**
 * A counter whose children are plain numbers: adding to one costs a nanosecond, because prom-client,
 * which hashes the labels of every call, is asked only when the metrics are rendered.
 */
export class CounterFamily<L extends string> extends Counter<L> {
  readonly #name: string
  readonly #labels: readonly L[]
  readonly #help: string
  readonly #children = new Map<string, { readonly labels: LabelValues; readonly tally: Tally }>()

  constructor(options: FamilyOptions<L>) {
    super({
      name: options.name,
      help: options.help,
      labelNames: options.labels,
      registers: [options.registry],
    })
    this.#name = options.name
    this.#labels = options.labels
    this.#help = options.help
  }

  /** The child with these labels; keep it instead of asking again. */
  tally(labels: Readonly<Record<L, string>>): Tally {
    const id = this.#labels.map((label) => labels[label]).join('\0')
    const held = this.#children.get(id)
    if (held !== undefined) return held.tally
    const tally = new Tally()
    this.#children.set(id, { labels, tally })
    return tally
  }

  /** Removes the children that a label value names, for things that are gone. */
  forget(label: L, value: string): void {
    for (const [id, child] of this.#children) {
      if (new Map(Object.entries(child.labels)).get(label) === value) this.#children.delete(id)
    }
  }

  /** What prom-client's registry asks a metric for, where it has this method. */
  getForPromString(): Promise<unknown> {
    const values: Sample[] = []
    for (const { labels, tally } of this.#children.values()) {
      values.push({ labels, value: tally.value })
    }
    return Promise.resolve({ name: this.#name, help: this.#help, type: 'counter', values })
  }
}

/** Observations counted by upper bound; the last count is of those above all bounds. */
export class TimeTally {
  readonly counts: Float64Array
  readonly #bounds: readonly number[]
  sumSeconds = 0

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds
    this.counts = new Float64Array(bounds.length + 1)
  }

  observe(seconds: number): void {
    const bounds = this.#bounds
    let at = 0
    while (at < bounds.length && seconds > (bounds[at] ?? 0)) at += 1
    this.counts[at] = (this.counts[at] ?? 0) + 1
    this.sumSeconds += seconds
  }
}

/** Upper bounds of request times, seconds: from a cached small object to a large cold one. */
export const TIME_BOUNDS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
] as const

/** A histogram of times whose children are plain numbers, as in `CounterFamily`. */
export class TimeFamily<L extends string> extends Histogram<L> {
  readonly #name: string
  readonly #labels: readonly L[]
  readonly #help: string
  readonly #children = new Map<
    string,
    { readonly labels: LabelValues; readonly tally: TimeTally }
  >()

  constructor(options: FamilyOptions<L>) {
    super({
      name: options.name,
      help: options.help,
      labelNames: options.labels,
      buckets: [...TIME_BOUNDS],
      registers: [options.registry],
    })
    this.#name = options.name
    this.#labels = options.labels
    this.#help = options.help
  }

  tally(labels: Readonly<Record<L, string>>): TimeTally {
    const id = this.#labels.map((label) => labels[label]).join('\0')
    const held = this.#children.get(id)
    if (held !== undefined) return held.tally
    const tally = new TimeTally(TIME_BOUNDS)
    this.#children.set(id, { labels, tally })
    return tally
  }

  /** What prom-client's registry asks a metric for, where it has this method. */
  getForPromString(): Promise<unknown> {
    const values: Sample[] = []
    for (const { labels, tally } of this.#children.values()) {
      let count = 0
      for (const [at, counted] of tally.counts.entries()) {
        count += counted
        const le = at < TIME_BOUNDS.length ? String(TIME_BOUNDS[at]) : '+Inf'
        values.push({
          metricName: `${this.#name}_bucket`,
          labels: { ...labels, le },
          value: count,
        })
      }
      values.push({ metricName: `${this.#name}_sum`, labels, value: tally.sumSeconds })
      values.push({ metricName: `${this.#name}_count`, labels, value: count })
    }
    return Promise.resolve({ name: this.#name, help: this.#help, type: 'histogram', values })
  }
}
