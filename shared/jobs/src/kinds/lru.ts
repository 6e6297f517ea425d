import { Type } from 'typebox'
import { defineKind } from '../kind.ts'

export const LRU = defineKind({
  name: 'lru',
  wireName: 'lru',
  doc: 'Evicts now, as the policies of the buckets choose, until the disks are at their low watermark.',
  bucket: 'optional',
  need: 'admin',
  args: Type.Object(
    {
      toPercent: Type.Optional(
        Type.Integer({
          minimum: 0,
          maximum: 100,
          description:
            'Share of the capacity of each mountpath that may stay in use, percent; the low watermark by default.',
        }),
      ),
    },
    { additionalProperties: false },
  ),
})
