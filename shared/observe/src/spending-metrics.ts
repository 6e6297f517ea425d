import { Gauge, type Registry } from 'prom-client'

/** What an account at a store costs, asked when somebody scrapes. */
export interface SpendingSource {
  readonly name: string
  /** Dollars since the start, by what they went for. */
  readonly spent: Readonly<Record<string, number>>
  readonly savedDollars: number
  readonly today: { readonly dollars: number }
  readonly budget: { readonly softPerDay: number; readonly hardPerDay: number }
}

/** One gauge of money: what it is called, and its values for an account. */
interface MoneyGauge {
  readonly name: string
  readonly help: string
  /** The label besides `backend`. */
  readonly label?: string
  valuesOf(source: SpendingSource): readonly (readonly [string, number])[]
}

const GAUGES: readonly MoneyGauge[] = [
  {
    name: 'forebay_spent_dollars',
    help: 'Dollars that requests to a provider cost since the start, at the prices of the settings.',
    label: 'for',
    valuesOf: ({ spent }) => Object.entries(spent),
  },
  {
    name: 'forebay_saved_dollars',
    help: 'Dollars that reads would have cost without the cache since the start, less what they did cost.',
    valuesOf: ({ savedDollars }) => [['', savedDollars]],
  },
  {
    name: 'forebay_spent_today_dollars',
    help: 'Dollars that requests to a provider cost since midnight UTC, over restarts.',
    valuesOf: ({ today }) => [['', today.dollars]],
  },
  {
    name: 'forebay_budget_dollars',
    help: 'Dollars that may be spent in a day; absent where there is no limit.',
    label: 'limit',
    valuesOf: ({ budget }) =>
      Object.entries({ soft: budget.softPerDay, hard: budget.hardPerDay }).filter(
        ([, dollars]) => dollars > 0,
      ),
  },
]

/** Connects the gauges of money; call once. */
export function connectSpending(registry: Registry, read: () => readonly SpendingSource[]): void {
  for (const { name, help, label, valuesOf } of GAUGES) {
    new Gauge({
      name,
      help,
      labelNames: label === undefined ? ['backend'] : ['backend', label],
      registers: [registry],
      collect() {
        this.reset()
        for (const source of read()) {
          for (const [value, dollars] of valuesOf(source)) {
            const more = label === undefined ? {} : { [label]: value }
            this.set({ backend: source.name, ...more }, dollars)
          }
        }
      },
    })
  }
}
