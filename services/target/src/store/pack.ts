import type { BlockSet } from './block-set.ts'
import type { PackPlace } from './pack-place.ts'

/** What a process knows of one pack. Whoever uses its descriptor counts as a user meanwhile. */
export class Pack {
  /** Relative to the mountpath. */
  readonly file: string
  /** Open for reading and writing; absent while nobody needs it. */
  fd: number | undefined
  inode = 0
  /** Up to here it is written, or being written. */
  sizeBytes = 0
  users = 0
  /** Its name is gone, or goes: the descriptor is closed with the last user. */
  isGone = false
  /** What of it objects have; absent until the records were asked. */
  taken: BlockSet | undefined

  constructor(file: string) {
    this.file = file
  }

  /** True when it is known to hold nothing any more. */
  get isEmpty(): boolean {
    return this.taken?.isEmpty === true
  }

  opened(file: { readonly fd: number; readonly inode: number; readonly sizeBytes: number }): void {
    this.fd = file.fd
    this.inode = file.inode
    this.sizeBytes = file.sizeBytes
  }

  /** Gives a place up. @returns false when it is nobody's already */
  giveUp(place: PackPlace): boolean {
    if (this.taken?.has(place) === false) return false
    this.taken?.delete(place)
    return true
  }
}
