/**
 * Forebay, nginx and versitygw side by side: the same requests to each in turn, round after round,
 * so that what else happens on the machine meets all of them alike. The minimum of a figure is what
 * is compared; the median says how far to trust it.
 */
import type { BenchContext } from './bench-context.ts'
import {
  BUCKET,
  type Contender,
  createBucket,
  fill,
  type ObjectSet,
  prepare,
  startNginx,
  startOpenForebay,
  startPlainVersitygw,
} from './contenders.ts'
import { type Measurement, measureLoad } from './load.ts'
import { type Request, targetsOf } from './requests.ts'
import { formatSize } from './statistics.ts'

const KIB = 1024
const MIB = 1024 ** 2
const GIB = 1024 ** 3

/** Sizes of the objects, and how many there are of each: together 1.7 GiB per server. */
export const OBJECT_SETS: readonly ObjectSet[] = [
  { folder: '4k', sizeBytes: 4 * KIB, count: 1000 },
  { folder: '64k', sizeBytes: 64 * KIB, count: 500 },
  { folder: '1m', sizeBytes: MIB, count: 128 },
  { folder: '16m', sizeBytes: 16 * MIB, count: 32 },
  { folder: '1g', sizeBytes: GIB, count: 1 },
]

const LISTED_KEYS = 10_000
const LISTED_BUCKET = 'listed'
const UNSYNCED_BUCKET = 'unsynced'
const CONNECTIONS = 16

/** Small requests before the first that counts: the engine compiles what is hot until about 20,000. */
const WARM_REQUESTS = 30_000

/** Puts off work until after its answer: what is done within this time is counted to the run. */
const WRITE_SETTLE_MS = 250

export type CompareOptions = {
  readonly rounds: number
  readonly seconds: number
  /** Sizes of objects, bytes. */
  readonly sizes: readonly number[]
  /** Kinds of requests. */
  readonly only: readonly CaseKind[]
}

export const CASE_KINDS = ['get', 'head', 'put', 'list'] as const
export type CaseKind = (typeof CASE_KINDS)[number]

/** One line of the comparison: the same load for each of its contenders. */
export type Case = {
  readonly name: string
  readonly kind: CaseKind
  readonly sizeBytes: number
  readonly connections: number
  readonly runs: readonly CaseRun[]
}

/** What one contender is sent. Two runs of one contender (synced or not) differ in `label`. */
type CaseRun = {
  readonly label: string
  readonly contender: Contender
  readonly requests: readonly Request[]
  readonly bodyBytes?: number
  readonly expectBytes?: number
  readonly settleMs?: number
}

/** Every run of one contender in one case, in order. */
export type CaseResult = {
  readonly case: string
  readonly kind: CaseKind
  readonly sizeBytes: number
  readonly connections: number
  readonly contender: string
  readonly runs: readonly Measurement[]
}

/** @returns one result per case and contender */
export async function compare(
  context: BenchContext,
  options: CompareOptions,
): Promise<readonly CaseResult[]> {
  const forebay = await startOpenForebay(context)
  const nginx = await startNginx(context)
  const versitygw = await startPlainVersitygw(context)
  const contenders = { forebay, nginx, versitygw }
  const sets = OBJECT_SETS.filter(({ sizeBytes }) => options.sizes.includes(sizeBytes))
  await fillContenders(context, { contenders: Object.values(contenders), sets, options })
  const results: CaseResult[] = []
  for (const next of casesOf(contenders, sets, options.only)) {
    results.push(...(await runCase(context, next, options)))
  }
  return results
}

async function fillContenders(
  context: BenchContext,
  work: {
    readonly contenders: readonly Contender[]
    readonly sets: readonly ObjectSet[]
    readonly options: CompareOptions
  },
): Promise<void> {
  const { contenders, sets, options } = work
  context.say('storing the objects ...')
  for (const contender of contenders) {
    if (contender.name === 'nginx') {
      for (const set of sets) await fill(context, contender, set)
      continue
    }
    const isForebay = contender.name === 'forebay'
    // What is read need not be synced first; the bucket that is written to states it by itself.
    await createBucket(contender, BUCKET, isForebay ? { syncWrites: false } : {})
    if (options.only.includes('get') || options.only.includes('head')) {
      for (const set of sets) await fill(context, contender, set)
    }
    if (options.only.includes('put') && isForebay) {
      await createBucket(contender, UNSYNCED_BUCKET, { syncWrites: false })
      await createBucket(contender, 'synced', { syncWrites: true })
    }
    if (options.only.includes('put') && !isForebay) await createBucket(contender, UNSYNCED_BUCKET)
    if (options.only.includes('list')) {
      await createBucket(contender, LISTED_BUCKET, isForebay ? { syncWrites: false } : {})
      const listed = { folder: 'k', sizeBytes: 1, count: LISTED_KEYS, bucket: LISTED_BUCKET }
      await fill(context, contender, listed)
    }
  }
}

type Contenders = Readonly<Record<'forebay' | 'nginx' | 'versitygw', Contender>>

function casesOf(
  contenders: Contenders,
  sets: readonly ObjectSet[],
  only: readonly CaseKind[],
): readonly Case[] {
  const smallest = sets[0]
  const all = [
    ...sets.map((set) => readCase(contenders, set, 'GET')),
    ...(smallest === undefined ? [] : [readCase(contenders, smallest, 'HEAD')]),
    ...sets.filter(({ sizeBytes }) => sizeBytes < GIB).map((set) => writeCase(contenders, set)),
    listCase(contenders),
  ]
  return all.filter(({ kind }) => only.includes(kind))
}

function readCase(contenders: Contenders, set: ObjectSet, method: 'GET' | 'HEAD'): Case {
  const requests = targetsOf(BUCKET, set.folder, set.count).map((target) => ({ method, target }))
  return {
    name: `${method} ${formatSize(set.sizeBytes)}`,
    kind: method === 'GET' ? 'get' : 'head',
    sizeBytes: set.sizeBytes,
    connections: set.count === 1 ? 1 : CONNECTIONS,
    runs: Object.values(contenders).map((contender) => ({
      label: contender.name,
      contender,
      requests,
      expectBytes: set.sizeBytes,
    })),
  }
}

/** Names are written over and over, so that the disk does not fill; never one by two at once. */
function writeCase({ forebay, versitygw }: Contenders, set: ObjectSet): Case {
  const names = Math.max(2 * CONNECTIONS, Math.min(256, set.count))
  const run = (label: string, contender: Contender, bucket: string): CaseRun => ({
    label,
    contender,
    requests: targetsOf(bucket, set.folder, names).map((target) => ({
      method: 'PUT',
      target,
      headers: { 'content-length': String(set.sizeBytes) },
    })),
    bodyBytes: set.sizeBytes,
    settleMs: WRITE_SETTLE_MS,
  })
  return {
    name: `PUT ${formatSize(set.sizeBytes)}`,
    kind: 'put',
    sizeBytes: set.sizeBytes,
    connections: CONNECTIONS,
    runs: [
      run('forebay', forebay, UNSYNCED_BUCKET),
      run('versitygw', versitygw, UNSYNCED_BUCKET),
      run('forebay synced', forebay, 'synced'),
    ],
  }
}

/** Pages of 1,000 keys that begin all over the bucket. */
function listCase({ forebay, versitygw }: Contenders): Case {
  const requests = targetsOf('', 'k', LISTED_KEYS)
    .filter((_, index) => index % 1000 === 0 && index < LISTED_KEYS - 1000)
    .map((target) => {
      const after = encodeURIComponent(target.slice(2))
      const query = `list-type=2&max-keys=1000&start-after=${after}`
      return { method: 'GET' as const, target: `/${LISTED_BUCKET}?${query}` }
    })
  return {
    name: 'LIST 1,000 keys',
    kind: 'list',
    sizeBytes: 0,
    connections: 1,
    runs: [forebay, versitygw].map((contender) => ({ label: contender.name, contender, requests })),
  }
}

/** Round 0 warms caches and compilers and is not counted. */
function warmUp({ sizeBytes, kind }: Case): { readonly count: number } {
  if (kind === 'list') return { count: 200 }
  return { count: sizeBytes < MIB ? WARM_REQUESTS : Math.ceil((512 * MIB) / sizeBytes) }
}

async function runCase(
  context: BenchContext,
  next: Case,
  options: CompareOptions,
): Promise<readonly CaseResult[]> {
  const prepared = []
  for (const run of next.runs) {
    const name = `${next.kind}-${next.sizeBytes}-${run.label.replaceAll(' ', '-')}`
    const path = await prepare(context, run.contender, { name, list: run.requests })
    prepared.push({ ...run, path, measurements: [] as Measurement[] })
  }
  for (let round = 0; round <= options.rounds; round += 1) {
    context.say(`${next.name}: round ${round} of ${options.rounds}`)
    for (const run of prepared) {
      const load = {
        client: context.client,
        port: run.contender.server.port,
        requests: run.path,
        connections: next.connections,
        ...(round === 0 ? warmUp(next) : { seconds: options.seconds }),
        bodyBytes: run.bodyBytes,
        expectBytes: run.expectBytes,
        signal: context.signal,
      }
      const measurement = await measureLoad(run.contender.server, load, run.settleMs)
      if (round > 0) run.measurements.push(measurement)
    }
  }
  return prepared.map(({ label, measurements }) => ({
    case: next.name,
    kind: next.kind,
    sizeBytes: next.sizeBytes,
    connections: next.connections,
    contender: label,
    runs: measurements,
  }))
}
