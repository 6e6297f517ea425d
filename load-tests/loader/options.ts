/** The options of the loader. Where aisloader has an option of the same meaning, its name is used. */
import { parseSize } from '../bench/statistics.ts'
import { type Arrival, parseSizes, type SizeDistribution } from './distributions.ts'
import { OPERATION_KINDS, type OperationKind } from './operation-kind.ts'
import { ALIASES, type OptionName as Name, OPTION_ROWS as ROWS } from './option-rows.ts'

/** A mistake of whoever typed the command; its message says what to do. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'UsageError'
  }
}

/** What must hold for the exit status to be 0. */
export type Thresholds = {
  readonly latencies: readonly {
    readonly share: number
    readonly name: string
    /** Absent: every kind of operation. */
    readonly kind?: OperationKind | undefined
    readonly mostMs: number
  }[]
  /** Most errors, as a count or as a share of all operations. */
  readonly errors?: { readonly count: number } | { readonly share: number } | undefined
  readonly opsPerSecondMin?: number | undefined
}

export type LoaderOptions = {
  readonly api: 's3' | 'ais'
  readonly endpoints: readonly URL[]
  readonly bucket: string
  readonly provider: string
  /** 0: no limit of time. */
  readonly durationMs: number
  readonly warmupMs: number
  readonly workers: number
  /** Arrivals a second, whether or not answers come; undefined: each worker waits for its answer. */
  readonly ratePerSecond?: number | undefined
  readonly arrival: Arrival
  readonly inFlightMax: number
  /** Percent of the operations; what is left are reads. */
  readonly percent: Readonly<Record<Exclude<OperationKind, 'get'>, number>>
  readonly sizes: SizeDistribution
  readonly objects: number
  readonly prefix: string
  readonly partBytes?: number | undefined
  readonly readOffset?: number | 'random' | undefined
  readonly readLength?: number | 'random' | undefined
  readonly epochs: number
  readonly verify: boolean
  readonly existing: boolean
  readonly prepare: boolean
  readonly prepareEndpoint?: URL | undefined
  readonly cleanup: boolean
  readonly putBytesMax?: number | undefined
  readonly operationsMax?: number | undefined
  readonly seed: number
  readonly statsIntervalMs: number
  readonly timeoutMs: number
  readonly insecure: boolean
  readonly jsonPath?: string | undefined
  readonly htmlPath?: string | undefined
  readonly quiet: boolean
  readonly thresholds: Thresholds
}

/**
 * Reads the arguments; see `USAGE`.
 *
 * @returns undefined when help was asked for
 * @throws UsageError
 */
export function parseLoaderOptions(args: readonly string[]): LoaderOptions | undefined {
  const given = readArguments(args)
  if (given === undefined) return undefined
  const text = (name: Name): string | undefined =>
    given.get(name) ?? ROWS.find((row) => row.name === name)?.standard
  const count = (name: Name): number => numberOf(name, text(name), true)
  const percent = {
    put: count('pctput'),
    head: count('pcthead'),
    list: count('pctlist'),
    delete: count('pctdelete'),
  }
  const total = Object.values(percent).reduce((sum, value) => sum + value, 0)
  if (total > 100) throw new UsageError(`the percentages add up to ${total}; 100 is the most`)
  const bucket = bucketOf(given.get('bucket'), given.get('provider'))
  const door = doorOf(given)
  const rate = given.get('rate')
  const optional = (name: Name, read: (name: Name, text: string) => number): number | undefined => {
    const value = given.get(name)
    return value === undefined ? undefined : read(name, value)
  }
  const options: LoaderOptions = {
    ...door,
    ...bucket,
    durationMs: durationMs('duration', text('duration') ?? ''),
    warmupMs: durationMs('warmup', text('warmup') ?? ''),
    workers: atLeastOne('numworkers', count('numworkers')),
    ratePerSecond: rate === undefined ? undefined : positive('rate', rate),
    arrival: oneOf('arrival', text('arrival'), ['poisson', 'constant'] as const),
    inFlightMax: atLeastOne('maxinflight', count('maxinflight')),
    percent,
    sizes: sizesOf(given),
    objects: atLeastOne('objects', count('objects')),
    prefix: prefixOf(text('subdir'), count('loaderid'), count('loadernum')),
    partBytes: optional('partsize', sizeOf),
    readOffset: place('readoff', given.get('readoff')),
    readLength: place('readlen', given.get('readlen')),
    epochs: count('num-epochs'),
    verify: flagOf('verify', text('verify')),
    existing: flagOf('existing', text('existing')),
    prepare: flagOf('prepare', text('prepare')),
    prepareEndpoint: urlsOf('prepareendpoint', given.get('prepareendpoint'))[0],
    cleanup: flagOf('cleanup', text('cleanup')),
    putBytesMax: optional('totalputsize', sizeOf),
    operationsMax: optional('count', (name, value) => numberOf(name, value, true)),
    seed: numberOf('seed', given.get('seed') ?? String(Date.now() % 2 ** 31), true),
    statsIntervalMs: durationMs('statsinterval', text('statsinterval') ?? ''),
    timeoutMs: durationMs('timeout', text('timeout') ?? ''),
    insecure: flagOf('insecure', text('insecure')),
    jsonPath: given.get('json'),
    htmlPath: given.get('html'),
    quiet: flagOf('quiet', text('quiet')),
    thresholds: thresholdsOf(given),
  }
  checkTogether(options, given)
  return options
}

function readArguments(args: readonly string[]): ReadonlyMap<Name, string> | undefined {
  const given = new Map<Name, string>()
  for (let at = 0; at < args.length; at += 1) {
    const word = args[at] ?? ''
    const [, written, joined] = /^--?([A-Za-z][\w-]*)(?:=(.*))?$/s.exec(word) ?? []
    if (written === undefined) throw new UsageError(`"${word}" is no option; see -help`)
    if (written === 'help' || written === 'h' || written === 'usage') return undefined
    const row = ROWS.find(({ name }) => name === (ALIASES[written] ?? written))
    if (row === undefined) throw new UsageError(unknownOption(written))
    if (given.has(row.name)) throw new UsageError(`-${row.name} is given twice`)
    if (joined !== undefined) given.set(row.name, joined)
    else if (row.isFlag === true) {
      const next = args[at + 1]
      const isWord = next === 'true' || next === 'false'
      given.set(row.name, isWord ? next : 'true')
      if (isWord) at += 1
    } else {
      at += 1
      const next = args[at]
      if (next === undefined) throw new UsageError(`-${row.name} needs a value: ${row.doc}`)
      given.set(row.name, next)
    }
  }
  return given
}

function unknownOption(written: string): string {
  const near = ROWS.map(({ name }) => name).filter(
    (name) => name.startsWith(written.slice(0, 4)) || written.startsWith(name.slice(0, 4)),
  )
  const hint = near.length === 0 ? '' : `; is -${near.join(' or -')} meant?`
  return `there is no option -${written}${hint}`
}

/** The bucket and the provider that its address names. */
function bucketOf(
  text: string | undefined,
  provider: string | undefined,
): Pick<LoaderOptions, 'bucket' | 'provider'> {
  if (text === undefined) throw new UsageError('-bucket is needed')
  const [, scheme, name] = /^(?:(\w+):\/\/)?([a-zA-Z0-9._-]+)\/?$/.exec(text) ?? []
  if (name === undefined) throw new UsageError(`-bucket ${text} is no name of a bucket`)
  const words: Readonly<Record<string, string>> = { s3: 'aws', gs: 'gcp', az: 'azure' }
  const word = provider ?? scheme ?? 'ais'
  const known = words[word] ?? word
  if (!['ais', 'aws', 'gcp', 'azure'].includes(known)) {
    throw new UsageError(`there is no provider "${word}"; want ais, aws, gcp or azure`)
  }
  return { bucket: name, provider: known }
}

function doorOf(given: ReadonlyMap<Name, string>): Pick<LoaderOptions, 'api' | 'endpoints'> {
  const s3 = urlsOf('s3endpoint', given.get('s3endpoint'))
  const ais = urlsOf('endpoint', given.get('endpoint'))
  if (given.has('ip') || given.has('port')) {
    ais.push(
      ...urlsOf('ip', `http://${given.get('ip') ?? '127.0.0.1'}:${given.get('port') ?? 8080}`),
    )
  }
  if (s3.length > 0 && ais.length > 0) {
    throw new UsageError(
      "-s3endpoint is for the S3 API, -endpoint, -ip and -port for AIStore's; give one",
    )
  }
  if (ais.length > 0) return { api: 'ais', endpoints: ais }
  return { api: 's3', endpoints: s3.length > 0 ? s3 : [new URL('http://127.0.0.1:8080')] }
}

function urlsOf(name: Name, text: string | undefined): URL[] {
  if (text === undefined) return []
  return text.split(',').map((part) => {
    const url = URL.parse(/^https?:\/\//.test(part) ? part : `http://${part}`)
    if (url === null || url.pathname !== '/' || url.search !== '') {
      throw new UsageError(`-${name}: "${part}" is no address such as http://127.0.0.1:8080`)
    }
    return url
  })
}

function sizesOf(given: ReadonlyMap<Name, string>): SizeDistribution {
  const sizes = given.get('sizes')
  const min = given.get('minsize')
  const max = given.get('maxsize')
  if (sizes !== undefined) {
    if (min !== undefined || max !== undefined) {
      throw new UsageError('-sizes stands for itself; leave out -minsize and -maxsize')
    }
    return usable('sizes', () => parseSizes(sizes))
  }
  const minBytes = sizeOf('minsize', min ?? (max === undefined ? '1m' : '1'))
  const maxBytes = max === undefined ? minBytes : sizeOf('maxsize', max)
  if (maxBytes < minBytes) throw new UsageError('-maxsize is less than -minsize')
  if (minBytes === maxBytes) return { kind: 'constant', bytes: minBytes }
  return { kind: 'uniform', minBytes, maxBytes }
}

/** Each loader of several has a folder of its own, so that they never write the same object. */
function prefixOf(subdir: string | undefined, loaderId: number, loaderCount: number): string {
  if (loaderId >= loaderCount) {
    throw new UsageError(`-loaderid ${loaderId} is not below -loadernum ${loaderCount}`)
  }
  const folder = subdir === undefined || subdir === '' ? 'load' : subdir.replace(/\/+$/, '')
  return loaderCount === 1 ? `${folder}/` : `${folder}/loader-${loaderId}/`
}

function thresholdsOf(given: ReadonlyMap<Name, string>): Thresholds {
  const shares = [
    { option: 'max-p50', name: 'p50', share: 0.5 },
    { option: 'max-p99', name: 'p99', share: 0.99 },
    { option: 'max-p999', name: 'p99.9', share: 0.999 },
  ] as const
  const latencies = shares.flatMap(({ option, name, share }) =>
    (given.get(option)?.split(',') ?? []).map((part) => {
      const [, word, time = ''] = /^(?:(\w+)=)?(.+)$/.exec(part) ?? []
      const kind = word === undefined ? undefined : oneOf(option, word, OPERATION_KINDS)
      return { share, name, kind, mostMs: durationMs(option, time) }
    }),
  )
  const rate = given.get('min-rate')
  return {
    latencies,
    errors: errorsOf(given.get('max-errors')),
    opsPerSecondMin: rate === undefined ? undefined : positive('min-rate', rate),
  }
}

function errorsOf(text: string | undefined): Thresholds['errors'] {
  if (text === undefined) return undefined
  if (!text.endsWith('%')) return { count: numberOf('max-errors', text, true) }
  return { share: numberOf('max-errors', text.slice(0, -1), false) / 100 }
}

function checkTogether(options: LoaderOptions, given: ReadonlyMap<Name, string>): void {
  const { percent, existing, epochs } = options
  const changes = percent.put + percent.delete
  if (existing && changes > 0)
    throw new UsageError('-existing reads only; leave out -pctput and -pctdelete')
  if (existing && options.verify) {
    throw new UsageError('-verify knows the bytes of what the loader wrote; leave out -existing')
  }
  if (epochs > 0 && changes + percent.head + percent.list > 0) {
    throw new UsageError('-num-epochs reads only; leave out the percentages')
  }
  if (epochs > 0 && options.ratePerSecond !== undefined) {
    throw new UsageError(
      '-num-epochs is read by -numworkers, as a data loader does; leave out -rate',
    )
  }
  if (options.prepareEndpoint !== undefined && options.api !== 's3') {
    throw new UsageError('-prepareendpoint needs -s3endpoint')
  }
  if (
    options.partBytes !== undefined &&
    (options.api !== 's3' || options.partBytes < PART_BYTES_MIN)
  ) {
    throw new UsageError('-partsize needs -s3endpoint and 5m or more')
  }
  const isEndless =
    options.durationMs === 0 &&
    given.get('count') === undefined &&
    given.get('totalputsize') === undefined
  if (isEndless && epochs === 0) {
    throw new UsageError('-duration 0 needs an end: -count, -totalputsize or -num-epochs')
  }
}

/** S3 takes no smaller part but the last one. */
const PART_BYTES_MIN = 5 * 1024 ** 2

/** Milliseconds of `10s`, `1m30s`, `0.5ms`, `100us`; a number alone counts seconds. */
export function durationMs(name: string, text: string): number {
  const units: Readonly<Record<string, number>> = {
    us: 0.001,
    ms: 1,
    s: 1000,
    m: 60_000,
    h: 3_600_000,
  }
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000
  if (!/^(\d+(\.\d+)?(us|ms|s|m|h))+$/.test(text)) {
    throw new UsageError(`-${name}: "${text}" is no time; write for example 30s, 1m30s or 5ms`)
  }
  return [...text.matchAll(/(\d+(?:\.\d+)?)(us|ms|s|m|h)/g)].reduce(
    (sum, [, digits, unit = '']) => sum + Number(digits) * (units[unit] ?? 0),
    0,
  )
}

function sizeOf(name: Name, text: string): number {
  return usable(name, () => parseSize(text))
}

function usable<T>(name: Name, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new UsageError(`-${name}: ${why}`)
  }
}

function place(name: Name, text: string | undefined): number | 'random' | undefined {
  if (text === undefined || text === 'random') return text
  return sizeOf(name, text)
}

function numberOf(name: Name, text: string | undefined, isWhole: boolean): number {
  const value = Number(text)
  if (
    text === undefined ||
    text.trim() === '' ||
    !(value >= 0) ||
    (isWhole && !Number.isSafeInteger(value))
  ) {
    throw new UsageError(`-${name} takes a ${isWhole ? 'whole ' : ''}number, not "${text}"`)
  }
  return value
}

function positive(name: Name, text: string): number {
  const value = numberOf(name, text, false)
  if (value === 0 || !Number.isFinite(value))
    throw new UsageError(`-${name} takes a number above 0`)
  return value
}

function atLeastOne(name: Name, value: number): number {
  if (value < 1) throw new UsageError(`-${name} is at least 1`)
  return value
}

function oneOf<T extends string>(name: Name, text: string | undefined, words: readonly T[]): T {
  const found = words.find((word) => word === text)
  if (found === undefined) throw new UsageError(`-${name} takes ${words.join(', ')}, not "${text}"`)
  return found
}

function flagOf(name: Name, text: string | undefined): boolean {
  return oneOf(name, text ?? 'false', ['true', 'false'] as const) === 'true'
}
