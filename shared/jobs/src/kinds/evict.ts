import { Type } from 'typebox'
import { defineKind } from '../kind.ts'
import { inWays, SELECTION_WAYS } from './accepted.ts'
import { SELECTION } from './selection.ts'

const ARGS = Type.Object({ ...SELECTION }, { additionalProperties: false })

export const EVICT = defineKind({
  name: 'evict',
  wireName: 'evict-listrange',
  doc: 'Takes objects of a bucket with a backend out of the cache; the backend keeps them.',
  bucket: 'required',
  need: 'write',
  args: ARGS,
  accepts: inWays(ARGS, SELECTION_WAYS),
})
