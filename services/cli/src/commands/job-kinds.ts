import { formatObjectUrl } from '@forebay/client/address'
import type { JobOrder } from '@forebay/client/jobs'
import type { Run } from '../cli-context.ts'
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

/** What is the same in all orders of a command. */
interface Common {
  readonly kindOf: (selection: Selection) => string
  /** Besides those that select; undefined ones are left out. */
  readonly args: Readonly<Record<string, unknown>>
  readonly options: OrderOptions
}

async function startSelected(
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
