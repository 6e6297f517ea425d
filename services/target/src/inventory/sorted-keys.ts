import { compareKeys } from '@forebay/model/key'

/**
 * Position of the first of so many sorted keys that is not before `key`, by bytes of UTF-8.
 *
 * @returns `count` where all are before it
 */
export function firstNotBefore(
  count: number,
  keyAt: (at: number) => string | undefined,
  key: string,
): number {
  let low = 0
  let high = count
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compareKeys(keyAt(middle) ?? '', key) < 0) low = middle + 1
    else high = middle
  }
  return low
}
