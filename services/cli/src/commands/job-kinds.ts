import { formatObjectUrl, type ObjectUrl, parseObjectUrl } from '@forebay/client/address'
import type { JobOrder } from '@forebay/client/jobs'
import type { Run } from '../cli-context.ts'
import { usageError } from '../exit-code.ts'
import { type OrderOptions, readOrderOptions } from '../jobs/order-options.ts'
import { readSelections, type Selection, type SelectionOptions } from '../jobs/selection.ts'
import { startOrders } from './job-start.ts'

export interface PrefetchOptions extends OrderOptions, SelectionOptions {
  readonly latest?: boolean | undefined
  readonly verify?: boolean | undefined
}

/** `forebay prefetch URL...`. @returns the exit code */
export function prefetchObjects(
  run: Run,
  urls: readonly string[],
  options: PrefetchOptions,
): Promise<number> {
  const { latest, verify } = options
  return startSelected(run, readSelections(urls, options), {
    kindOf: () => 'prefetch',
    args: { latest, verify },
    options,
  })
}

export interface ManyByJobOptions extends OrderOptions {
  readonly recursive?: boolean | undefined
  readonly yes?: boolean | undefined
}

/** `forebay rm --job URL...`. @returns the exit code */
export function removeByJob(
  run: Run,
  urls: readonly string[],
  options: ManyByJobOptions,
): Promise<number> {
  if (options.recursive === true && options.yes !== true) {
    throw usageError('rm --recursive deletes everything below the URL', 'Add --yes to do it.')
  }
  const { recursive } = options
  const selections = readSelections(urls, { recursive, literal: true }).map(
    ({ bucket, args }): Selection => ({
      bucket,
      args: Object.keys(args).length === 0 ? { all: true } : args,
    }),
  )
  return startSelected(run, selections, { kindOf: () => 'delete', args: {}, options })
}

/** `forebay evict --job URL...`. @returns the exit code */
export function evictByJob(
  run: Run,
  urls: readonly string[],
  options: ManyByJobOptions,
): Promise<number> {
  const { recursive } = options
  const selections = readSelections(urls, { recursive, literal: true })
  return startSelected(run, selections, { kindOf: () => 'evict', args: {}, options })
}

export interface CopyOptions extends OrderOptions, SelectionOptions {
  readonly latest?: boolean | undefined
  /** False: what is in the destination stays. */
  readonly overwrite?: boolean | undefined
  readonly dryRun?: boolean | undefined
}

/** `forebay cp URL... DESTINATION`. @returns the exit code */
export function copyObjects(
  run: Run,
  urls: readonly string[],
  options: CopyOptions,
): Promise<number> {
  const { sources, destination } = splitDestination('cp', urls)
  const { bucket, key } = destination
  const selections = readSelections(sources, options)
  const isObject = key !== '' && !key.endsWith('/')
  if (isObject && !isOneObject(selections)) {
    throw usageError(
      `${formatObjectUrl(bucket, key)} names an object`,
      'Of more than one object the destination is a bucket, or a prefix that ends in "/".',
    )
  }
  const { latest, dryRun } = options
  return startSelected(run, selections, {
    kindOf: copyKindOf,
    args: {
      to: formatObjectUrl(bucket),
      prepend: key === '' || isObject ? undefined : key,
      keyTo: isObject ? key : undefined,
      latest,
      overwrite: options.overwrite === false ? false : undefined,
      dryRun,
    },
    options,
  })
}

function isOneObject([first, ...others]: readonly Selection[]): boolean {
  const keys = first?.args['keys']
  return others.length === 0 && Array.isArray(keys) && keys.length === 1
}

/** `forebay sync SOURCE DESTINATION`. @returns the exit code */
export function syncBuckets(
  run: Run,
  [source, destination]: readonly [source: string, destination: string],
  options: CopyOptions,
): Promise<number> {
  const { bucket, key } = parseObjectUrl(destination)
  if (key !== '') {
    throw usageError(
      `${destination} names more than a bucket`,
      'Keys are the same on both sides: name the prefix in the source alone.',
    )
  }
  const { latest, dryRun } = options
  return startSelected(run, readSelections([source], { recursive: true }), {
    kindOf: copyKindOf,
    args: { to: formatObjectUrl(bucket), sync: true, latest, dryRun },
    options,
  })
}

/** Many sources and, last, where to. @throws ForebayError `usage` */
export function splitDestination(
  command: string,
  urls: readonly string[],
): { readonly sources: readonly string[]; readonly destination: ObjectUrl } {
  const last = urls.at(-1)
  if (last === undefined || urls.length < 2) {
    throw usageError(`${command} needs a source and a destination`, 'The last URL is where to.')
  }
  return { sources: urls.slice(0, -1), destination: parseObjectUrl(last) }
}

/** What is the same in all orders of a command. */
interface Common {
  readonly kindOf: (selection: Selection) => string
  /** Besides those that select; undefined ones are left out. */
  readonly args: Readonly<Record<string, unknown>>
  readonly options: OrderOptions
}

/** Orders one job for each selection. @returns the exit code */
export async function startSelected(
  run: Run,
  selections: readonly Selection[],
  { kindOf, args, options }: Common,
): Promise<number> {
  const common = readOrderOptions(options)
  const orders: JobOrder[] = selections.map((selection) => ({
    kind: kindOf(selection),
    bucket: formatObjectUrl(selection.bucket),
    args: { ...selection.args, ...args },
    ...common,
  }))
  return startOrders(run, orders, options)
}

/** Whole buckets and prefixes go by listing, named objects one by one. */
function copyKindOf({ args }: Selection): string {
  return 'keys' in args || 'template' in args ? 'copy-objects' : 'copy-bucket'
}
