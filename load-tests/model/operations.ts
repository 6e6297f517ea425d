import fc from 'fast-check'

/** Names that collide where names can: a key beside its own prefix, dots, doubled and final slashes. */
export const KEYS = ['a', 'a/b', 'a/../c', 'd//e/'] as const

/** Sizes around every border of the data path: empty, the withheld tail, one block, many blocks. */
export const SIZES = [0, 1, 16 * 1024, 64 * 1024, 64 * 1024 + 1, 200_000] as const

/** One step of a sequence; `key`, `to` and `size` are places in the lists above. */
export type Operation =
  | { readonly kind: 'put'; readonly key: number; readonly size: number; readonly seed: number }
  | {
      readonly kind: 'put-if-absent'
      readonly key: number
      readonly size: number
      readonly seed: number
    }
  | {
      readonly kind: 'multipart'
      readonly key: number
      readonly seed: number
      readonly swapped: boolean
    }
  | { readonly kind: 'delete'; readonly key: number }
  | { readonly kind: 'copy'; readonly key: number; readonly to: number }
  | { readonly kind: 'get'; readonly key: number }
  | { readonly kind: 'range'; readonly key: number; readonly from: number; readonly length: number }
  | { readonly kind: 'head'; readonly key: number }
  | { readonly kind: 'list' }
  | { readonly kind: 'evict'; readonly key: number }
  | { readonly kind: 'restart' }
  | { readonly kind: 'crash' }
  /** A crash while a write is under way, after so many turns of the event loop. */
  | {
      readonly kind: 'crash-in-put'
      readonly key: number
      readonly size: number
      readonly seed: number
      readonly turns: number
    }
  | { readonly kind: 'crash-in-delete'; readonly key: number; readonly turns: number }
  | { readonly kind: 'crash-in-get'; readonly key: number; readonly turns: number }
  /** The next write or delete is applied at the backend and its answer is lost. */
  | { readonly kind: 'drop-answer' }
  /** The next answer of the backend breaks off after so many bytes. */
  | { readonly kind: 'cut-answer'; readonly after: number }
  /** Somebody else changes or removes the object at the backend. */
  | {
      readonly kind: 'remote-put'
      readonly key: number
      readonly size: number
      readonly seed: number
    }
  | { readonly kind: 'remote-delete'; readonly key: number }
  | { readonly kind: 'wait'; readonly ms: number }

const key = fc.nat(KEYS.length - 1)
const size = fc.nat(SIZES.length - 1)
const seed = fc.integer({ min: 1, max: 1_000_000 })
const turns = fc.nat(60)

function word<K extends Operation['kind']>(kind: K): fc.Arbitrary<K> {
  return fc.constant(kind)
}

const ANYWHERE: readonly fc.WeightedArbitrary<Operation>[] = [
  { weight: 6, arbitrary: fc.record({ kind: word('put'), key, size, seed }) },
  { weight: 2, arbitrary: fc.record({ kind: word('put-if-absent'), key, size, seed }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: word('multipart'), key, seed, swapped: fc.boolean() }),
  },
  { weight: 3, arbitrary: fc.record({ kind: word('delete'), key }) },
  { weight: 2, arbitrary: fc.record({ kind: word('copy'), key, to: key }) },
  { weight: 6, arbitrary: fc.record({ kind: word('get'), key }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: word('range'),
      key,
      from: fc.nat(220_000),
      length: fc.integer({ min: 1, max: 100_000 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: word('head'), key }) },
  { weight: 1, arbitrary: fc.constant<Operation>({ kind: 'list' }) },
  { weight: 1, arbitrary: fc.constant<Operation>({ kind: 'restart' }) },
  { weight: 1, arbitrary: fc.constant<Operation>({ kind: 'crash' }) },
  { weight: 1, arbitrary: fc.record({ kind: word('crash-in-put'), key, size, seed, turns }) },
  { weight: 1, arbitrary: fc.record({ kind: word('crash-in-delete'), key, turns }) },
]

const WITH_BACKEND: readonly fc.WeightedArbitrary<Operation>[] = [
  ...ANYWHERE,
  { weight: 2, arbitrary: fc.record({ kind: word('evict'), key }) },
  { weight: 1, arbitrary: fc.record({ kind: word('crash-in-get'), key, turns }) },
  { weight: 1, arbitrary: fc.constant<Operation>({ kind: 'drop-answer' }) },
  { weight: 1, arbitrary: fc.record({ kind: word('cut-answer'), after: fc.nat(150_000) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: word('wait'), ms: fc.integer({ min: 1, max: 400_000 }) }),
  },
]

const WITH_STRANGERS: readonly fc.WeightedArbitrary<Operation>[] = [
  ...WITH_BACKEND,
  { weight: 2, arbitrary: fc.record({ kind: word('remote-put'), key, size, seed }) },
  { weight: 1, arbitrary: fc.record({ kind: word('remote-delete'), key }) },
]

/** Kinds of bucket that sequences run on. */
export type Variant = 'native' | 'cached' | 'shared'

/** Sequences for a variant; `shared` has other writers at the backend and asks before each answer. */
export function sequences(variant: Variant): fc.Arbitrary<readonly Operation[]> {
  const choices = { native: ANYWHERE, cached: WITH_BACKEND, shared: WITH_STRANGERS }[variant]
  return fc.array(fc.oneof(...choices), { minLength: 1, maxLength: 20, size: 'max' })
}
