import type { Journal } from './journal.ts'
import type { Drive } from './store-context.ts'

/**
 * The mountpaths in service, which come and go while the node runs. Of those that are away the index
 * has records all the same; their mountpath's number is found nowhere here.
 */
export class DriveTable {
  readonly #byNumber = new Map<number, Drive>()
  readonly #journals = new Map<number, Journal>()
  readonly #leaving = new Set<Drive>()
  #drives: readonly Drive[] = []
  #placed: readonly Drive[] = []

  /** All in service, in the order in which they came. */
  get drives(): readonly Drive[] {
    return this.#drives
  }

  /** Those on which new versions go; the others are being emptied. */
  get placed(): readonly Drive[] {
    return this.#placed
  }

  get byNumber(): ReadonlyMap<number, Drive> {
    return this.#byNumber
  }

  get journals(): ReadonlyMap<number, Journal> {
    return this.#journals
  }

  add(drive: Drive): void {
    this.#byNumber.set(drive.mountpath.number, drive)
    this.#journals.set(drive.mountpath.number, drive.journal)
    this.#refresh()
  }

  /** From now on nothing finds it; who holds it goes on until it is closed. */
  remove(drive: Drive): void {
    this.#byNumber.delete(drive.mountpath.number)
    this.#journals.delete(drive.mountpath.number)
    this.#leaving.delete(drive)
    this.#refresh()
  }

  /** Whether new versions go on it. */
  place(drive: Drive, placed: boolean): void {
    if (placed) this.#leaving.delete(drive)
    else this.#leaving.add(drive)
    this.#refresh()
  }

  #refresh(): void {
    this.#drives = [...this.#byNumber.values()]
    this.#placed = this.#drives.filter((drive) => !this.#leaving.has(drive))
  }
}
