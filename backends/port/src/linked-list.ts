/** A place in a list, for one value; in at most one list at a time. */
export class Link<T> {
  readonly value: T
  /** The list's own: whether, and between whom, it stands in it. */
  isIn = false
  previous: Link<T> | undefined
  next: Link<T> | undefined

  constructor(value: T) {
    this.value = value
  }
}

/**
 * Values in the order in which they were added, each of which may leave at any time.
 *
 * For what joins and leaves with every request. A `Set` makes itself a new table again and again, each
 * old one leads to the next, and so the collector of garbage keeps what was in all of them for long.
 */
export class LinkedList<T> {
  #first: Link<T> | undefined
  #last: Link<T> | undefined
  #size = 0

  get size(): number {
    return this.#size
  }

  /** The value that was added before all others. */
  get first(): T | undefined {
    return this.#first?.value
  }

  /** Adds at the end; nothing happens where it is in already. */
  add(link: Link<T>): void {
    if (link.isIn) return
    link.isIn = true
    link.previous = this.#last
    if (this.#last === undefined) this.#first = link
    else this.#last.next = link
    this.#last = link
    this.#size += 1
  }

  /** Takes it out; nothing happens where it is not in. */
  remove(link: Link<T>): void {
    if (!link.isIn) return
    const { previous, next } = link
    if (previous === undefined) this.#first = next
    else previous.next = next
    if (next === undefined) this.#last = previous
    else next.previous = previous
    // Whoever left leads to nobody.
    link.previous = undefined
    link.next = undefined
    link.isIn = false
    this.#size -= 1
  }

  clear(): void {
    while (this.#first !== undefined) this.remove(this.#first)
  }

  /** The values as they are now. */
  values(): T[] {
    const values: T[] = []
    for (let link = this.#first; link !== undefined; link = link.next) values.push(link.value)
    return values
  }
}
