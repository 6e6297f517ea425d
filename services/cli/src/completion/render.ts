import type { Completion, Shell } from './complete.ts'
import type { SplitLine } from './split-line.ts'

/** All but what bash takes as it is in the middle of a word. */
const SPECIAL = /[^\w./:=@%+,-]/gu

/** What bash acts on in a quoted word or behind its quote; names come from others and must not run. */
const ACTIVE_BY_QUOTES = /["'$`\\!;&|<>()]/

/**
 * What the shell's script reads: the kind, then one candidate a line, with a tabulator before its
 * description. Names with line breaks or tabulators cannot be completed, nor, in a quoted word
 * of bash, those that it would act on.
 */
export function renderCompletion(
  { kind, candidates }: Completion,
  shell: Shell,
  line: SplitLine,
): string {
  const unquotable = shell === 'bash' && line.quoted
  const shown = candidates.filter(
    ({ value }) => !/[\n\r\t\0]/.test(value) && !(unquotable && ACTIVE_BY_QUOTES.test(value)),
  )
  const lines = shown.map(({ value, description }) =>
    shell === 'bash'
      ? forBash(value, line)
      : `${value}\t${(description ?? '').replace(/\s+/g, ' ')}`,
  )
  return `${[kind, ...lines].join('\n')}\n`
}

/** bash replaces only what follows its last word break, `:` or `=`, and inserts as it stands. */
function forBash(value: string, { current, quoted }: SplitLine): string {
  if (quoted) return value
  const cut = Math.max(current.lastIndexOf(':'), current.lastIndexOf('=')) + 1
  return value.slice(cut).replace(SPECIAL, '\\$&')
}
