import { Type } from 'typebox'
import { defineKind } from '../kind.ts'

export const SUMMARY = defineKind({
  name: 'summary',
  wireName: 'summary-bck',
  doc: 'Counts the objects and bytes of a bucket or prefix, or of every bucket, at its store and in the cache.',
  bucket: 'optional',
  need: 'read',
  args: Type.Object(
    {
      prefix: Type.Optional(
        Type.String({ maxLength: 1024, description: 'Only keys that begin with it.' }),
      ),
      cachedOnly: Type.Optional(
        Type.Boolean({ description: 'Counts what is in the cache, and asks no store.' }),
      ),
    },
    { additionalProperties: false },
  ),
})
