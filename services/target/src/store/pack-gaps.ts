import type { PackPlace } from './pack-place.ts'

/**
 * What of a pack no object has, whole blocks.
 *
 * @param places of objects, in any order
 * @param sizeBytes of the pack, whole blocks
 */
export function gapsBetween(
  places: readonly PackPlace[],
  sizeBytes: number,
): readonly { readonly offset: number; readonly lengthBytes: number }[] {
  const gaps: { offset: number; lengthBytes: number }[] = []
  let end = 0
  for (const { offset, allocatedBytes } of places.toSorted((a, b) => a.offset - b.offset)) {
    if (offset > end) gaps.push({ offset: end, lengthBytes: offset - end })
    end = Math.max(end, offset + allocatedBytes)
  }
  if (sizeBytes > end) gaps.push({ offset: end, lengthBytes: sizeBytes - end })
  return gaps
}
