import { Failure } from '@forebay/base/failure'
import { Type } from 'typebox'
import { defineKind } from '../kind.ts'
import { inWays } from './accepted.ts'

const ARGS = Type.Object(
  {
    source: Type.String({
      minLength: 1,
      maxLength: 4096,
      format: 'forebay-path',
      description:
        'Absolute path of a file or directory on the node, in a folder of the setting jobs.promote.folders.',
    }),
    recursive: Type.Optional(
      Type.Boolean({ description: 'Of a directory, also what is below its directories.' }),
    ),
    prepend: Type.Optional(Type.String({ maxLength: 1024, description: 'Put before each key.' })),
    name: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 1024,
        description:
          'The key of the one file that `source` is; of a directory the folder of its keys. Not with `prepend`.',
      }),
    ),
    overwrite: Type.Optional(
      Type.Boolean({ description: 'Overwrites objects that are there; by default they stay.' }),
    ),
    deleteSource: Type.Optional(
      Type.Boolean({ description: 'Deletes each file once its object is stored.' }),
    ),
  },
  { additionalProperties: false },
)

export const PROMOTE = defineKind({
  name: 'promote',
  wireName: 'promote',
  doc: 'Makes objects of files that the node can see: of a disk, or of a mounted file system.',
  bucket: 'required',
  need: 'admin',
  args: ARGS,
  accepts: inWays(ARGS, [{ leftOut: ['name'] }, { leftOut: ['prepend'], required: ['name'] }]),
  check: ({ name, prepend }) => {
    if (name === undefined || prepend === undefined) return
    throw new Failure('argument-invalid', 'name does not go with prepend')
  },
})
