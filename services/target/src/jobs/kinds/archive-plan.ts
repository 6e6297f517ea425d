import { type ArchiveFormat, formatOfName } from '@forebay/archive/format'
import { Failure } from '@forebay/base/failure'
import type { ArgsOf } from '@forebay/jobs/kind'
import {
  type ARCHIVE,
  SHARD_BYTES_DEFAULT,
  SHARD_BYTES_MAX,
  SHARD_MEMBERS_MAX,
} from '@forebay/jobs/kinds/archive'
import { parseShardName, type ShardName } from '@forebay/jobs/shard-name'
import type { Selection } from '../select-items.ts'

/** What an order to archive comes to. */
export interface ArchivePlan {
  readonly selection: Selection
  readonly format: ArchiveFormat
  readonly name: ShardName
  readonly shardBytes: number
  readonly shardMembers: number
  readonly append: boolean
  readonly skipsMissing: boolean
  /** Name in the archive. */
  memberNameOf(key: string): string
}

/**
 * @param bucketName of the objects
 * @throws Failure `argument-invalid`
 */
export function planArchive(args: ArgsOf<typeof ARCHIVE>, bucketName: string): ArchivePlan {
  const { keys, template, prefix, flat, memberNames } = args
  const name = parseShardName(args.name)
  const format = args.format ?? formatOfName(args.name)
  if (format === undefined)
    throw new Failure('argument-invalid', `name "${args.name}" tells no format`)
  return {
    selection: { keys, template, prefix, flat },
    format,
    name,
    shardBytes: args.shardBytes ?? (name.single ? SHARD_BYTES_MAX : SHARD_BYTES_DEFAULT),
    shardMembers: args.shardMembers ?? SHARD_MEMBERS_MAX,
    append: args.append === true,
    skipsMissing: args.onMissing === 'skip',
    memberNameOf: (key) => {
      if (memberNames === 'base') return key.slice(key.lastIndexOf('/') + 1)
      return memberNames === 'bucket-key' ? `${bucketName}/${key}` : key
    },
  }
}
