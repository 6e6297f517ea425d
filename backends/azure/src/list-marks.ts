/** Pages whose ends are remembered; a few hundred bytes each. */
const MARKS_MAX = 1000

/**
 * Where the pages of listings ended. Clients of the older S3 listing go on after the last name that
 * they saw; without the service's marker for it, each of their pages would cost all before it.
 */
export class ListMarks {
  readonly #markers = new Map<string, string>()

  /** The marker that continues a listing after `name`, if a page has ended there lately. */
  find(scope: string, name: string): string | undefined {
    return this.#markers.get(idOf(scope, name))
  }

  keep(scope: string, name: string, marker: string): void {
    const id = idOf(scope, name)
    this.#markers.delete(id)
    this.#markers.set(id, marker)
    if (this.#markers.size <= MARKS_MAX) return
    const [oldest] = this.#markers.keys()
    if (oldest !== undefined) this.#markers.delete(oldest)
  }
}

function idOf(scope: string, name: string): string {
  return `${scope}${name}`
}
