import { Type } from 'typebox'
import { defineKind } from '../kind.ts'

export const SUMMARY = defineKind({
  name: 'summary',
  wireName: 'summary-bck',
  doc: 'Counts the objects and bytes of a bucket or prefix, at its store and in the cache.',
  bucket: 'required',
  need: 'read',
  args: Type.Object(
    {
      prefix: Type.Optional(
        Type.String({ maxLength: 1024, description: 'Only keys that begin with it.' }),
      ),
    },
    { additionalProperties: false },
  ),
})
