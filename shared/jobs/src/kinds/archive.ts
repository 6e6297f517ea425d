import { formatOfName } from '@forebay/archive/format'
import { Failure } from '@forebay/base/failure'
import { checkKey } from '@forebay/model/key'
import { Type } from 'typebox'
import type { JsonObject } from '../job.ts'
import { defineKind } from '../kind.ts'
import { parseShardName } from '../shard-name.ts'
import { inWays, SELECTION_WAYS } from './accepted.ts'
import { SELECTION } from './selection.ts'

/** Members of one shard: its list goes through the engine as one item. */
export const SHARD_MEMBERS_MAX = 50_000

/** Largest shard, bytes: what every store takes in one request (S3 API: 5 GiB). */
export const SHARD_BYTES_MAX = 5 * 1024 ** 3

/** Unless the order says otherwise, and where the shards are numbered, bytes. */
export const SHARD_BYTES_DEFAULT = 1024 ** 3

const ARGS = Type.Object(
  {
    ...SELECTION,
    to: Type.String({
      minLength: 1,
      maxLength: 1024,
      format: 'forebay-bucket',
      description: 'Bucket of the archives, as provider://name.',
    }),
    name: Type.String({
      minLength: 1,
      maxLength: 1024,
      format: 'forebay-archive-name',
      description:
        'Key of the archives. %06d in it is the number of the shard, from 0; without one there is a single archive.',
    }),
    format: Type.Optional(
      Type.Enum(['tar', 'tgz', 'tar.lz4', 'zip'], { description: 'Absent: as the name ends.' }),
    ),
    shardBytes: Type.Optional(
      Type.Integer({
        minimum: 1024,
        maximum: SHARD_BYTES_MAX,
        description:
          'Size of an archive before it is packed, bytes; a larger object gets an archive of its own. 1 GiB where the name has a number.',
      }),
    ),
    shardMembers: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: SHARD_MEMBERS_MAX,
        description: 'Objects in an archive; 50,000 by default.',
      }),
    ),
    memberNames: Type.Optional(
      Type.Enum(['key', 'base', 'bucket-key'], {
        description:
          'Names in the archive: the key (default), what follows its last slash, or bucket and key.',
      }),
    ),
    append: Type.Optional(
      Type.Boolean({
        description: 'Adds to archives that are there already; TAR only.',
      }),
    ),
    onMissing: Type.Optional(
      Type.Enum(['fail', 'skip'], {
        description:
          'An object that is gone or changed since it was listed: its archive fails (default), or does without it.',
      }),
    ),
  },
  { additionalProperties: false },
)

/** What `formatOfName` reads, for the document. */
const KNOWN_ENDING = '\\.([tT][aA][rR](\\.[gG][zZ]|\\.[lL][zZ]4)?|[tT][gG][zZ]|[zZ][iI][pP])$'
const TAR_ENDING = '\\.[tT][aA][rR]$'

const NO_APPEND = { append: Type.Literal(false) } as const
const APPEND = { append: Type.Literal(true) } as const

const nameLike = (pattern: string) => Type.String({ ...ARGS.properties.name, pattern })

export const ARCHIVE = defineKind({
  name: 'archive',
  wireName: 'archive',
  doc: 'Writes many objects into archives (TAR, TGZ, TAR.LZ4, ZIP), in the order of their list.',
  bucket: 'required',
  need: 'read',
  needAtDestination: 'write',
  check: checkArchive,
  args: ARGS,
  accepts: inWays(ARGS, SELECTION_WAYS, [
    { leftOut: ['format'], changed: { name: nameLike(KNOWN_ENDING), ...NO_APPEND } },
    { required: ['format'], changed: NO_APPEND },
    {
      leftOut: ['format'],
      required: ['append'],
      changed: { name: nameLike(TAR_ENDING), ...APPEND },
    },
    { required: ['append', 'format'], changed: { format: Type.Literal('tar'), ...APPEND } },
  ]),
})

/** Beside the schema: the name is a key, it tells the format, and only TAR can be added to. */
function checkArchive({ name, format, append }: JsonObject): void {
  if (typeof name !== 'string') return
  checkKey(parseShardName(name).keyOf(0))
  const known = typeof format === 'string' ? format : formatOfName(name)
  if (known === undefined)
    throw new Failure(
      'argument-invalid',
      `name "${name}" ends in none of .tar, .tgz, .tar.gz, .tar.lz4 and .zip: give format`,
    )
  if (append === true && known !== 'tar')
    throw new Failure('argument-invalid', `append works on tar alone, not on ${known}`)
}
