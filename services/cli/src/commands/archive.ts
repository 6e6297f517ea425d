import { parseBytes } from '@forebay/base/bytes'
import { formatObjectUrl } from '@forebay/client/address'
import type { Run } from '../cli-context.ts'
import { usageError } from '../exit-code.ts'
import type { OrderOptions } from '../jobs/order-options.ts'
import { readSelections, type SelectionOptions } from '../jobs/selection.ts'
import { splitDestination, startSelected } from './job-kinds.ts'

export interface ArchiveOptions extends OrderOptions, SelectionOptions {
  readonly format?: string | undefined
  /** As sizes are written. */
  readonly shardSize?: string | undefined
  readonly shardMembers?: string | undefined
  readonly memberNames?: string | undefined
  readonly append?: boolean | undefined
  readonly skipMissing?: boolean | undefined
}

/** `forebay archive URL... DESTINATION`: objects into archives. @returns the exit code */
export function archiveObjects(
  run: Run,
  urls: readonly string[],
  options: ArchiveOptions,
): Promise<number> {
  const { sources, destination } = splitDestination('archive', urls)
  const { bucket, key } = destination
  if (key === '' || key.endsWith('/')) {
    throw usageError(
      `${formatObjectUrl(bucket, key)} names no archive`,
      'Write s3://bucket/name.tar, or s3://bucket/shard-%06d.tar for many.',
    )
  }
  const selections = readSelections(sources, options)
  if (selections.length > 1) {
    throw usageError(
      'the objects of an archive come from one bucket or prefix',
      'Order a job for each, with a name of its own.',
    )
  }
  const { format, shardMembers, memberNames, append, skipMissing } = options
  return startSelected(run, selections, {
    kindOf: () => 'archive',
    args: {
      to: formatObjectUrl(bucket),
      name: key,
      format,
      shardBytes: readSize(options.shardSize),
      shardMembers: readCount(shardMembers),
      memberNames,
      append,
      onMissing: skipMissing === true ? 'skip' : undefined,
    },
    options,
  })
}

function readSize(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  try {
    return parseBytes(text)
  } catch {
    throw usageError(`"${text}" is no size`, 'Write it like 512MiB.')
  }
}

function readCount(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text)
  throw usageError(`"${text}" is no number`, 'Write a whole number from 1 on.')
}
