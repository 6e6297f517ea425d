import { number, optional } from './setting.ts'

/** What a vendor's list asks, in dollars. */
export interface ListPrices {
  readonly getPerMillion: number
  readonly putPerMillion: number
  readonly listPerMillion: number
  readonly egressPerGiB: number
}

/**
 * Public list prices of November 2026: standard storage in a region of the United States, the first
 * step of traffic to the internet. Within a region bytes are free: then `egressPerGiB` is 0.
 */
export const LIST_PRICES: Readonly<Record<'aws' | 'gcp' | 'azure', ListPrices>> = {
  aws: { getPerMillion: 0.4, putPerMillion: 5, listPerMillion: 5, egressPerGiB: 0.09 },
  gcp: { getPerMillion: 0.4, putPerMillion: 5, listPerMillion: 5, egressPerGiB: 0.12 },
  azure: { getPerMillion: 0.4, putPerMillion: 5, listPerMillion: 5, egressPerGiB: 0.087 },
}

/** What requests to a provider's stores cost; for `backends.<provider>.price`. */
export function priceSchema(provider: keyof typeof LIST_PRICES) {
  const price = (name: keyof ListPrices, what: string) =>
    optional(
      number({ min: 0, max: 1_000_000, default: 0, doc: `Dollars for ${what}.` }),
      `${LIST_PRICES[provider][name]}, the list price; 0 for another endpoint than the vendor's`,
    )
  return {
    getPerMillion: price('getPerMillion', 'a million reads and questions'),
    putPerMillion: price('putPerMillion', 'a million writes and copies'),
    listPerMillion: price('listPerMillion', 'a million pages of names'),
    egressPerGiB: price('egressPerGiB', 'a GiB that leaves the store; 0 within its region'),
  }
}

/** What may be spent at a provider; for `backends.<provider>.budget`. */
export function budgetSchema() {
  return {
    softPerDay: number({
      min: 0,
      max: 1_000_000_000,
      default: 0,
      doc: 'Dollars in a day of UTC from which the log and the metrics warn; 0 = none.',
    }),
    hardPerDay: number({
      min: 0,
      max: 1_000_000_000,
      default: 0,
      doc: 'Dollars in a day of UTC from which nothing more is read from the store: what is cached is answered, the rest waits for the next day. 0 = no limit.',
    }),
  }
}
