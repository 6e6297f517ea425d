/** Sizes of objects, gaps between arrivals, and which object is next. */

import { formatSize, parseSize } from '../bench/statistics.ts'
import type { Random } from '../faults/random.ts'

/** How large objects are; one kind per word of `-sizes`. */
export type SizeDistribution =
  | { readonly kind: 'constant'; readonly bytes: number }
  | { readonly kind: 'uniform'; readonly minBytes: number; readonly maxBytes: number }
  | {
      readonly kind: 'lognormal'
      readonly medianBytes: number
      /** Deviation of the natural logarithm. */
      readonly sigma: number
      readonly maxBytes: number
    }
  | {
      readonly kind: 'list'
      readonly choices: readonly { readonly bytes: number; readonly weight: number }[]
    }

/** A lognormal size is cut at this many deviations: one object in 30,000. */
const LOGNORMAL_DEVIATIONS_MAX = 4

/**
 * Reads `constant:1m`, `uniform:4k-1m`, `lognormal:64k,1.5` (median, deviation of the logarithm) or
 * `list:4k*70,1m*30` (sizes with their weights).
 *
 * @throws Error saying what is wrong with the text
 */
export function parseSizes(text: string): SizeDistribution {
  const [, kind, rest] = /^([a-z]+):(.+)$/.exec(text) ?? []
  if (rest === undefined) throw new Error(`"${text}" is no distribution; want ${SIZES_FORMS}`)
  switch (kind) {
    case 'constant':
      return { kind, bytes: parseSize(rest) }
    case 'uniform': {
      const [min = '', max = '', ...more] = rest.split('-')
      const range = { kind, minBytes: parseSize(min), maxBytes: parseSize(max) } as const
      if (more.length > 0 || range.minBytes > range.maxBytes) {
        throw new Error(`"${text}" is no range of sizes, the smaller one first`)
      }
      return range
    }
    case 'lognormal': {
      const [median = '', deviation = ''] = rest.split(',')
      const sigma = Number(deviation)
      if (deviation === '' || !(sigma > 0 && sigma <= 5)) {
        throw new Error(`"${text}" needs a deviation above 0 and at most 5, after the median`)
      }
      const medianBytes = parseSize(median)
      const maxBytes = Math.round(medianBytes * Math.exp(sigma * LOGNORMAL_DEVIATIONS_MAX))
      return { kind, medianBytes, sigma, maxBytes }
    }
    case 'list':
      return { kind, choices: rest.split(',').map(parseChoice) }
    default:
      throw new Error(`there is no distribution "${kind}"; want ${SIZES_FORMS}`)
  }
}

const SIZES_FORMS = 'constant:1m, uniform:4k-1m, lognormal:64k,1.5 or list:4k*70,1m*30'

function parseChoice(text: string): { readonly bytes: number; readonly weight: number } {
  const [size = '', weightText = '1'] = text.split('*')
  const weight = Number(weightText)
  if (!(weight > 0)) throw new Error(`"${text}" has no weight above 0`)
  return { bytes: parseSize(size), weight }
}

/**
 * The size that two numbers stand for, whole bytes.
 *
 * @param first 0 <= x < 1, as is `second`: even ones give the distribution
 */
export function sizeAt(sizes: SizeDistribution, first: number, second: number): number {
  switch (sizes.kind) {
    case 'constant':
      return sizes.bytes
    case 'uniform':
      return sizes.minBytes + Math.floor(first * (sizes.maxBytes - sizes.minBytes + 1))
    case 'lognormal': {
      // Box and Muller: two even numbers make one that is normally distributed.
      const normal = Math.sqrt(-2 * Math.log(1 - first)) * Math.cos(2 * Math.PI * second)
      const bytes = Math.round(sizes.medianBytes * Math.exp(sizes.sigma * normal))
      return Math.min(Math.max(1, bytes), sizes.maxBytes)
    }
    default: {
      const total = sizes.choices.reduce((sum, { weight }) => sum + weight, 0)
      let left = first * total
      for (const { bytes, weight } of sizes.choices) {
        left -= weight
        if (left < 0) return bytes
      }
      return sizes.choices.at(-1)?.bytes ?? 0
    }
  }
}

/** The distribution in words, for a report. */
export function describeSizes(sizes: SizeDistribution): string {
  switch (sizes.kind) {
    case 'constant':
      return formatSize(sizes.bytes)
    case 'uniform':
      return `${formatSize(sizes.minBytes)} to ${formatSize(sizes.maxBytes)}`
    case 'lognormal':
      return `about ${formatSize(sizes.medianBytes)}, lognormal with ${sizes.sigma}`
    default:
      return sizes.choices.map(({ bytes, weight }) => `${formatSize(bytes)}*${weight}`).join(', ')
  }
}

/** When requests of an open loop are due. */
export type Arrival = 'poisson' | 'constant'

/** The time to the next arrival, ms. */
export function nextGapMs(arrival: Arrival, ratePerSecond: number, random: Random): number {
  const meanMs = 1000 / ratePerSecond
  return arrival === 'constant' ? meanMs : -Math.log(1 - random.next()) * meanMs
}

/** The numbers 0 to `count - 1` in an order that the random stream decides (Fisher and Yates). */
export function shuffled(count: number, random: Random): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, index) => index)
  for (let at = count - 1; at > 0; at -= 1) {
    const other = random.below(at + 1)
    const kept = order[at] ?? 0
    order[at] = order[other] ?? 0
    order[other] = kept
  }
  return order
}
