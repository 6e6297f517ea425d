/** What one function costs, read from a `.cpuprofile` that Node wrote. */

/** One node of the tree of calls; V8's own field names. */
type ProfileNode = {
  readonly id: number
  readonly callFrame: { readonly functionName: string; readonly url: string }
  readonly children?: readonly number[]
}

/** The part of a `.cpuprofile` that is read here. */
export type CpuProfile = {
  readonly nodes: readonly ProfileNode[]
  /** Ids of the nodes on top of the stack, one per sample. */
  readonly samples: readonly number[]
  /** Microseconds between each sample and the one before it. */
  readonly timeDeltas: readonly number[]
}

/** A function by name, and by the end of the path of its file. */
export type ProfiledFunction = { readonly name: string; readonly file: string }

/**
 * Microseconds within a function and all that it called, recursion counted once.
 *
 * @throws Error when the profile knows no such function: a figure of 0 would be a mistake
 */
export function microsecondsWithin(profile: CpuProfile, wanted: ProfiledFunction): number {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]))
  const inside = new Set<number>()
  const include = (id: number): void => {
    if (inside.has(id)) return
    inside.add(id)
    for (const child of nodes.get(id)?.children ?? []) include(child)
  }
  for (const { id, callFrame } of profile.nodes) {
    if (callFrame.functionName === wanted.name && callFrame.url.endsWith(wanted.file)) include(id)
  }
  if (inside.size === 0) throw new Error(`the profile has no ${wanted.name} of ${wanted.file}`)
  let sum = 0
  for (const [at, id] of profile.samples.entries()) {
    if (inside.has(id)) sum += profile.timeDeltas[at] ?? 0
  }
  return sum
}
