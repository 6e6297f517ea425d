/**
 * `npm run bench -- [measurement] [options]`. Without a measurement: Forebay, nginx and versitygw
 * side by side.
 */
import { parseArgs } from 'node:util'
import { measureTraces } from '../traces/measure-traces.ts'
import { withBench } from './bench-context.ts'
import { type Figure, measureCold } from './cold.ts'
import { measureParallelAlone } from './cold-parallel.ts'
import { measureColdSizes } from './cold-sizes.ts'
import { STORE_KINDS, type StoreKind } from './cold-stores.ts'
import { measureColdTurns } from './cold-turns.ts'
import { CASE_KINDS, type CaseKind, compare, OBJECT_SETS } from './compare.ts'
import { measureListing } from './listing.ts'
import { measureMemory, measureSoak } from './memory.ts'
import {
  formatFigures,
  formatSummaries,
  formatVerdicts,
  judge,
  summarize,
  writeReport,
} from './report.ts'
import { measureSignature, signatureFigures } from './signature.ts'
import { parseSize } from './statistics.ts'

const USAGE = `usage: npm run bench -- [measurement] [options]

measurements
  compare      (default) Forebay, nginx and versitygw side by side
  signature    what verifying a signature adds to a GET of 4 KiB
  cold         objects that are not in the cache yet, from a limited origin
  cold-sizes   absent objects of every size, from each kind of backend, against direct reads
  cold-turns   CPU of absent objects of 4 KiB, in turns with another version
  parallel     of these, a large object by several connections alone
  listing      pages of a large bucket
  memory       memory and loop delay under 100 large transfers at once
  soak         the same over a long time
  traces       eviction policies against the optimum, and what they cost

options
  --rounds N        rounds that count (default 7)
  --seconds S       length of one run (default 1)
  --sizes LIST      of 4k,64k,1m,16m,1g; cold-sizes: any
  --backend LIST    cold-sizes: of s3,gcs,azure,http
  --against DIR     cold-turns: checkout of the other version, set up
  --latency MS      cold-sizes: latency of the store (default 20)
  --profile DIR     cold-sizes: CPU profile of the node that reads 4 KiB
  --only LIST       of get,head,put,list
  --quick           3 rounds of 0.5 s, without 1 GiB; smaller amounts of everything else
  --requests N      signature: requests in all (default 100000)
  --keys N          listing: keys of the bucket (default 1000000)
  --get-size S      memory: size of the objects read (default 1g)
  --put-size S      memory: size of the objects written (default 256m)
  --minutes N       soak: how long (default 60)
  --objects N       traces: objects of a data set (default 20000)
  --folder DIR      where servers keep their data (default: the system's temporary folder)
`

const OPTIONS = {
  rounds: { type: 'string' },
  seconds: { type: 'string' },
  sizes: { type: 'string' },
  only: { type: 'string' },
  quick: { type: 'boolean' },
  requests: { type: 'string' },
  keys: { type: 'string' },
  'get-size': { type: 'string' },
  'put-size': { type: 'string' },
  minutes: { type: 'string' },
  objects: { type: 'string' },
  backend: { type: 'string' },
  latency: { type: 'string' },
  against: { type: 'string' },
  profile: { type: 'string' },
  folder: { type: 'string' },
  help: { type: 'boolean' },
} as const

type Flags = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>['values']

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: OPTIONS,
    allowPositionals: true,
  })
  const measurement = positionals[0] ?? 'compare'
  if (values.help === true) {
    process.stdout.write(USAGE)
    return 0
  }
  switch (measurement) {
    case 'compare':
      await runCompare(values)
      return 0
    case 'traces': {
      const objects = numberOf('objects', values.objects, values.quick === true ? 2000 : 20_000)
      return (await measureTraces(objects, 1)) ? 0 : 1
    }
    case 'signature':
    case 'cold':
    case 'cold-sizes':
    case 'cold-turns':
    case 'parallel':
    case 'listing':
    case 'memory':
    case 'soak':
      await runFigures(measurement, values)
      return 0
    default:
      process.stderr.write(`bench: there is no measurement "${measurement}"\n\n${USAGE}`)
      return 2
  }
}

async function runCompare(flags: Flags): Promise<void> {
  const quick = flags.quick === true
  const sizes =
    flags.sizes?.split(',').map(parseSize) ??
    OBJECT_SETS.map(({ sizeBytes }) => sizeBytes).filter((size) => !quick || size < 1024 ** 3)
  const options = {
    rounds: numberOf('rounds', flags.rounds, quick ? 3 : 7),
    seconds: numberOf('seconds', flags.seconds, quick ? 0.5 : 1),
    sizes,
    only: kindsOf(flags.only),
  }
  const results = await withBench(flags.folder, (context) => compare(context, options))
  const summaries = results.map(summarize)
  const verdicts = judge(summaries)
  const path = await writeReport('compare', { options, summaries, verdicts, results })
  process.stdout.write(
    `${formatSummaries(summaries)}\n\n${formatVerdicts(verdicts)}\n\nreport: ${path}\n`,
  )
}

/** Measurements that end in a list of figures. */
type FigureMeasurement =
  | 'signature'
  | 'cold'
  | 'cold-sizes'
  | 'cold-turns'
  | 'parallel'
  | 'listing'
  | 'memory'
  | 'soak'

async function runFigures(measurement: FigureMeasurement, flags: Flags): Promise<void> {
  const figures = await measureFigures(measurement, flags)
  const path = await writeReport(measurement, { flags, figures })
  process.stdout.write(`${formatFigures(figures)}\n\nreport: ${path}\n`)
}

function measureFigures(measurement: FigureMeasurement, flags: Flags): Promise<readonly Figure[]> {
  const quick = flags.quick === true
  const size = (text: string | undefined, usual: string, short: string): number =>
    parseSize(text ?? (quick ? short : usual))
  return withBench(flags.folder, async (context) => {
    switch (measurement) {
      case 'signature': {
        const rounds = numberOf('rounds', flags.rounds, 7)
        const requests = numberOf('requests', flags.requests, quick ? 20_000 : 100_000)
        return signatureFigures(await measureSignature(context, { rounds, requests }))
      }
      case 'cold':
        return measureCold(context, { parallelBytes: quick ? 512 * 1024 ** 2 : 2 * 1024 ** 3 })
      case 'cold-sizes':
        return measureColdSizes(context, {
          stores: storesOf(flags.backend),
          sizes: (flags.sizes ?? '4k,64k,1m,16m,256m').split(',').map(parseSize),
          latencyMs: numberOf('latency', flags.latency, 20),
          isQuick: quick,
          profile: flags.profile,
        })
      case 'cold-turns':
        if (flags.against === undefined) throw new Error('cold-turns wants --against DIR')
        return measureColdTurns(context, {
          stores: storesOf(flags.backend),
          against: flags.against,
          rounds: numberOf('rounds', flags.rounds, quick ? 3 : 12),
        })
      case 'parallel':
        return measureParallelAlone(context, quick ? 512 * 1024 ** 2 : 2 * 1024 ** 3)
      case 'listing':
        return measureListing(context, {
          keys: numberOf('keys', flags.keys, quick ? 20_000 : 1_000_000),
        })
      case 'memory':
        return measureMemory(context, {
          getBytes: size(flags['get-size'], '1g', '64m'),
          putBytes: size(flags['put-size'], '256m', '8m'),
        })
      case 'soak':
        return measureSoak(context, { minutes: numberOf('minutes', flags.minutes, quick ? 1 : 60) })
      default:
        throw new Error(`unknown measurement ${measurement satisfies never}`)
    }
  })
}

function kindsOf(text: string | undefined): readonly CaseKind[] {
  if (text === undefined) return CASE_KINDS
  return text.split(',').map((word) => {
    const kind = CASE_KINDS.find((known) => known === word)
    if (kind === undefined) throw new Error(`--only takes ${CASE_KINDS.join(', ')}, not "${word}"`)
    return kind
  })
}

function storesOf(text: string | undefined): readonly StoreKind[] {
  if (text === undefined || text === 'all') return STORE_KINDS
  return text.split(',').map((word) => {
    const kind = STORE_KINDS.find((known) => known === word)
    if (kind === undefined) {
      throw new Error(`--backend takes ${STORE_KINDS.join(', ')}, not "${word}"`)
    }
    return kind
  })
}

function numberOf(name: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback
  const value = Number(text)
  if (!Number.isFinite(value) || value <= 0) throw new Error(`--${name} takes a number above 0`)
  return value
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
