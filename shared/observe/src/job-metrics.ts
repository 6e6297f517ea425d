import { Gauge, type Registry } from 'prom-client'
import { CounterFamily, type Tally } from './tally.ts'

/** How an item of a job ended. */
export const JOB_OUTCOMES = ['done', 'skipped', 'failed'] as const
export type JobOutcome = (typeof JOB_OUTCOMES)[number]

/** What jobs do on this node just now. */
export interface JobGauges {
  /** Items that are worked on. */
  readonly itemsRunning: () => number
  /** As many as may be, for users do not wait for it. */
  readonly itemsMax: () => number
}

/** What jobs of a node came to, by kind. Kinds are words of the catalogue. */
export class JobMetrics {
  readonly #items: CounterFamily<'kind' | 'outcome'>
  readonly #bytes: CounterFamily<'kind'>
  readonly #tallies = new Map<string, Tally>()
  readonly #pages: Gauge<'kind'>

  constructor(registry: Registry, gauges: JobGauges) {
    this.#items = new CounterFamily({
      name: 'forebay_job_items_total',
      help: 'Items of jobs that this node settled, by kind of job and how they ended.',
      labels: ['kind', 'outcome'],
      registry,
    })
    this.#bytes = new CounterFamily({
      name: 'forebay_job_bytes_total',
      help: 'Bytes that jobs moved on this node, by kind of job.',
      labels: ['kind'],
      registry,
    })
    this.#pages = new Gauge({
      name: 'forebay_job_pages',
      help: 'Pages of jobs that this node works on, by kind of job.',
      labelNames: ['kind'],
      registers: [registry],
    })
    addGauge(registry, {
      name: 'forebay_job_items_running',
      help: 'Items of jobs that this node works on.',
      read: gauges.itemsRunning,
    })
    addGauge(registry, {
      name: 'forebay_job_items_limit',
      help: 'Items of jobs that this node would work on at once without making users wait.',
      read: gauges.itemsMax,
    })
  }

  /** An item was settled. */
  item(kind: string, outcome: JobOutcome, bytes: number): void {
    this.#tally(`${kind} ${outcome}`, () => this.#items.tally({ kind, outcome })).add(1)
    if (bytes > 0) this.#tally(kind, () => this.#bytes.tally({ kind })).add(bytes)
  }

  /** A page was begun (1) or left (-1). */
  pages(kind: string, change: 1 | -1): void {
    this.#pages.inc({ kind }, change)
  }

  #tally(name: string, make: () => Tally): Tally {
    const known = this.#tallies.get(name)
    if (known !== undefined) return known
    const made = make()
    this.#tallies.set(name, made)
    return made
  }
}

function addGauge(
  registry: Registry,
  { name, help, read }: { readonly name: string; readonly help: string; read(): number },
): void {
  const gauge: Gauge = new Gauge({
    name,
    help,
    registers: [registry],
    collect: () => gauge.set(read()),
  })
}
