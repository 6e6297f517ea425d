import { Failure } from '@forebay/base/failure'
import { Type } from 'typebox'
import type { JsonObject } from '../job.ts'
import type { Way } from './accepted.ts'

/** What every kind that copies objects into a bucket takes, beside what it copies. */
export const COPY_OPTIONS = {
  to: Type.String({
    minLength: 1,
    maxLength: 512,
    format: 'forebay-bucket',
    description:
      'Bucket to copy into, `provider://name`; a native one (`ais://name`) is created if absent.',
  }),
  prepend: Type.Optional(
    Type.String({ maxLength: 1024, description: 'Put before each key in the destination.' }),
  ),
  latest: Type.Optional(
    Type.Boolean({
      description: 'Copies an object that changed after it was listed as it is by then.',
    }),
  ),
  overwrite: Type.Optional(
    Type.Boolean({ description: 'False: objects that are in the destination stay. Default true.' }),
  ),
  sync: Type.Optional(
    Type.Boolean({
      description:
        'Then deletes objects of the destination, with the same prefix, that the source has not; not with `prepend`.',
    }),
  ),
  dryRun: Type.Optional(
    Type.Boolean({ description: 'Counts what would be done, and changes nothing.' }),
  ),
} as const

/** Of a job that copies one object alone. */
export const KEY_TO = {
  keyTo: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 1024,
      description: 'Key of the copy, where `keys` names one object; not with `prepend`.',
    }),
  ),
} as const

/** The options alone: what one item needs to know of a job, however many keys the job names. */
export const COPY_OPTIONS_SCHEMA = Type.Object({ ...COPY_OPTIONS, ...KEY_TO })

/** Without `sync`. */
export const COPY_WAY: Way = { changed: { sync: Type.Literal(false) } }

/** With it. */
export const SYNC_WAY: Way = {
  leftOut: ['prepend', 'keys', 'template', 'flat'],
  required: ['sync'],
  changed: { sync: Type.Literal(true) },
}

/** One object, to a key of its own. */
export const KEY_WAY: Way = {
  leftOut: ['template', 'prefix', 'prepend'],
  required: ['keys', 'keyTo'],
  changed: {
    keys: Type.Array(Type.String({ minLength: 1 }), { minItems: 1, maxItems: 1 }),
    sync: Type.Literal(false),
  },
}

/** @throws Failure `argument-invalid` */
export function checkCopy(args: JsonObject): void {
  const { sync, prepend = '', keys, template, flat, keyTo } = args
  if (keyTo !== undefined && (!Array.isArray(keys) || keys.length !== 1)) {
    throw new Failure('argument-invalid', 'keyTo goes with one key in keys')
  }
  if (keyTo !== undefined && prepend !== '') {
    throw new Failure('argument-invalid', 'keyTo does not go with prepend')
  }
  if (sync !== true) return
  if (prepend !== '') throw new Failure('argument-invalid', 'sync does not go with prepend')
  if (flat === true) throw new Failure('argument-invalid', 'sync does not go with flat')
  if (keys === undefined && template === undefined) return
  throw new Failure('argument-invalid', 'sync goes with a prefix or the whole bucket alone')
}
