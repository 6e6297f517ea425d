import { Type } from 'typebox'
import { defineKind } from '../kind.ts'
import { COPY_OPTIONS, checkCopy } from './copy-options.ts'
import { SELECTION } from './selection.ts'

export const COPY_BUCKET = defineKind({
  name: 'copy-bucket',
  wireName: 'copy-bck',
  doc: 'Copies a bucket, or what begins with a prefix, into another; what is the same there stays.',
  bucket: 'required',
  need: 'read',
  needAtDestination: 'write',
  args: Type.Object({ ...COPY_OPTIONS, prefix: SELECTION.prefix }, { additionalProperties: false }),
  check: checkCopy,
})
