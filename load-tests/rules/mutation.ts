/** One way to take a rule out, and the tests that must fail then. */
export interface Mutation {
  /** Number of the rule, `held` for what a request must give back, `packs` for small objects that share files. */
  readonly rule: string
  /** What holds while the rule is out. */
  readonly what: string
  /** Test files or folders, relative to the repository. */
  readonly tests: readonly string[]
  readonly edits: readonly Edit[]
}

/** `find` occurs exactly once in `file`, which is relative to the repository. */
export interface Edit {
  readonly file: string
  readonly find: string
  readonly replace: string
}

/** An edit of a flow of the target. */
export function object(file: string, find: string, replace: string): Edit {
  return { file: `services/target/src/objects/${file}`, find, replace }
}

/** An edit of the store. */
export function store(file: string, find: string, replace: string): Edit {
  return { file: `services/target/src/store/${file}`, find, replace }
}
