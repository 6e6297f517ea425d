import { compareKeys } from '@forebay/model/key'
import type { ListedObject } from '@forebay/model/object'
import { chunkOf, type Snapshot } from './bucket-inventory.ts'
import type { Changes, NowState } from './changes.ts'
import { firstNotBefore } from './sorted-keys.ts'

/** Behind every name that a key can have after a prefix. */
const LAST_CHARACTER = '\u{10ffff}'

/** Keys of one page that the store is asked about one by one; more: it is asked for the page. */
export const ASKED_MAX = 16

/** Changed keys that a page copies at once: there may be 50 times what it has room for. */
const CHANGED_BATCH = 256

/** Where a listing goes on: behind a name, or behind all that begins with it. */
export interface Position {
  readonly name: string
  readonly kind: 'key' | 'prefix'
}

export interface InventoryScan {
  readonly prefix: string
  readonly delimiter: string | undefined
  readonly from: Position | undefined
  /** 1 at least. */
  readonly pageMax: number
}

export interface InventoryPage {
  readonly objects: readonly ListedObject[]
  readonly commonPrefixes: readonly string[]
  readonly next: Position | undefined
  /** Keys of the page that the store has to be asked about: the page may not be used. */
  readonly unknown: readonly string[]
}

/** One page of a snapshot with what changed since, in the order of UTF-8 bytes. */
export async function scanInventory(
  snapshot: Snapshot,
  changes: Changes,
  scan: InventoryScan,
): Promise<InventoryPage> {
  const { prefix, from, pageMax } = scan
  const merged = new MergedNames(snapshot, changes, prefix)
  const objects: ListedObject[] = []
  const commonPrefixes: string[] = []
  const unknown: string[] = []
  let position = from
  if (from !== undefined && compareKeys(from.name, prefix) >= 0) await merged.skip(from)
  for (;;) {
    // Waited for once for each chunk: a page has a thousand names.
    if (merged.mustLoad) await merged.load()
    const name = merged.next()
    if (name === undefined || !name.key.startsWith(prefix)) break
    if (name.now === 'gone') continue
    if (objects.length + commonPrefixes.length >= pageMax) {
      // Who asked from somewhere on goes through the bucket: while one page is sent the next is read.
      if (from !== undefined) merged.readAhead(pageMax)
      return { objects, commonPrefixes, next: position, unknown }
    }
    if (name.now === 'unknown') {
      unknown.push(name.key)
      if (unknown.length > ASKED_MAX) break
      continue
    }
    const common = commonPrefixOf(name.key, scan)
    if (common === undefined) {
      objects.push(name.now)
      position = { name: name.key, kind: 'key' }
    } else {
      commonPrefixes.push(common)
      position = { name: common, kind: 'prefix' }
      await merged.skip(position)
    }
  }
  return { objects, commonPrefixes, next: undefined, unknown }
}

export function commonPrefixOf(
  key: string,
  { prefix, delimiter }: Pick<InventoryScan, 'prefix' | 'delimiter'>,
): string | undefined {
  if (delimiter === undefined || delimiter === '' || !key.startsWith(prefix)) return undefined
  const at = key.indexOf(delimiter, prefix.length)
  return at < 0 ? undefined : key.slice(0, at + delimiter.length)
}

/** Names of a snapshot and of what changed, each once; what changed wins. */
class MergedNames {
  readonly #snapshot: Snapshot
  readonly #changes: Changes
  #changed: readonly string[]
  #changedAt = 0
  #chunkAt: number
  #chunk: readonly ListedObject[] | undefined
  #at = 0
  /** The first name is still to be looked for. */
  #seek: string | undefined

  constructor(snapshot: Snapshot, changes: Changes, from: string) {
    this.#snapshot = snapshot
    this.#changes = changes
    this.#changed = changes.keysFrom(from, CHANGED_BATCH)
    this.#chunkAt = chunkOf(snapshot.chunks, from)
    this.#seek = from
  }

  /** The next name is not in memory yet. */
  get mustLoad(): boolean {
    if (this.#chunkAt >= this.#snapshot.chunks.length) return false
    return this.#chunk === undefined || this.#seek !== undefined || this.#at >= this.#chunk.length
  }

  /** To be called after `load`, where that must be. */
  next(): { readonly key: string; readonly now: NowState } | undefined {
    const listed = this.#chunk?.[this.#at]
    const changed = this.#changed[this.#changedAt]
    if (changed === undefined || (listed !== undefined && compareKeys(listed.key, changed) < 0)) {
      this.#at += 1
      return listed && { key: listed.key, now: listed }
    }
    this.#passChanged(changed)
    if (listed?.key === changed) this.#at += 1
    return { key: changed, now: this.#changes.get(changed) ?? 'unknown' }
  }

  /** Goes on behind a position. */
  async skip({ name, kind }: Position): Promise<void> {
    const behind = kind === 'key' ? name : name + LAST_CHARACTER
    const isBefore = (key: string): boolean =>
      compareKeys(key, behind) <= 0 || (kind === 'prefix' && key.startsWith(name))
    this.#seekChanged(behind)
    for (;;) {
      const changed = this.#changed[this.#changedAt]
      if (changed === undefined || !isBefore(changed)) break
      this.#passChanged(changed)
    }
    const chunkAt = chunkOf(this.#snapshot.chunks, behind)
    if (chunkAt > this.#chunkAt || this.#chunk === undefined) {
      this.#chunkAt = chunkAt
      this.#chunk = undefined
    }
    this.#seek = behind
    for (;;) {
      if (this.mustLoad) await this.load()
      const listed = this.#chunk?.[this.#at]
      if (listed === undefined || !isBefore(listed.key)) return
      this.#at += 1
    }
  }

  async load(): Promise<void> {
    while (this.mustLoad) {
      if (this.#chunk === undefined) {
        this.#chunk = await this.#snapshot.chunk(this.#chunkAt)
        this.#at = 0
      }
      const { length } = this.#chunk
      if (this.#seek !== undefined) {
        const chunk = this.#chunk
        this.#at = Math.max(
          this.#at,
          firstNotBefore(length, (at) => chunk[at]?.key, this.#seek),
        )
        this.#seek = undefined
      }
      if (this.#at < length) return
      this.#chunkAt += 1
      this.#chunk = undefined
    }
  }

  /** Begins to read what so many more names need that are not in memory. */
  readAhead(names: number): void {
    const left = (this.#chunk?.length ?? 0) - this.#at
    if (left < names) this.#snapshot.readAhead(this.#chunkAt + 1)
  }

  /** Not past the last of a batch without the one behind it. */
  #passChanged(key: string): void {
    this.#changedAt += 1
    // Nothing is between a key and itself with the least of all characters behind it.
    if (this.#changedAt >= CHANGED_BATCH) this.#takeChanged(`${key}\0`)
  }

  #seekChanged(key: string): void {
    const last = this.#changed.at(-1)
    if (last === undefined) return
    if (this.#changed.length === CHANGED_BATCH && compareKeys(last, key) < 0) {
      this.#takeChanged(key)
      return
    }
    const { length } = this.#changed
    const at = firstNotBefore(length, (position) => this.#changed[position], key)
    this.#changedAt = Math.max(this.#changedAt, at)
  }

  #takeChanged(from: string): void {
    this.#changed = this.#changes.keysFrom(from, CHANGED_BATCH)
    this.#changedAt = 0
  }
}
