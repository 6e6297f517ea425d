import { Type } from 'typebox'
import { defineKind } from '../kind.ts'
import { inWays } from './accepted.ts'
import { COPY_OPTIONS, COPY_WAY, checkCopy, SYNC_WAY } from './copy-options.ts'
import { SELECTION } from './selection.ts'

const ARGS = Type.Object(
  { ...COPY_OPTIONS, prefix: SELECTION.prefix, flat: SELECTION.flat },
  { additionalProperties: false },
)

export const COPY_BUCKET = defineKind({
  name: 'copy-bucket',
  wireName: 'copy-bck',
  doc: 'Copies a bucket, or what begins with a prefix, into another; what is the same there stays.',
  bucket: 'required',
  need: 'read',
  needAtDestination: 'write',
  args: ARGS,
  accepts: inWays(ARGS, [COPY_WAY, SYNC_WAY]),
  check: checkCopy,
})
