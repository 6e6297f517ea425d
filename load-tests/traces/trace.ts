import { Random } from '../faults/random.ts'

/** Size of an object in traces with one size, bytes. */
const OBJECT_BYTES = 1024 ** 2

const UNIT_BYTES = 4096

/** A sequence of reads of whole objects. */
export interface Trace {
  readonly name: string
  /** Object of each read, an index into `sizes`. */
  readonly reads: Uint32Array
  /** Size of each object on disk, bytes. */
  readonly sizes: Float64Array
  /** Room of the cache, bytes. */
  readonly cacheBytes: number
  /** What a data set is swept for, where a training loop is all there is. */
  readonly epochs: boolean
  /** Every object is asked for so often that nothing can be learnt: LRU gets next to nothing. */
  readonly shuffled: boolean
}

export interface TraceOptions {
  /** Objects of a data set; everything else follows. */
  readonly objects: number
  readonly seed: number
}

/** Rounds of a training loop; the first one finds nothing. */
const ROUNDS = 12

/** Every trace, from one seed. */
export function makeTraces({ objects, seed }: TraceOptions): readonly Trace[] {
  const random = (name: string): Random => new Random('trace', seed, name)
  const fixed = new Float64Array(objects).fill(OBJECT_BYTES)
  const varied = varySizes(random('sizes'), objects)
  const epochs = (times: number, shuffled: boolean, sizes: Float64Array = fixed): Trace => {
    const order = shuffled ? 'shuffled' : 'in order'
    const kind = sizes === fixed ? '' : ', sizes vary'
    const name = `epochs ${order}, ${times}x the cache${kind}`
    const reads = concat(repeatRounds(random(name), sizes.length, { rounds: ROUNDS, shuffled }))
    return { name, reads, sizes, cacheBytes: sum(sizes) / times, epochs: true, shuffled }
  }
  const others = (name: string, reads: Uint32Array, sizes: Float64Array): Trace => ({
    name,
    reads,
    sizes,
    cacheBytes: sum(sizes) / 10,
    epochs: false,
    shuffled: false,
  })
  const zipf = (skew: number, name: string): Uint32Array =>
    drawZipf(random(name), { objects, skew, reads: objects * 10 })
  return [
    epochs(2, true),
    epochs(5, true),
    epochs(10, true),
    epochs(2, true, varied),
    epochs(5, true, varied),
    epochs(10, true, varied),
    epochs(2, false),
    epochs(10, false),
    epochs(5, false, varied),
    changedSet(random('changed'), objects),
    others('Zipf 0.8', zipf(0.8, 'z8'), fixed),
    others('Zipf 1.0', zipf(1, 'z10'), fixed),
    others('Zipf 1.0, sizes vary', zipf(1, 'z10v'), varied),
    others('scans over Zipf 1.0', scansOver(zipf(1, 'scan'), objects), fixed),
    others('scans over Zipf 1.0, sizes vary', scansOver(zipf(1, 'scanv'), objects), varied),
    others('mixed: Zipf, epochs and scans', mix(random('mixed'), objects), fixed),
  ]
}

/** A data set is swept, then another one of the same bucket. */
function changedSet(random: Random, objects: number): Trace {
  const half = Math.floor(objects / 2)
  const sweep = { rounds: ROUNDS, shuffled: true }
  const first = repeatRounds(random, half, sweep)
  const second = repeatRounds(random, half, sweep).map((round) => round.map((id) => id + half))
  return {
    name: 'epochs shuffled, 5x the cache, another data set midway',
    reads: concat([...first, ...second]),
    sizes: new Float64Array(2 * half).fill(OBJECT_BYTES),
    cacheBytes: (half * OBJECT_BYTES) / 5,
    epochs: false,
    shuffled: false,
  }
}

function repeatRounds(
  random: Random,
  objects: number,
  { rounds, shuffled }: { readonly rounds: number; readonly shuffled: boolean },
): readonly Uint32Array[] {
  return Array.from({ length: rounds }, () => {
    const round = Uint32Array.from({ length: objects }, (_, at) => at)
    if (!shuffled) return round
    for (let at = objects - 1; at > 0; at--) {
      const other = random.below(at + 1)
      const swapped = round[at] ?? 0
      round[at] = round[other] ?? 0
      round[other] = swapped
    }
    return round
  })
}

/** Draws objects whose popularity falls with a power of their rank; ranks are spread over the ids. */
function drawZipf(
  random: Random,
  options: { readonly objects: number; readonly skew: number; readonly reads: number },
): Uint32Array {
  const { objects, skew, reads } = options
  const cumulative = new Float64Array(objects)
  let total = 0
  for (let rank = 0; rank < objects; rank++) {
    total += 1 / (rank + 1) ** skew
    cumulative[rank] = total
  }
  const [order = new Uint32Array(0)] = repeatRounds(random, objects, { rounds: 1, shuffled: true })
  return Uint32Array.from({ length: reads }, () => {
    const wanted = random.next() * total
    let low = 0
    let high = objects - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if ((cumulative[middle] ?? 0) < wanted) low = middle + 1
      else high = middle
    }
    return order[low] ?? 0
  })
}

/** Reads everything once, now and then. */
function scansOver(reads: Uint32Array, objects: number): Uint32Array {
  const parts: Uint32Array[] = []
  const every = Math.ceil(reads.length / 5)
  const scan = Uint32Array.from({ length: objects }, (_, at) => at)
  for (let from = 0; from < reads.length; from += every) {
    parts.push(reads.subarray(from, from + every), scan)
  }
  return concat(parts)
}

/** Three kinds of readers at once, each with a part of the objects: popular ones, a loop, and scans. */
function mix(random: Random, objects: number): Uint32Array {
  const third = Math.floor(objects / 3)
  const sweep = { rounds: ROUNDS, shuffled: true }
  const zipf = drawZipf(random, { objects: third, skew: 1, reads: third * ROUNDS })
  const streams = [
    zipf,
    concat(repeatRounds(random, third, sweep)).map((id) => id + third),
    concat(repeatRounds(random, third, { rounds: 2, shuffled: false })).map((id) => id + 2 * third),
  ]
  const reads: number[] = []
  const at = streams.map(() => 0)
  for (;;) {
    const open = streams.flatMap((stream, each) => ((at[each] ?? 0) < stream.length ? [each] : []))
    const [first, ...rest] = open
    if (first === undefined) return Uint32Array.from(reads)
    const chosen = random.pick([first, ...rest])
    reads.push(streams[chosen]?.[at[chosen] ?? 0] ?? 0)
    at[chosen] = (at[chosen] ?? 0) + 1
  }
}

/** Sizes from 64 KiB to 64 MiB, small ones more often: equal shares of the powers between. */
function varySizes(random: Random, objects: number): Float64Array {
  return Float64Array.from({ length: objects }, () => {
    const bytes = 2 ** (16 + random.next() * 10)
    return Math.ceil(bytes / UNIT_BYTES) * UNIT_BYTES
  })
}

function concat(parts: readonly Uint32Array[]): Uint32Array {
  const joined = new Uint32Array(parts.reduce((length, part) => length + part.length, 0))
  let at = 0
  for (const part of parts) {
    joined.set(part, at)
    at += part.length
  }
  return joined
}

export function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0)
}
