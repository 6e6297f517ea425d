/** What holds for the keys that begin with a prefix; `''` is every key. */
export interface PrefixRule {
  readonly prefix: string
}

/**
 * Rules by prefix, found without looking at each: a search by halves, then up to the prefixes of the
 * prefix that was found.
 */
export class PrefixRules<R extends PrefixRule> {
  readonly #rules: readonly R[]
  /** For each rule the longest other one whose prefix it begins with; -1 for none. */
  readonly #parents: readonly number[]

  /** @param rules of different prefixes, in any order */
  constructor(rules: readonly R[]) {
    this.#rules = rules.toSorted((a, b) => (a.prefix < b.prefix ? -1 : 1))
    const parents: number[] = []
    this.#rules.forEach(({ prefix }, at) => {
      let parent = at - 1
      while (parent >= 0 && !prefix.startsWith(this.#rules[parent]?.prefix ?? '')) {
        parent = parents[parent] ?? -1
      }
      parents.push(parent)
    })
    this.#parents = parents
  }

  get isEmpty(): boolean {
    return this.#rules.length === 0
  }

  /** The rule of the longest prefix of the key that is accepted. */
  find(key: string, accepts: (rule: R) => boolean = () => true): R | undefined {
    // All prefixes of the key come before it, and whatever lies between one and the key begins with it.
    for (let at = this.#lastUpTo(key); at >= 0; at = this.#parents[at] ?? -1) {
      const rule = this.#rules[at]
      if (rule !== undefined && key.startsWith(rule.prefix) && accepts(rule)) return rule
    }
    return undefined
  }

  #lastUpTo(key: string): number {
    let from = 0
    let to = this.#rules.length
    while (from < to) {
      const middle = (from + to) >>> 1
      if ((this.#rules[middle]?.prefix ?? '') <= key) from = middle + 1
      else to = middle
    }
    return from - 1
  }
}
