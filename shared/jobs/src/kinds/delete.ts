import { Failure } from '@forebay/base/failure'
import { Type } from 'typebox'
import { defineKind } from '../kind.ts'
import { inWays, SELECTION_WAYS } from './accepted.ts'
import { SELECTION } from './selection.ts'

const ARGS = Type.Object(
  {
    ...SELECTION,
    all: Type.Optional(
      Type.Boolean({
        description: 'Every object of the bucket; needed where nothing else says which.',
      }),
    ),
  },
  { additionalProperties: false },
)

export const DELETE = defineKind({
  name: 'delete',
  wireName: 'delete-listrange',
  doc: 'Deletes objects that were there when it began; what is written anew meanwhile stays.',
  bucket: 'required',
  need: 'write',
  args: ARGS,
  accepts: inWays(ARGS, [
    ...SELECTION_WAYS.slice(1),
    {
      leftOut: ['keys', 'template', 'prefix'],
      required: ['all'],
      changed: { all: Type.Literal(true) },
    },
  ]),
  check: ({ keys, template, prefix, all }) => {
    if (all === true || (keys ?? template ?? prefix) !== undefined) return
    throw new Failure('argument-invalid', 'nothing says which objects to delete', {
      hint: 'give keys, a template or a prefix, or all: true for every object of the bucket',
    })
  },
})
