/** Counts what a run does while it does it. */
import { Histogram } from './histogram.ts'
import { OPERATION_KINDS, type OperationKind } from './operation-kind.ts'

/** Wrong answers that a report tells in words. */
const MISMATCHES_TOLD = 20

/** One operation that ended. Times by `performance.now()`. */
export type Outcome = {
  readonly kind: OperationKind
  /** When it was due. */
  readonly dueMs: number
  /** When it was sent; undefined: it never was. */
  readonly sentMs?: number | undefined
  readonly firstByteMs?: number | undefined
  readonly endMs: number
  /** Of the object, whichever way they went. */
  readonly bytes: number
  /** Absent when it went well. */
  readonly error?: string | undefined
}

/** What is counted of one kind of operation. */
export class KindTally {
  count = 0
  bytes = 0
  readonly errors = new Map<string, number>()
  /** From when it was due to its last byte, of those that went well. */
  readonly latency = new Histogram()
  /** From when it was sent. */
  readonly service = new Histogram()
  readonly firstByte = new Histogram()

  get errorCount(): number {
    return [...this.errors.values()].reduce((sum, count) => sum + count, 0)
  }

  get isEmpty(): boolean {
    return this.count === 0 && this.errors.size === 0
  }
}

/** One second of a run. */
export type Second = {
  /** From the beginning of what is measured. */
  readonly atSecond: number
  readonly operations: number
  readonly bytes: number
  readonly errors: number
  readonly p50Us: number
  readonly p99Us: number
}

export class Recorder {
  readonly kinds: Readonly<Record<OperationKind, KindTally>>
  readonly seconds: Second[] = []
  /** How late requests of an open loop were sent for the loader's own sake. */
  readonly lag = new Histogram()
  readonly mismatches: string[] = []
  mismatchCount = 0
  /** What was due earlier is warm-up. */
  readonly startMs: number
  endMs: number
  readonly #second = { operations: 0, bytes: 0, errors: 0, latency: new Histogram() }

  constructor(startMs: number) {
    this.startMs = startMs
    this.endMs = startMs
    this.kinds = Object.fromEntries(
      OPERATION_KINDS.map((kind) => [kind, new KindTally()]),
    ) as Record<OperationKind, KindTally> // fromEntries forgets what the list says of the keys.
  }

  get operations(): number {
    return Object.values(this.kinds).reduce((sum, { count }) => sum + count, 0)
  }

  get errors(): number {
    return Object.values(this.kinds).reduce((sum, { errorCount }) => sum + errorCount, 0)
  }

  record(outcome: Outcome): void {
    const { kind, dueMs, sentMs, firstByteMs, endMs, bytes, error } = outcome
    if (dueMs < this.startMs) return
    this.roll(endMs)
    this.endMs = Math.max(this.endMs, endMs)
    const tally = this.kinds[kind]
    if (error !== undefined) {
      tally.errors.set(error, (tally.errors.get(error) ?? 0) + 1)
      this.#second.errors += 1
      return
    }
    const latencyUs = (endMs - dueMs) * 1000
    tally.count += 1
    tally.bytes += bytes
    tally.latency.record(latencyUs)
    if (sentMs !== undefined) {
      tally.service.record((endMs - sentMs) * 1000)
      if (firstByteMs !== undefined) tally.firstByte.record((firstByteMs - sentMs) * 1000)
    }
    this.#second.operations += 1
    this.#second.bytes += bytes
    this.#second.latency.record(latencyUs)
  }

  /** An answer with wrong bytes; told even when it came in the warm-up. */
  mismatch(text: string): void {
    this.mismatchCount += 1
    if (this.mismatches.length < MISMATCHES_TOLD) this.mismatches.push(text)
  }

  /** Ends the seconds that are over. */
  roll(nowMs: number): void {
    const over = Math.floor((nowMs - this.startMs) / 1000)
    while (this.seconds.length < over) {
      const { operations, bytes, errors, latency } = this.#second
      this.seconds.push({
        atSecond: this.seconds.length,
        operations,
        bytes,
        errors,
        p50Us: latency.quantileUs(0.5),
        p99Us: latency.quantileUs(0.99),
      })
      this.#second.operations = 0
      this.#second.bytes = 0
      this.#second.errors = 0
      latency.reset()
    }
  }
}
