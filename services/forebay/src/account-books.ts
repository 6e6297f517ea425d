import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Prices, Spending } from '@forebay/backend-port/spending'
import type { Clock } from '@forebay/base/clock'
import type { Settings } from '@forebay/config/schema'
import { LIST_PRICES } from '@forebay/config/schema-prices'
import { type BackendBinding, type BucketRecord, formatBucket } from '@forebay/model/bucket'
import type { Logger } from '@forebay/observe/logger'

/** Version of the file. */
const FORMAT = 1

/** How often what was spent is written down: a process that dies forgets that much at most. */
const SAVE_INTERVAL_MS = 10_000

const PROVIDERS = ['aws', 'gcp', 'azure'] as const
type Priced = (typeof PROVIDERS)[number]

export interface BooksOptions {
  readonly settings: Settings
  readonly clock: Clock
  readonly logger: Logger
  /** The buckets there are, to find the one that a formatted name means. */
  buckets(): readonly BucketRecord[]
}

/**
 * What each provider costs: one account for all its buckets, kept in `spending.json` of the data
 * directory so that a restart does not begin a new day.
 */
export class AccountBooks {
  readonly accounts: readonly Spending[]
  readonly #options: BooksOptions
  readonly #path: string
  readonly #byBucket = new Map<string, Spending | undefined>()
  #saved = ''
  #timer: NodeJS.Timeout | undefined
  #saving: Promise<void> = Promise.resolve()

  private constructor(options: BooksOptions) {
    this.#options = options
    this.#path = join(options.settings.dataDir, 'spending.json')
    this.accounts = PROVIDERS.map((provider) => openAccount(options, provider))
  }

  static async open(options: BooksOptions): Promise<AccountBooks> {
    const books = new AccountBooks(options)
    await books.#load()
    books.#timer = setInterval(() => books.#saveSoon(), SAVE_INTERVAL_MS).unref()
    return books
  }

  /** Who pays for a bucket's requests; nobody where they cost nothing. */
  accountOf(binding: BackendBinding): Spending | undefined {
    const account = this.accounts.find(({ name }) => name === binding.provider)
    if (account === undefined) return undefined
    const foreign = binding.endpoint !== undefined && !isPriced(this.#options.settings, binding)
    return foreign || isFree(account.prices) ? undefined : account
  }

  /** Counts what an answer to a client would have cost at the bucket's store. */
  answered(bucket: string, requests: number, bytes: number): void {
    if (!this.#byBucket.has(bucket)) this.#byBucket.set(bucket, this.#find(bucket))
    this.#byBucket.get(bucket)?.answered(requests, bytes)
  }

  /** What somebody should know of the money, one sentence each. */
  troubles(): readonly string[] {
    return this.accounts
      .filter(({ state }) => state === 'hard')
      .map(({ name }) => `${name}: the budget of today is spent; only what is cached is answered`)
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#saveSoon()
    await this.#saving
  }

  /** Buckets keep their names: a name that came back with another store is told apart after a restart. */
  #find(bucket: string): Spending | undefined {
    const record = this.#options.buckets().find(({ ref }) => formatBucket(ref) === bucket)
    return record?.backend === undefined ? undefined : this.accountOf(record.backend)
  }

  async #load(): Promise<void> {
    let text: string
    try {
      text = await readFile(this.#path, 'utf8')
    } catch (error) {
      if (!isAbsent(error)) throw error
      return
    }
    const days = readDays(text)
    if (days === undefined) {
      this.#options.logger.warn(
        { path: this.#path },
        'what was spent today is not known: it begins at 0',
      )
      return
    }
    for (const account of this.accounts) {
      const spent = days.get(account.name)
      if (spent !== undefined) account.resume(spent)
    }
  }

  #saveSoon(): void {
    this.#saving = this.#saving.then(() => this.#save())
  }

  async #save(): Promise<void> {
    const accounts = this.accounts.map(({ name, today }) => ({ name, ...today }))
    const text = JSON.stringify({ format: FORMAT, accounts })
    if (text === this.#saved) return
    try {
      await writeFile(`${this.#path}.new`, text)
      await rename(`${this.#path}.new`, this.#path)
      this.#saved = text
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'what was spent cannot be written down')
    }
  }
}

function openAccount({ settings, clock, logger }: BooksOptions, provider: Priced): Spending {
  const { price, budget, endpoint } = settings.backends[provider]
  const list = endpoint === undefined ? LIST_PRICES[provider] : undefined
  return new Spending({
    name: provider,
    prices: {
      getPerMillion: price.getPerMillion ?? list?.getPerMillion ?? 0,
      putPerMillion: price.putPerMillion ?? list?.putPerMillion ?? 0,
      listPerMillion: price.listPerMillion ?? list?.listPerMillion ?? 0,
      egressPerGiB: price.egressPerGiB ?? list?.egressPerGiB ?? 0,
    },
    budget,
    clock,
    onState: (state) =>
      logger.warn(
        { backend: provider, ...budget },
        state === 'hard'
          ? 'the budget of today is spent: nothing more is read from the store'
          : 'more was spent today than the soft budget says',
      ),
  })
}

/** True where somebody stated a price: it holds for other endpoints too. */
function isPriced(settings: Settings, { provider }: BackendBinding): boolean {
  const priced = PROVIDERS.find((known) => known === provider)
  if (priced === undefined) return false
  return Object.values(settings.backends[priced].price).some((price) => price !== undefined)
}

function isFree(prices: Prices): boolean {
  return Object.values(prices).every((price) => price === 0)
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}

/** By account; `undefined` when the file is not one of ours. */
function readDays(
  text: string,
): ReadonlyMap<string, { readonly day: number; readonly dollars: number }> | undefined {
  try {
    const read: unknown = JSON.parse(text)
    if (!isRecord(read) || read['format'] !== FORMAT || !Array.isArray(read['accounts'])) return
    const days = read['accounts'].flatMap((account: unknown) => {
      if (!isRecord(account)) return []
      const { name, day, dollars } = account
      const good =
        typeof name === 'string' && typeof day === 'number' && typeof dollars === 'number'
      return good && dollars >= 0 ? [[name, { day, dollars }] as const] : []
    })
    return new Map(days)
  } catch {
    return undefined
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
