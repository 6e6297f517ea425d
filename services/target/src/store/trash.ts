import { renameSync } from 'node:fs'
import { readdir, rename, rmdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { errorCode } from './journal.ts'
import { OWN } from './mountpath.ts'

/**
 * Where names go that take long to remove: a rename now, the work later, one name at a time, off the
 * event loop. What a crash leaves here is removed at the next start.
 */
export class Trash {
  readonly #root: string
  readonly #onError: (path: string, code: string) => void
  #count = 0
  #emptying: Promise<void> | undefined
  #again = false
  #stopped = false

  constructor(root: string, onError: (path: string, code: string) => void) {
    this.#root = root
    this.#onError = onError
  }

  /**
   * Takes a file or directory, `path` relative to the mountpath.
   *
   * @returns false when there is nothing under that name
   */
  async take(path: string): Promise<boolean> {
    try {
      await rename(join(this.#root, path), this.#place())
    } catch (error) {
      if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return false
      throw error
    }
    this.empty()
    return true
  }

  /** As `take`, at once: for start-up. */
  takeNow(path: string): void {
    renameSync(join(this.#root, path), this.#place())
  }

  /** Starts removing what is here, unless that is under way. */
  empty(): void {
    this.#again = true
    this.#emptying ??= this.#run().finally(() => {
      this.#emptying = undefined
    })
  }

  /** Resolves when everything is removed that was here. */
  async idle(): Promise<void> {
    await this.#emptying
  }

  /** Removes nothing more: a large bucket takes longer than the end of a node may. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#emptying
  }

  #place(): string {
    this.#count += 1
    return join(this.#root, OWN.trash, `${process.pid}-${Date.now()}-${this.#count}`)
  }

  async #run(): Promise<void> {
    const directory = join(this.#root, OWN.trash)
    while (this.#again && !this.#stopped) {
      this.#again = false
      for (const name of await readdir(directory).catch(() => [])) {
        const path = join(directory, name)
        await this.#remove(path).catch((error: unknown) =>
          this.#onError(path, errorCode(error) ?? 'failed'),
        )
      }
    }
  }

  /** One name after the other: a bucket's end leaves the disk to those who are served. */
  async #remove(path: string): Promise<void> {
    if (this.#stopped) return
    try {
      await unlink(path)
      return
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return
      // What POSIX says of a directory, and what Linux says.
      if (errorCode(error) !== 'EPERM' && errorCode(error) !== 'EISDIR') throw error
    }
    for (const name of await readdir(path)) await this.#remove(join(path, name))
    if (!this.#stopped) await rmdir(path)
  }
}
