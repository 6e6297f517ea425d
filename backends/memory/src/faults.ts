import type { BackendOperation } from '@forebay/backend-port/intercept'
import type { FailureCode } from '@forebay/base/failure'

/** What a request to the store was for; the unit in which requests are counted. */
export type Operation = BackendOperation

/** What goes wrong with one request. */
export type FaultAction =
  /** The request waits before it is looked at. */
  | { readonly kind: 'delay'; readonly ms: number }
  /** The body flows no faster than this, in either direction. */
  | { readonly kind: 'throttle'; readonly bytesPerSecond: number }
  /** Refused before anything is applied. */
  | { readonly kind: 'refuse'; readonly code: FailureCode; readonly retryAfterSeconds?: number }
  /** The connection breaks after this many bytes of the body: an answer is short, an upload is void. */
  | { readonly kind: 'cut-body'; readonly afterBytes: number }
  /** The request is applied, then the connection breaks without an answer. */
  | { readonly kind: 'drop-answer' }
  /** One byte of the answer is wrong; what is stored stays right. `at` counts from the object's start. */
  | { readonly kind: 'corrupt-answer'; readonly at: number }
  /** Never answers; ends only when the caller aborts. */
  | { readonly kind: 'hang' }
  /**
   * Runs `act` at a point of the request and waits for it: to change the object midway, or to hold
   * the request. `start` is before anything, `commit` after the upload and before it is applied,
   * `answer` after it was applied, a number after so many bytes of the answered body.
   */
  | {
      readonly kind: 'at'
      readonly point: 'start' | 'commit' | 'answer' | number
      act(): void | Promise<void>
    }

/** One line of the script of what goes wrong. */
export interface Fault {
  readonly action: FaultAction
  /** Which operations it hits; absent: all. */
  readonly on?: readonly Operation[]
  /** Which key it hits; absent: all. */
  readonly key?: string
  /** Matching requests that pass unharmed first. Default 0. */
  readonly skip?: number
  /** Requests it hits after that. Default 1. */
  readonly times?: number
  /** Chance, 0..1, with which a matching request is hit. Default 1. */
  readonly probability?: number
}

interface Line {
  readonly fault: Fault
  skipLeft: number
  timesLeft: number
}

/** The faults that are still to come, in the order in which they were added. */
export class FaultScript {
  readonly #random: () => number
  #lines: Line[] = []

  /** @param random numbers 0..1, seeded by a test that wants to replay */
  constructor(random: () => number) {
    this.#random = random
  }

  add(fault: Fault): void {
    this.#lines.push({ fault, skipLeft: fault.skip ?? 0, timesLeft: fault.times ?? 1 })
  }

  clear(): void {
    this.#lines = []
  }

  /** The actions that hit this request; used up by the asking. */
  take(operation: Operation, key: string | undefined): readonly FaultAction[] {
    const actions: FaultAction[] = []
    for (const line of this.#lines) {
      const { fault } = line
      if (fault.on !== undefined && !fault.on.includes(operation)) continue
      if (fault.key !== undefined && fault.key !== key) continue
      if (fault.probability !== undefined && this.#random() >= fault.probability) continue
      if (line.skipLeft > 0) line.skipLeft -= 1
      else {
        line.timesLeft -= 1
        actions.push(fault.action)
      }
    }
    this.#lines = this.#lines.filter((line) => line.timesLeft > 0)
    return actions
  }
}
