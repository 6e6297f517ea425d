/** `note` and `ok` ask for nothing; a `warning` is worth a look; a `problem` keeps a node from its work. */
export type Level = 'ok' | 'note' | 'warning' | 'problem'

/** What was looked at. */
export type Check =
  | 'node'
  | 'settings'
  | 'limits'
  | 'port'
  | 'certificate'
  | 'disk'
  | 'mountpath'
  | 'credentials'
  | 'origin'
  | 'redis'
  | 'clock'

/** One thing that `forebay doctor` looked at. */
export interface Finding {
  readonly level: Level
  readonly check: Check
  readonly message: string
  /** What to do; always there for a warning and a problem. */
  readonly todo?: string | undefined
}

/** Exit codes of `forebay doctor`, by the worst finding. */
export const DOCTOR_EXIT_CODES = { ok: 0, note: 0, warning: 1, problem: 2 } as const

/** The exit codes in words, for the help text. */
export const DOCTOR_HELP = `Exit codes of doctor:
  0  nothing to do
  1  something is worth a look
  2  a node would not start, or could not do its work`

const ORDER: readonly Level[] = ['ok', 'note', 'warning', 'problem']

/** The worst level among findings; `ok` of none. */
export function worstLevel(findings: readonly Finding[]): Level {
  return findings.reduce<Level>(
    (worst, { level }) => (ORDER.indexOf(level) > ORDER.indexOf(worst) ? level : worst),
    'ok',
  )
}

export function ok(check: Check, message: string): Finding {
  return { level: 'ok', check, message }
}

/** Something to know that asks for nothing. */
export function remark(check: Check, message: string): Finding {
  return { level: 'note', check, message }
}

export function warning(check: Check, message: string, todo: string): Finding {
  return { level: 'warning', check, message, todo }
}

export function problem(check: Check, message: string, todo: string): Finding {
  return { level: 'problem', check, message, todo }
}
