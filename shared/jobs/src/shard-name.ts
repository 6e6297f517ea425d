import { Failure } from '@forebay/base/failure'

/** `%d` or, filled up with zeros, `%06d`. */
const NUMBER = /%(?:0(\d{1,2}))?d/g

/** The keys of a row of archives. */
export interface ShardName {
  /** There is no number in it: it is the key of one archive. */
  readonly single: boolean
  /** @param shard from 0 */
  keyOf(shard: number): string
  /** Whether a key could be that of one of them. */
  matches(key: string): boolean
}

/** Reads `shard-%06d.tar`. @throws Failure `argument-invalid` for more than one number */
export function parseShardName(name: string): ShardName {
  const numbers = [...name.matchAll(NUMBER)]
  const [number] = numbers
  if (numbers.length > 1)
    throw new Failure('argument-invalid', `name "${name}" has more than one number`)
  if (number === undefined)
    return { single: true, keyOf: () => name, matches: (key) => key === name }
  const before = name.slice(0, number.index)
  const behind = name.slice(number.index + number[0].length)
  const digits = Number(number[1] ?? 1)
  return {
    single: false,
    keyOf: (shard) => `${before}${String(shard).padStart(digits, '0')}${behind}`,
    matches: (key) =>
      key.length >= before.length + behind.length &&
      key.startsWith(before) &&
      key.endsWith(behind) &&
      /^\d+$/.test(key.slice(before.length, key.length - behind.length)),
  }
}
