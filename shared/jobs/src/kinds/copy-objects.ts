import { Type } from 'typebox'
import { defineKind } from '../kind.ts'
import { inWays, SELECTION_WAYS, type Way } from './accepted.ts'
import { COPY_OPTIONS, COPY_WAY, checkCopy, KEY_TO, KEY_WAY, SYNC_WAY } from './copy-options.ts'
import { SELECTION } from './selection.ts'

const ARGS = Type.Object(
  { ...COPY_OPTIONS, ...KEY_TO, ...SELECTION },
  { additionalProperties: false },
)

const without = ({ leftOut = [] }: Way): readonly string[] => [...leftOut, 'keyTo']

export const COPY_OBJECTS = defineKind({
  name: 'copy-objects',
  wireName: 'copy-listrange',
  doc: 'Copies objects, named or by a template, into another bucket; what is the same there stays.',
  bucket: 'required',
  need: 'read',
  needAtDestination: 'write',
  args: ARGS,
  accepts: inWays(ARGS, [
    ...SELECTION_WAYS.map((way) => ({ ...way, ...COPY_WAY, leftOut: without(way) })),
    { ...SYNC_WAY, leftOut: without(SYNC_WAY) },
    KEY_WAY,
  ]),
  check: checkCopy,
})
