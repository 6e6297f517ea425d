import { close, unlink } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

const closeAsync = promisify(close)
const unlinkAsync = promisify(unlink)

/** Empty work files kept ready on a mountpath: making one takes longer than writing a small object. */
const SPARE_FILES_MAX = 4

/** A new file without a byte. */
export interface NewFile {
  readonly fd: number
  readonly inode: number
  /** Relative to the mountpath. */
  readonly relativePath: string
}

/**
 * Files of a mountpath that wait to be written: a fill takes one the moment its bytes come, and another
 * is made while the disk has nothing better to do. What a crash leaves of them is swept with all others.
 */
export class SpareFiles {
  readonly #root: string
  readonly #files: NewFile[] = []
  #making: Promise<void> | undefined
  #closed = false

  /** @param root of the mountpath */
  constructor(root: string) {
    this.#root = root
  }

  /** Of those that are ready, relative to the mountpath. */
  get paths(): readonly string[] {
    return this.#files.map(({ relativePath }) => relativePath)
  }

  /** A file that is ready; undefined when there is none. @param make for the next ones */
  take(make: () => Promise<NewFile>): NewFile | undefined {
    const file = this.#files.pop()
    // In a turn of its own: who takes one has something to write.
    setImmediate(() => this.#refill(make))
    return file
  }

  /** Removes them; none is made any more. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#making
    await Promise.all(this.#files.splice(0).map((file) => this.#remove(file)))
  }

  #refill(make: () => Promise<NewFile>): void {
    if (this.#closed || this.#making !== undefined) return
    if (this.#files.length >= SPARE_FILES_MAX) return
    this.#making = make().then(
      (file) => {
        this.#making = undefined
        this.#files.push(file)
        this.#refill(make)
      },
      () => {
        // Who needs a file next meets the same error, and has somebody to tell.
        this.#making = undefined
      },
    )
  }

  /** What cannot be removed now is swept at the next start. */
  async #remove({ fd, relativePath }: NewFile): Promise<void> {
    await unlinkAsync(join(this.#root, relativePath)).catch(() => undefined)
    await closeAsync(fd).catch(() => undefined)
  }
}
