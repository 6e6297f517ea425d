import type { Clock } from '@forebay/base/clock'
import { Failure } from '@forebay/base/failure'
import type { BackendOperation } from './intercept.ts'

/** What a store asks, in dollars. */
export interface Prices {
  readonly getPerMillion: number
  readonly putPerMillion: number
  readonly listPerMillion: number
  /** For bytes that leave the store. */
  readonly egressPerGiB: number
}

/** What may be spent in one day of UTC, dollars; 0 = no limit. */
export interface Budget {
  /** From here on somebody is told. */
  readonly softPerDay: number
  /** From here on nothing more is read. */
  readonly hardPerDay: number
}

/** What money goes for. */
export type SpentFor = 'get' | 'put' | 'list' | 'egress'

/** How a day stands: `soft` and `hard` when that much was spent. */
export type BudgetState = 'within' | 'soft' | 'hard'

/** Pays for requests and bytes, as `withCaps` asks it to. */
export interface Purse {
  /** Pays for one request. @throws Failure `budget-spent` for one that reads, when the day's money is gone */
  pay(operation: BackendOperation): void
  /** Pays for bytes that a store sent. */
  received(bytes: number): void
}

const DAY_MS = 24 * 60 * 60_000
const MILLION = 1e6
const GIB = 1024 ** 3

/** By what stores bill: GETs and questions, changes, listings; deleting is free. */
const CLASSES: Readonly<Record<BackendOperation, Exclude<SpentFor, 'egress'> | 'free'>> = {
  read: 'get',
  head: 'get',
  'head-bucket': 'get',
  'get-tags': 'get',
  'get-versioning': 'get',
  list: 'list',
  'list-versions': 'list',
  'list-uploads': 'list',
  'list-parts': 'list',
  write: 'put',
  copy: 'put',
  'create-upload': 'put',
  'write-part': 'put',
  'copy-part': 'put',
  'complete-upload': 'put',
  'put-tags': 'put',
  delete: 'free',
  'abort-upload': 'free',
}

/** What a spent budget refuses: reads. A write is never refused for money, nor what ends one. */
const REFUSED: ReadonlySet<BackendOperation> = new Set<BackendOperation>([
  'read',
  'head',
  'list',
  'list-versions',
  'get-tags',
])

/** The money that one account at a store costs, by day, and what its reads would cost without a cache. */
export class Spending implements Purse {
  readonly name: string
  readonly prices: Prices
  readonly budget: Budget
  /** Dollars since the start. */
  readonly spent: Record<SpentFor, number> = { get: 0, put: 0, list: 0, egress: 0 }
  readonly #clock: Clock
  readonly #onState: (state: BudgetState) => void
  #day: number
  #today = 0
  #state: BudgetState = 'within'
  /** What the reads of clients would have cost at the store, dollars. */
  #direct = 0

  constructor(options: {
    readonly name: string
    readonly prices: Prices
    readonly budget: Budget
    readonly clock: Clock
    /** Told when the day's state gets worse, once each. */
    onState?(state: BudgetState): void
  }) {
    this.name = options.name
    this.prices = options.prices
    this.budget = options.budget
    this.#clock = options.clock
    this.#onState = (state) => options.onState?.(state)
    this.#day = this.#dayNow()
  }

  /** Number of the day in UTC, and what was spent in it, dollars. */
  get today(): { readonly day: number; readonly dollars: number } {
    this.#turn()
    return { day: this.#day, dollars: this.#today }
  }

  get state(): BudgetState {
    this.#turn()
    return this.#state
  }

  /** What reads cost less than they would have without the cache, dollars; below 0 when it reads ahead. */
  get savedDollars(): number {
    return this.#direct - this.spent.get - this.spent.egress
  }

  /** Goes on with what was spent before a restart, if that was today. */
  resume({ day, dollars }: { readonly day: number; readonly dollars: number }): void {
    if (day === this.today.day) this.#add(dollars)
  }

  pay(operation: BackendOperation): void {
    const what = CLASSES[operation]
    if (what === 'free') return
    const price = this.#priceOf(what) / MILLION
    const { hardPerDay } = this.budget
    if (hardPerDay > 0 && REFUSED.has(operation) && this.today.dollars + price > hardPerDay) {
      this.#worsen('hard')
      throw this.#refusal()
    }
    this.spent[what] += price
    this.#add(price)
  }

  /** Bytes under way are paid, also beyond the budget: cutting them would waste what was spent. */
  received(bytes: number): void {
    const price = (bytes / GIB) * this.prices.egressPerGiB
    this.spent.egress += price
    this.#add(price)
  }

  /** Counts what one answer to a client would have cost at the store. */
  answered(requests: number, bytes: number): void {
    this.#direct += (requests * this.prices.getPerMillion) / MILLION
    this.#direct += (bytes / GIB) * this.prices.egressPerGiB
  }

  #priceOf(what: Exclude<SpentFor, 'egress'>): number {
    switch (what) {
      case 'get':
        return this.prices.getPerMillion
      case 'put':
        return this.prices.putPerMillion
      case 'list':
        return this.prices.listPerMillion
      default:
        return what satisfies never
    }
  }

  #add(dollars: number): void {
    this.#turn()
    this.#today += dollars
    const { softPerDay, hardPerDay } = this.budget
    if (hardPerDay > 0 && this.#today >= hardPerDay) this.#worsen('hard')
    else if (softPerDay > 0 && this.#today >= softPerDay) this.#worsen('soft')
  }

  #worsen(state: 'soft' | 'hard'): void {
    if (this.#state === state || this.#state === 'hard') return
    this.#state = state
    this.#onState(state)
  }

  #turn(): void {
    const day = this.#dayNow()
    if (day === this.#day) return
    this.#day = day
    this.#today = 0
    this.#state = 'within'
  }

  #dayNow(): number {
    return Math.floor(this.#clock.now() / DAY_MS)
  }

  #refusal(): Failure {
    const untilMs = (this.#day + 1) * DAY_MS - this.#clock.now()
    return new Failure(
      'budget-spent',
      `${this.name}: what may be spent today is spent; only what is cached is answered`,
      {
        hint: `raise backends.${this.name}.budget.hardPerDay, or wait for the next day in UTC`,
        retryAfterSeconds: Math.max(1, Math.ceil(untilMs / 1000)),
      },
    )
  }
}
