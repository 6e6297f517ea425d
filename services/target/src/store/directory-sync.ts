import { close, constants, fsync, open } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

const openAsync = promisify(open)
const fsyncAsync = promisify(fsync)
const closeAsync = promisify(close)

/** Puts the names in a directory on disk. A descriptor of its own: a failed sync is never repeated on it. */
export async function syncDirectory(path: string): Promise<void> {
  const fd = await openAsync(path, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await fsyncAsync(fd)
  } finally {
    await closeAsync(fd)
  }
}

interface Waiter {
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** Directories whose own names are known to be on disk; beyond it the knowledge starts afresh. */
const KNOWN_MAX = 50_000

/** Syncs directories; those who ask while one is being synced share the sync after it. */
export class DirectorySync {
  readonly #waiting = new Map<string, Waiter[]>()
  readonly #known = new Set<string>()

  /** Puts a new name on disk: syncs its directory, and those above up to `root` that may be new. */
  async syncUp(root: string, path: string): Promise<void> {
    const chain: string[] = []
    let parent = dirname(path)
    for (; parent !== '.'; parent = dirname(parent)) {
      const directory = join(root, parent)
      chain.push(directory)
      if (this.#known.has(directory)) break
    }
    if (parent === '.') chain.push(root)
    await Promise.all(chain.map((directory) => this.sync(directory)))
    if (this.#known.size > KNOWN_MAX) this.#known.clear()
    for (const directory of chain) this.#known.add(directory)
  }

  /** The directory was removed: made again, its name is not on disk. */
  forget(directory: string): void {
    this.#known.delete(directory)
  }

  /** Resolves when every name that stands in the directory now is on disk. */
  sync(path: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiting = this.#waiting.get(path)
      if (waiting !== undefined) {
        waiting.push({ resolve, reject })
        return
      }
      this.#waiting.set(path, [{ resolve, reject }])
      void this.#run(path)
    })
  }

  async #run(path: string): Promise<void> {
    let batch = this.#waiting.get(path) ?? []
    while (batch.length > 0) {
      this.#waiting.set(path, [])
      try {
        await syncDirectory(path)
        for (const { resolve } of batch) resolve()
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
      batch = this.#waiting.get(path) ?? []
    }
    this.#waiting.delete(path)
  }
}
