import { Type } from 'typebox'
import { defineKind } from '../kind.ts'
import { SELECTION } from './selection.ts'

export const EVICT = defineKind({
  name: 'evict',
  wireName: 'evict-listrange',
  doc: 'Takes objects of a bucket with a backend out of the cache; the backend keeps them.',
  bucket: 'required',
  need: 'write',
  args: Type.Object({ ...SELECTION }, { additionalProperties: false }),
})
