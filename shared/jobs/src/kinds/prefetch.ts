import { Type } from 'typebox'
import { defineKind } from '../kind.ts'
import { inWays, SELECTION_WAYS } from './accepted.ts'
import { SELECTION } from './selection.ts'

const ARGS = Type.Object(
  {
    ...SELECTION,
    latest: Type.Optional(
      Type.Boolean({
        description: 'Asks the store about objects that are cached, and fetches newer versions.',
      }),
    ),
    verify: Type.Optional(
      Type.Boolean({
        description: 'Reads what is cached and compares it with its checksum; mends what is wrong.',
      }),
    ),
  },
  { additionalProperties: false },
)

export const PREFETCH = defineKind({
  name: 'prefetch',
  wireName: 'prefetch-listrange',
  doc: 'Brings objects of a bucket with a backend into the cache.',
  bucket: 'required',
  need: 'read',
  args: ARGS,
  accepts: inWays(ARGS, SELECTION_WAYS),
})
