import { formatObjectUrl } from '@forebay/client/address'
import type { JobOrder } from '@forebay/client/jobs'
import type { Run } from '../cli-context.ts'
import { usageError } from '../exit-code.ts'
import { type OrderOptions, readOrderOptions } from '../jobs/order-options.ts'
import { splitDestination } from './job-kinds.ts'
import { startOrders } from './job-start.ts'

export interface PromoteOptions extends OrderOptions {
  readonly recursive?: boolean | undefined
  readonly overwrite?: boolean | undefined
  readonly deleteSource?: boolean | undefined
}

/** `forebay promote PATH... DESTINATION`: files of the node become objects. @returns the exit code */
export function promoteFiles(
  run: Run,
  paths: readonly string[],
  options: PromoteOptions,
): Promise<number> {
  const { sources, destination } = splitDestination('promote', paths)
  const { bucket, key } = destination
  if (key !== '' && !key.endsWith('/')) {
    throw usageError(
      `${formatObjectUrl(bucket, key)} names an object`,
      'The destination is a bucket, or a prefix that ends in "/".',
    )
  }
  const relative = sources.find((path) => !path.startsWith('/'))
  if (relative !== undefined) {
    throw usageError(`"${relative}" is no absolute path`, 'The node reads it, not this command.')
  }
  const { recursive, overwrite, deleteSource } = options
  const common = readOrderOptions(options)
  const prepend = key === '' ? undefined : key
  const orders: JobOrder[] = sources.map((source) => ({
    kind: 'promote',
    bucket: formatObjectUrl(bucket),
    args: { source, recursive, prepend, overwrite, deleteSource },
    ...common,
  }))
  return startOrders(run, orders, options)
}
