import { Type } from 'typebox'
import { defineKind } from '../kind.ts'

export const SCRUB = defineKind({
  name: 'scrub',
  doc: 'Reads everything that the node has, or a bucket of it, and gives up or marks what is damaged.',
  bucket: 'optional',
  need: 'admin',
  args: Type.Object(
    {
      prefix: Type.Optional(
        Type.String({
          maxLength: 1024,
          description: 'Only keys of the bucket that begin with this.',
        }),
      ),
      bytesPerSecond: Type.Optional(
        Type.Integer({
          minimum: 0,
          maximum: 2 ** 50,
          description:
            'Bytes read in a second instead of the setting; 0 = as fast as the disks and users allow.',
        }),
      ),
    },
    { additionalProperties: false },
  ),
})
