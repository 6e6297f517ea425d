import { Gauge, type Registry } from 'prom-client'
import { CounterFamily, type Tally } from './tally.ts'

/** What scrubs of a node came to. */
export class ScrubMetrics {
  readonly objects: Tally
  readonly bytes: Tally
  readonly unchecked: Tally
  readonly #findings: CounterFamily<'damage' | 'action'>
  readonly #lastPass: Gauge

  constructor(registry: Registry) {
    const single = (name: string, help: string): Tally =>
      new CounterFamily<never>({ name, help, labels: [], registry }).tally({})
    this.objects = single('forebay_scrub_objects_total', 'Objects that scrubs looked at.')
    this.bytes = single(
      'forebay_scrub_bytes_total',
      'Bytes on disk of the objects that scrubs looked at.',
    )
    this.unchecked = single(
      'forebay_scrub_unchecked_total',
      'Objects that a scrub could not judge: their disk did not answer.',
    )
    this.#findings = new CounterFamily({
      name: 'forebay_scrub_findings_total',
      help: 'What scrubs found wrong, by what it is and what was done about it.',
      labels: ['damage', 'action'],
      registry,
    })
    this.#lastPass = new Gauge({
      name: 'forebay_scrub_last_pass_timestamp_seconds',
      help: 'When the last scrub over everything came to its end, seconds since 1970; 0 = none since the start.',
      registers: [registry],
    })
  }

  /** Counts a finding. Both are words of a fixed set. */
  found(damage: string, action: string): void {
    this.#findings.tally({ damage, action }).add(1)
  }

  /** Notes the end of a pass over everything, ms since 1970. */
  passed(endedMs: number): void {
    this.#lastPass.set(endedMs / 1000)
  }
}
