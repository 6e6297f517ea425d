import { parseDuration } from '@forebay/base/duration'
import { Failure } from '@forebay/base/failure'
import { Type } from 'typebox'
import { defineKind } from '../kind.ts'

/** A list that is older is the store's own; ms. */
export const INVENTORY_AGE_DEFAULT_MS = 24 * 60 * 60_000

export const INVENTORY = defineKind({
  name: 'inventory',
  wireName: 'create-inventory',
  doc: 'Keeps a sorted snapshot of what a bucket with a backend has, to list from disk; the next one replaces it.',
  bucket: 'required',
  need: 'write',
  args: Type.Object(
    {
      maxAge: Type.Optional(
        Type.String({
          maxLength: 32,
          format: 'forebay-duration',
          description:
            'How old the list behind the snapshot may be, such as `24h` (the default); then the store is asked again.',
        }),
      ),
    },
    { additionalProperties: false },
  ),
  check: ({ maxAge }) => {
    if (typeof maxAge === 'string') inventoryAgeMs(maxAge)
  },
})

/** @throws Failure `argument-invalid` */
export function inventoryAgeMs(maxAge: string | undefined): number {
  if (maxAge === undefined) return INVENTORY_AGE_DEFAULT_MS
  const ms = parseDuration(maxAge)
  if (ms > 0) return ms
  throw new Failure('argument-invalid', 'maxAge: an inventory is older than nothing')
}
