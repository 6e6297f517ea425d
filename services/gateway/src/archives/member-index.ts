/**
 * Where the members of TARs are: found by walking over the headers once, and kept, so that whoever reads
 * the members of an archive one by one does not walk over it each time.
 */
import type { ByteFile } from '@forebay/archive/byte-source'
import { readTarFrom, tarEndOf } from '@forebay/archive/reader'

/** All indexes together, bytes as `costOf` counts them. */
export const INDEX_BYTES_MAX = 32 * 1024 ** 2

/** One index; members behind are looked for again each time. */
export const INDEX_BYTES_PER_ARCHIVE_MAX = 8 * 1024 ** 2

/** Beside its name, what a member takes in a map, or an index in its own, bytes. */
const MEMBER_COST_BYTES = 128

export interface MemberPlace {
  readonly offsetBytes: number
  readonly sizeBytes: number
}

interface TarIndex {
  readonly members: Map<string, MemberPlace>
  /** Up to there every member is known. */
  knownBytes: number
  /** Nothing is behind. */
  isWhole: boolean
  costBytes: number
}

/** Indexes of TARs by version; those that were used longest ago go first. */
export class MemberIndexes {
  readonly #indexes = new Map<string, TarIndex>()
  #costBytes = 0

  /** What all of them take, bytes. */
  get costBytes(): number {
    return this.#costBytes
  }

  /**
   * The first member of that name; reads no further than to it.
   *
   * @param version names the archive in one version
   * @throws Failure `archive-invalid` when the archive cannot be read up to it; what `file` throws
   */
  async find(version: string, file: ByteFile, name: string): Promise<MemberPlace | undefined> {
    const index = this.#use(version)
    const known = index.members.get(name)
    if (known !== undefined || index.isWhole) return known
    const fromBytes = index.knownBytes
    for await (const entry of readTarFrom(file, fromBytes)) {
      if (entry.kind !== 'member') continue
      const place = { offsetBytes: entry.offsetBytes, sizeBytes: entry.sizeBytes }
      this.#note(version, index, { name: entry.name, place })
      if (entry.name === name) return place
    }
    if (isFull(index)) return undefined
    index.isWhole = true
    return undefined
  }

  #use(version: string): TarIndex {
    const known = this.#indexes.get(version)
    if (known !== undefined) {
      this.#indexes.delete(version)
      this.#indexes.set(version, known)
      return known
    }
    const costBytes = costOf(version)
    const index = { members: new Map(), knownBytes: 0, isWhole: false, costBytes }
    this.#indexes.set(version, index)
    this.#costBytes += costBytes
    this.#shrink(version)
    return index
  }

  #note(
    version: string,
    index: TarIndex,
    { name, place }: { readonly name: string; readonly place: MemberPlace },
  ): void {
    // Another walk over the same archive may be ahead of this one.
    if (place.offsetBytes < index.knownBytes || isFull(index)) return
    index.knownBytes = tarEndOf(place)
    if (index.members.has(name)) return
    index.members.set(name, place)
    const costBytes = costOf(name)
    index.costBytes += costBytes
    // One that was dropped meanwhile counts no longer.
    if (this.#indexes.get(version) !== index) return
    this.#costBytes += costBytes
    this.#shrink(version)
  }

  #shrink(kept: string): void {
    for (const [version, { costBytes }] of this.#indexes) {
      if (this.#costBytes <= INDEX_BYTES_MAX) return
      if (version === kept) continue
      this.#indexes.delete(version)
      this.#costBytes -= costBytes
    }
  }
}

function isFull({ costBytes }: TarIndex): boolean {
  return costBytes >= INDEX_BYTES_PER_ARCHIVE_MAX
}

function costOf(name: string): number {
  return 2 * name.length + MEMBER_COST_BYTES
}
