import { Type } from 'typebox'
import { defineKind } from '../kind.ts'
import { COPY_OPTIONS, checkCopy, KEY_TO } from './copy-options.ts'
import { SELECTION } from './selection.ts'

export const COPY_OBJECTS = defineKind({
  name: 'copy-objects',
  wireName: 'copy-listrange',
  doc: 'Copies objects, named or by a template, into another bucket; what is the same there stays.',
  bucket: 'required',
  need: 'read',
  needAtDestination: 'write',
  args: Type.Object({ ...COPY_OPTIONS, ...KEY_TO, ...SELECTION }, { additionalProperties: false }),
  check: checkCopy,
})
