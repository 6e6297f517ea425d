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
  const isObject = key !== '' && !key.endsWith('/')
  if (isObject && sources.length > 1) {
    throw usageError(
      `${formatObjectUrl(bucket, key)} names an object`,
      'Of more than one path the destination is a bucket, or a prefix that ends in "/".',
    )
  }
  const relative = sources.find((path) => !path.startsWith('/'))
  if (relative !== undefined) {
    throw usageError(`"${relative}" is no absolute path`, 'The node reads it, not this command.')
  }
  const { recursive, overwrite, deleteSource } = options
  const common = readOrderOptions(options)
  const prepend = key === '' || isObject ? undefined : key
  const name = isObject ? key : undefined
  const orders: JobOrder[] = sources.map((source) => ({
    kind: 'promote',
    bucket: formatObjectUrl(bucket),
    args: { source, recursive, prepend, name, overwrite, deleteSource },
    ...common,
  }))
  return startOrders(run, orders, options)
}
