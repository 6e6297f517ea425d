import { renameSync } from 'node:fs'
import { readdir, rename, rm } from 'node:fs/promises'
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

  async idle(): Promise<void> {
    await this.#emptying
  }

  #place(): string {
    this.#count += 1
    return join(this.#root, OWN.trash, `${process.pid}-${Date.now()}-${this.#count}`)
  }

  async #run(): Promise<void> {
    const directory = join(this.#root, OWN.trash)
    while (this.#again) {
      this.#again = false
      for (const name of await readdir(directory).catch(() => [])) {
        const path = join(directory, name)
        await rm(path, { recursive: true, force: true }).catch((error: unknown) =>
          this.#onError(path, errorCode(error) ?? 'failed'),
        )
      }
    }
  }
}
