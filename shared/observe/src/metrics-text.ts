/** One series of a scrape. */
export interface Sample {
  readonly name: string
  readonly labels: ReadonlyMap<string, string>
  readonly value: number
}

/** Requests by how long they took: upper bounds in seconds, ascending, with counts up to each. */
export type TimeCounts = readonly { readonly upToSeconds: number; readonly count: number }[]

/** Labels that a series must have. */
export type WantedLabels = Readonly<Record<string, string>>

/** The series of one scrape in Prometheus text format 0.0.4. */
export class MetricsText {
  readonly #byName: ReadonlyMap<string, readonly Sample[]>

  /** Lines that are no samples count as comments: a newer node may say more than we understand. */
  constructor(text: string) {
    const byName = new Map<string, Sample[]>()
    for (const line of text.split('\n')) {
      const sample = parseSample(line)
      if (sample === undefined) continue
      const held = byName.get(sample.name)
      if (held === undefined) byName.set(sample.name, [sample])
      else held.push(sample)
    }
    this.#byName = byName
  }

  /** Names of all series; those of histograms end in `_bucket`, `_sum`, `_count`. */
  get names(): readonly string[] {
    return [...this.#byName.keys()]
  }

  /** The series of a name that have these labels. */
  series(name: string, labels: WantedLabels = {}): readonly Sample[] {
    const wanted = Object.entries(labels)
    return (this.#byName.get(name) ?? []).filter((sample) =>
      wanted.every(([label, value]) => sample.labels.get(label) === value),
    )
  }

  /** Sum over the series of a name that have these labels; 0 of none. */
  sum(name: string, labels: WantedLabels = {}): number {
    return this.series(name, labels).reduce((sum, { value }) => sum + value, 0)
  }

  /** Values that a label has among the series of a name, in the order of the text. */
  valuesOf(name: string, label: string): readonly string[] {
    const values = this.series(name).map(({ labels }) => labels.get(label) ?? '')
    return [...new Set(values)]
  }

  /** A histogram, summed over the series that have these labels. */
  times(name: string, labels: WantedLabels = {}): TimeCounts {
    const counts = new Map<number, number>()
    for (const sample of this.series(`${name}_bucket`, labels)) {
      const le = sample.labels.get('le') ?? ''
      const bound = le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le)
      counts.set(bound, (counts.get(bound) ?? 0) + sample.value)
    }
    return [...counts]
      .sort(([a], [b]) => a - b)
      .map(([upToSeconds, count]) => ({ upToSeconds, count }))
  }
}

/**
 * The time that a share of the requests did not exceed, seconds: linear inside a bucket, as
 * Prometheus' `histogram_quantile` has it; undefined without requests.
 *
 * @param share 0..1
 */
export function quantile(times: TimeCounts, share: number): number | undefined {
  const total = times.at(-1)?.count ?? 0
  if (total <= 0) return undefined
  const rank = share * total
  let lower = { upToSeconds: 0, count: 0 }
  for (const upper of times) {
    if (upper.count >= rank) {
      // Above the last bound nothing more is known.
      if (!Number.isFinite(upper.upToSeconds)) return lower.upToSeconds
      const inside = upper.count - lower.count
      const part = inside === 0 ? 1 : (rank - lower.count) / inside
      return lower.upToSeconds + (upper.upToSeconds - lower.upToSeconds) * part
    }
    lower = upper
  }
  return lower.upToSeconds
}

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: -?\d+)?$/
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g

function parseSample(line: string): Sample | undefined {
  const match = SAMPLE.exec(line)
  if (match === null) return undefined
  const [, name = '', labelText = '', valueText = ''] = match
  const labels = new Map(
    [...labelText.matchAll(LABEL)].map(([, label = '', value = '']) => [
      label,
      unescapeText(value),
    ]),
  )
  return { name, labels, value: parseValue(valueText) }
}

function parseValue(text: string): number {
  if (text === '+Inf') return Number.POSITIVE_INFINITY
  return text === '-Inf' ? Number.NEGATIVE_INFINITY : Number(text)
}

function unescapeText(text: string): string {
  return text.replace(/\\(.)/g, (_whole, character: string) =>
    character === 'n' ? '\n' : character,
  )
}
