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
  /** Its name is gone: the descriptor is closed with the last user. */
  isGone = false
  /** Objects in it; unknown until the records were asked. */
  #live: number | undefined
  readonly #readers = new Map<string, number>()
  readonly #ending = new Set<string>()

  constructor(file: string) {
    this.file = file
  }

  /** True when it is known to hold nothing any more. */
  get isEmpty(): boolean {
    return this.#live === 0
  }

  opened(file: { readonly fd: number; readonly inode: number; readonly sizeBytes: number }): void {
    this.fd = file.fd
    this.inode = file.inode
    this.sizeBytes = file.sizeBytes
  }

  countLive(objects: number): void {
    this.#live = objects
  }

  gainOne(): void {
    if (this.#live !== undefined) this.#live += 1
  }

  loseOne(): void {
    if (this.#live !== undefined) this.#live -= 1
  }

  /** One more reads the object of this place. */
  beginRead(path: string): void {
    this.users += 1
    this.#readers.set(path, (this.#readers.get(path) ?? 0) + 1)
  }

  /** @returns true when the place was given up meanwhile, and nobody else reads it */
  endRead(path: string): boolean {
    this.users -= 1
    const left = (this.#readers.get(path) ?? 1) - 1
    if (left > 0) this.#readers.set(path, left)
    else this.#readers.delete(path)
    return left === 0 && this.#ending.delete(path)
  }

  /** Gives a place up. @returns false while somebody reads it: `endRead` says when */
  giveUp(path: string): boolean {
    if (!this.#readers.has(path)) return true
    this.#ending.add(path)
    return false
  }
}
