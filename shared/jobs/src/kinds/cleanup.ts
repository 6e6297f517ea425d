import { Type } from 'typebox'
import { defineKind } from '../kind.ts'

/** Longest age that can be asked for, days. */
const DAYS_MAX = 36_500

export const CLEANUP = defineKind({
  name: 'cleanup',
  wireName: 'cleanup-store',
  doc: 'Gives back the room of what nobody needs any more: uploads, expired copies, what waits to be deleted.',
  bucket: 'optional',
  need: 'admin',
  args: Type.Object(
    {
      dryRun: Type.Optional(
        Type.Boolean({ description: 'Removes nothing; the list tells what would go, in bytes.' }),
      ),
      uploadsOlderThanDays: Type.Optional(
        Type.Integer({
          minimum: 1,
          maximum: DAYS_MAX,
          description:
            'Also aborts multipart uploads that began more days ago than this; by default none.',
        }),
      ),
      partialOlderThanDays: Type.Optional(
        Type.Integer({
          minimum: 1,
          maximum: DAYS_MAX,
          description:
            'Also drops copies that were fetched in part only, more days ago than this; by default none.',
        }),
      ),
    },
    { additionalProperties: false },
  ),
})
