import { Failure } from '@forebay/base/failure'
import type { ToldState } from '@forebay/peer/target-port'

/** Whose words an event is written in; `forebay` is the form of our own. */
export type EventSource = 's3' | 'gcs' | 'azure' | 'forebay'

/** One change at a store, as an event tells it. */
export interface StoreChange {
  readonly source: EventSource
  /** The bucket's name at its store; of `forebay` its name here. */
  readonly bucket: string
  /** The names that the event can mean: stores write them in different ways. None: all of the bucket. */
  readonly keys: readonly string[]
  readonly now: ToldState
  /** When it happened, ms since 1970, as far as the event says it. */
  readonly changedMs: number | undefined
}

/** What a message asks of us. */
export type Message =
  | {
      readonly kind: 'changes'
      readonly changes: readonly StoreChange[]
      /** Events of kinds that change no object. */
      readonly ignored: number
    }
  /** Azure Event Grid wants to hear its code. */
  | { readonly kind: 'validation'; readonly code: string }
  /** Amazon SNS wants its address to be visited by somebody. */
  | { readonly kind: 'confirmation'; readonly topic: string; readonly url: string }

/** What one event comes to: changes, or nothing that matters here. */
export type Told = readonly StoreChange[]

/** Nothing: the event is of a kind that changes no object. */
export const NOTHING: Told = []

/** @throws Failure `argument-invalid`, always */
export function invalid(what: string): never {
  throw new Failure('argument-invalid', `the event message cannot be used: ${what}`, {
    hint: 'docs/freshness.md lists the forms that are understood',
  })
}
