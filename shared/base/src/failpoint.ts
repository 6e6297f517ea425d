/**
 * Named places where a test may stop the world. Off, a failpoint costs one comparison.
 *
 * A plan is a list `name=action[@hit]` separated by `;`. Actions: `kill` (SIGKILL this process),
 * `throw` (an EIO error, as a disk would give), `delay:<ms>`. `@hit` picks the n-th passage, from 1;
 * without it every passage acts.
 */
export type FailpointAction =
  | { readonly kind: 'kill' }
  | { readonly kind: 'throw' }
  | { readonly kind: 'delay'; readonly ms: number }

interface Armed {
  readonly action: FailpointAction
  readonly hit: number | undefined
  passed: number
}

let armed: Map<string, Armed> | undefined

/** Arms the plan; an empty plan disarms. Unknown names never act, so misspelt tests see nothing happen. */
export function armFailpoints(plan: string): void {
  const entries = plan.split(';').filter((entry) => entry !== '')
  armed = entries.length === 0 ? undefined : new Map(entries.map(parseEntry))
}

/** How often an armed failpoint was passed; for tests that prove it was reached. */
export function failpointPassed(name: string): number {
  return armed?.get(name)?.passed ?? 0
}

/** Marks a step of a flow. Await it where the flow is asynchronous anyway. */
export function failpoint(name: string): undefined | Promise<void> {
  return armed === undefined ? undefined : act(name, armed)
}

function act(name: string, plan: ReadonlyMap<string, Armed>): undefined | Promise<void> {
  const entry = plan.get(name)
  if (entry === undefined) return undefined
  entry.passed += 1
  if (entry.hit !== undefined && entry.hit !== entry.passed) return undefined
  const { action } = entry
  switch (action.kind) {
    case 'kill':
      process.kill(process.pid, 'SIGKILL')
      return new Promise(() => undefined)
    case 'throw':
      throw Object.assign(new Error(`EIO: failpoint ${name}`), { code: 'EIO', errno: -5 })
    case 'delay':
      return new Promise((resolve) => setTimeout(resolve, action.ms))
    default:
      return action satisfies never
  }
}

function parseEntry(entry: string): [string, Armed] {
  const match = /^([^=]+)=(kill|throw|delay:(\d+))(?:@(\d+))?$/.exec(entry)
  if (match === null)
    throw new Error(`bad failpoint "${entry}": want name=kill|throw|delay:MS[@HIT]`)
  const [, name = '', kind = '', ms, hit] = match
  const action: FailpointAction =
    kind === 'kill' || kind === 'throw' ? { kind } : { kind: 'delay', ms: Number(ms) }
  return [name, { action, hit: hit === undefined ? undefined : Number(hit), passed: 0 }]
}
