import { Type } from 'typebox'
import { defineKind } from '../kind.ts'

export const WARM_UP_METADATA = defineKind({
  name: 'warm-up-metadata',
  wireName: 'load-lom-cache',
  doc: 'Reads what the node knows of the objects of a bucket into memory, as far as it has room there.',
  bucket: 'required',
  need: 'read',
  args: Type.Object(
    {
      prefix: Type.Optional(
        Type.String({ maxLength: 1024, description: 'Only keys that begin with this.' }),
      ),
    },
    { additionalProperties: false },
  ),
})
