/** Entries that stay in a busy map or set for its whole life. */
const STAYING = Array.from({ length: 128 }, () => Symbol('staying'))

/**
 * A map whose entries come and go with every request. One of the language makes itself a new table every
 * few of them when it has few, and each old table keeps the next one alive: the collector moves them all
 * to where it seldom looks. With entries that stay, a table lasts for as many that go.
 */
export class BusyMap<K extends string | number, V> {
  readonly #map = new Map<K | symbol, V | undefined>(STAYING.map((key) => [key, undefined]))

  get size(): number {
    return this.#map.size - STAYING.length
  }

  get(key: K): V | undefined {
    return this.#map.get(key)
  }

  has(key: K): boolean {
    return this.#map.has(key)
  }

  set(key: K, value: V): this {
    this.#map.set(key, value)
    return this
  }

  delete(key: K): boolean {
    return this.#map.delete(key)
  }

  /** In the order in which they came. */
  *keys(): Generator<K> {
    for (const key of this.#map.keys()) if (typeof key !== 'symbol') yield key
  }

  /** In the order in which they came. */
  *values(): Generator<V> {
    for (const [key, value] of this.#map) {
      if (typeof key !== 'symbol' && value !== undefined) yield value
    }
  }
}

/** A set like that. */
export class BusySet<T extends object | string | number> {
  readonly #set = new Set<T | symbol>(STAYING)

  get size(): number {
    return this.#set.size - STAYING.length
  }

  has(value: T): boolean {
    return this.#set.has(value)
  }

  add(value: T): this {
    this.#set.add(value)
    return this
  }

  delete(value: T): boolean {
    return this.#set.delete(value)
  }

  /** In the order in which they came. */
  *[Symbol.iterator](): Generator<T> {
    for (const value of this.#set) if (typeof value !== 'symbol') yield value
  }
}
