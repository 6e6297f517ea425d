import type { Registry } from 'prom-client'
import { CounterFamily, TimeFamily } from './tally.ts'

/** Counters of the events that stores send. */
export class EventMetrics {
  readonly #events: CounterFamily<'source' | 'outcome'>
  readonly #messages: CounterFamily<'outcome'>
  readonly #delays: TimeFamily<'source'>

  constructor(registry: Registry) {
    this.#events = new CounterFamily({
      name: 'forebay_events_total',
      help: 'Changes that stores told of, by what became of them: the copy is stale, it is that version already, or nothing here is concerned.',
      labels: ['source', 'outcome'],
      registry,
    })
    this.#messages = new CounterFamily({
      name: 'forebay_event_messages_total',
      help: 'Messages of event services, by how they were answered.',
      labels: ['outcome'],
      registry,
    })
    this.#delays = new TimeFamily({
      name: 'forebay_event_delay_seconds',
      help: 'Time from a change at a store until it was noted here.',
      labels: ['source'],
      registry,
    })
  }

  /** `delayMs` where the event says when the change was. Both words are of small fixed sets. */
  event(source: string, outcome: string, delayMs?: number): void {
    this.#events.tally({ source, outcome }).add(1)
    if (delayMs !== undefined) this.#delays.tally({ source }).observe(delayMs / 1000)
  }

  message(outcome: string): void {
    this.#messages.tally({ outcome }).add(1)
  }
}
