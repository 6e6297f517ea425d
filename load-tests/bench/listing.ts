/**
 * Listing a large native bucket through S3, page by page: what a key costs, whether a page deep in
 * the bucket takes longer than the first, and what a common prefix costs.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { BenchContext } from './bench-context.ts'
import type { Figure } from './cold.ts'
import { type Contender, createBucket, prepare, send, startOpenForebay } from './contenders.ts'
import { type Measurement, measureLoad, runLoad } from './load.ts'
import { readAnonymousBytes } from './memory.ts'
import { objectName, type Request } from './requests.ts'
import { minimum } from './statistics.ts'

const MIB = 1024 ** 2
const BUCKET = 'listed'
const PAGE_KEYS = 1000

/** So that a bucket of a million keys has 100,000 common prefixes. */
const KEYS_PER_PREFIX = 10

/** Keys stored in one go of the client; bounds its file of requests. */
const BATCH_KEYS = 50_000
const WRITERS = 64

/** Parts of the bucket whose pages are timed apart. */
const DEPTHS = 10
const ROUNDS = 3

const KEYS_PER_CPU_SECOND_BAR = 300_000

/** Deepest pages over first pages, minima: above this it is no noise. */
const DEPTH_BAR = 1.25

export async function measureListing(
  context: BenchContext,
  options: { readonly keys: number },
): Promise<readonly Figure[]> {
  const forebay = await startOpenForebay(context)
  await createBucket(forebay, BUCKET, { syncWrites: false })
  const storeSeconds = await storeKeys(context, forebay, options.keys)
  // The index is brought up to date behind the answers.
  await sleep(2000)
  const keys = await measurePages(context, forebay, options.keys)
  return [
    { what: `storing ${options.keys} keys of 1 byte`, value: storeSeconds, unit: 's' },
    await countByToken(context, forebay, options.keys),
    ...keys,
    ...(await measurePrefixes(context, forebay, options.keys)),
    {
      what: `anonymous memory with ${options.keys} objects`,
      value: (await readAnonymousBytes(forebay.server)) / MIB,
      unit: 'MiB',
    },
  ]
}

/** `d/000123/4`: ten keys below each common prefix. */
function keyAt(index: number): string {
  return `d/${objectName(Math.floor(index / KEYS_PER_PREFIX))}/${index % KEYS_PER_PREFIX}`
}

async function storeKeys(context: BenchContext, forebay: Contender, keys: number): Promise<number> {
  let seconds = 0
  for (let first = 0; first < keys; first += BATCH_KEYS) {
    context.say(`listing: ${first} of ${keys} keys stored`)
    const count = Math.min(BATCH_KEYS, keys - first)
    const list = Array.from({ length: count }, (_, index) => ({
      method: 'PUT' as const,
      target: `/${BUCKET}/${keyAt(first + index)}`,
      headers: { 'content-length': '1' },
    }))
    const result = await runLoad({
      client: context.client,
      port: forebay.server.port,
      requests: await prepare(context, forebay, { name: 'keys', list }),
      connections: WRITERS,
      count,
      bodyBytes: 1,
      signal: context.signal,
    })
    seconds += result.seconds
  }
  return seconds
}

/** Follows the continuation tokens from the first page to the last, as every client does. */
async function countByToken(
  context: BenchContext,
  forebay: Contender,
  keys: number,
): Promise<Figure> {
  let found = 0
  let token: string | undefined
  do {
    context.signal.throwIfAborted()
    const from = token === undefined ? '' : `&continuation-token=${encodeURIComponent(token)}`
    const target = `/${BUCKET}?list-type=2&max-keys=${PAGE_KEYS}${from}`
    const page = await send(forebay, { method: 'GET', target })
    found += page.split('<Key>').length - 1
    token = /<NextContinuationToken>([^<]+)</.exec(page)?.[1]
  } while (token !== undefined)
  return {
    what: 'keys found by following the tokens',
    value: found,
    unit: 'keys',
    bar: `= ${keys}`,
    met: found === keys,
  }
}

/** Every page of the bucket, in tenths of it, each several times. */
async function measurePages(
  context: BenchContext,
  forebay: Contender,
  keys: number,
): Promise<readonly Figure[]> {
  const pages = Math.floor(keys / PAGE_KEYS)
  const perDepth = Math.max(1, Math.floor(pages / DEPTHS))
  const byDepth = Array.from({ length: DEPTHS }, () => [] as Measurement[])
  for (let round = 0; round <= ROUNDS; round += 1) {
    context.say(`listing: pages, round ${round} of ${ROUNDS}`)
    for (const [depth, runs] of byDepth.entries()) {
      const list = Array.from({ length: perDepth }, (_, index) =>
        pageAfter((depth * perDepth + index) * PAGE_KEYS),
      )
      const measurement = await measureList(context, forebay, list)
      if (round > 0) runs.push(measurement)
    }
  }
  const cpuUs = byDepth.map((runs) => minimum(runs.map(cpuPerPageUs)))
  const p50Ms = byDepth.map((runs) => minimum(runs.map((run) => run.p50Us / 1000)))
  const perSecond = PAGE_KEYS / (cpuUs.reduce((sum, us) => sum + us, 0) / DEPTHS / 1e6)
  const depthRatio = (cpuUs.at(-1) ?? 0) / (cpuUs[0] ?? 1)
  return [
    {
      what: 'keys per CPU-second of the server',
      value: perSecond,
      unit: 'keys/s',
      bar: `>= ${KEYS_PER_CPU_SECOND_BAR}`,
      met: perSecond >= KEYS_PER_CPU_SECOND_BAR,
    },
    { what: 'CPU of a page of 1,000, first tenth', value: cpuUs[0] ?? 0, unit: 'us' },
    { what: 'CPU of a page of 1,000, last tenth', value: cpuUs.at(-1) ?? 0, unit: 'us' },
    { what: 'time of a page, first tenth', value: p50Ms[0] ?? 0, unit: 'ms' },
    { what: 'time of a page, last tenth', value: p50Ms.at(-1) ?? 0, unit: 'ms' },
    {
      what: 'CPU of a page, last tenth over first',
      value: depthRatio,
      unit: 'x',
      bar: `<= ${DEPTH_BAR}`,
      met: depthRatio <= DEPTH_BAR,
    },
  ]
}

/**
 * Common prefixes of ten keys each. A prefix that is passed by one seek costs what a key costs and a
 * seek; one that is scanned costs ten keys.
 */
async function measurePrefixes(
  context: BenchContext,
  forebay: Contender,
  keys: number,
): Promise<readonly Figure[]> {
  const pages = Math.max(1, Math.floor(keys / KEYS_PER_PREFIX / PAGE_KEYS))
  const list = Array.from({ length: pages }, (_, page) => {
    const first = page * PAGE_KEYS * KEYS_PER_PREFIX
    return pageAfter(first, `d/${objectName(Math.floor(first / KEYS_PER_PREFIX) - 1)}/`)
  })
  const runs: Measurement[] = []
  const seeksBefore = await readSeeks(forebay)
  for (let round = 0; round < ROUNDS; round += 1) {
    runs.push(await measureList(context, forebay, list))
  }
  const seeksAfter = await readSeeks(forebay)
  const prefixes = pages * PAGE_KEYS
  const perPrefixUs = minimum(runs.map(cpuPerPageUs)) / PAGE_KEYS
  const figures: Figure[] = [
    { what: `CPU of one of ${prefixes} common prefixes`, value: perPrefixUs, unit: 'us' },
  ]
  if (seeksBefore !== undefined && seeksAfter !== undefined) {
    const value = (seeksAfter - seeksBefore) / (ROUNDS * prefixes)
    figures.push({
      what: 'cursor seeks of a common prefix',
      value,
      unit: 'seeks',
      bar: '<= 2',
      met: value <= 2,
    })
  }
  return figures
}

/** Cursor seeks of all listings so far; undefined where the server does not count them. */
async function readSeeks(forebay: Contender): Promise<number | undefined> {
  const text = await send(forebay, { method: 'GET', target: '/metrics' })
  const line = /^forebay_list_seeks_total(?:\{[^}]*\})? (\S+)$/m.exec(text)
  return line === null ? undefined : Number(line[1])
}

/** The page of which the key at `index` is the first; with `after`, the page of prefixes after it. */
function pageAfter(index: number, after?: string): Request {
  const grouped = after === undefined ? '' : '&prefix=d%2F&delimiter=%2F'
  const start = after ?? keyAt(index - 1)
  const from = index === 0 ? '' : `&start-after=${encodeURIComponent(start)}`
  const target = `/${BUCKET}?list-type=2&max-keys=${PAGE_KEYS}${grouped}${from}`
  return { method: 'GET', target }
}

async function measureList(
  context: BenchContext,
  forebay: Contender,
  list: readonly Request[],
): Promise<Measurement> {
  return measureLoad(forebay.server, {
    client: context.client,
    port: forebay.server.port,
    requests: await prepare(context, forebay, { name: 'pages', list }),
    connections: 1,
    count: list.length,
    signal: context.signal,
  })
}

function cpuPerPageUs(run: Measurement): number {
  return (run.serverCpuSeconds / run.operations) * 1e6
}
