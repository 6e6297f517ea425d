import { Type } from 'typebox'
import { defineKind } from '../kind.ts'

export const RENAME_BUCKET = defineKind({
  name: 'rename-bucket',
  wireName: 'move-bck',
  doc: 'Gives a native bucket another name; its objects stay where they are.',
  bucket: 'required',
  need: 'admin',
  needAtDestination: 'admin',
  args: Type.Object(
    {
      to: Type.String({
        minLength: 1,
        maxLength: 512,
        format: 'forebay-bucket',
        description: 'The new name, `ais://name`; no other bucket has it.',
      }),
    },
    { additionalProperties: false },
  ),
})
