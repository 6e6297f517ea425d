import { Type } from 'typebox'

/** Names in the body of one order; more go by a template or a prefix. */
export const NAMED_KEYS_MAX = 100_000

/** How every kind that works on objects says which: at most one of the three; none: the whole bucket. */
export const SELECTION = {
  keys: Type.Optional(
    Type.Array(Type.String({ minLength: 1 }), {
      maxItems: NAMED_KEYS_MAX,
      description: 'Keys, one by one.',
    }),
  ),
  template: Type.Optional(
    Type.String({
      maxLength: 4096,
      format: 'forebay-template',
      description:
        'Keys by a pattern: `shard-{0001..0010..2}.tar`, `shard-@100.tar` or `shard-%06d.tar`.',
    }),
  ),
  prefix: Type.Optional(
    Type.String({ maxLength: 1024, description: 'All keys that begin with it.' }),
  ),
  flat: Type.Optional(
    Type.Boolean({
      description:
        'Of a list, only keys without a `/` behind the prefix; named keys and ranges are as they are.',
    }),
  ),
} as const
