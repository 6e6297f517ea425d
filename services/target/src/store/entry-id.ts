export interface EntryName {
  readonly bucketId: number
  readonly key: string
}

let last = { bucketId: -1, key: '', id: '' }

/**
 * Name of an entry in maps; ids are never reused, so neither is it. The steps of one request ask for
 * the same one again and again: the text of before has its hash already.
 */
export function entryId(bucketId: number, key: string): string {
  if (last.bucketId !== bucketId || last.key !== key) {
    last = { bucketId, key, id: `${bucketId}/${key}` }
  }
  return last.id
}
