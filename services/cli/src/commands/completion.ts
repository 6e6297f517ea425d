import type { Command } from 'commander'
import { type CliContext, print, type Run } from '../cli-context.ts'
import { complete, SHELLS, type Shell } from '../completion/complete.ts'
import { renderCompletion } from '../completion/render.ts'
import { completionScript } from '../completion/scripts.ts'
import { type SplitLine, splitLine } from '../completion/split-line.ts'
import { usageError } from '../exit-code.ts'

/** `forebay completion SHELL`: the script for the shell to read. */
export function printCompletion(run: Run, name: string): void {
  print(run, completionScript(shellOf(name)).trimEnd())
}

/**
 * `forebay __complete SHELL WORDS...`: what those scripts ask. bash gives the line up to the cursor as
 * one word, because it cuts URLs at their colons; the others give words, the last at the cursor.
 */
export async function answerCompletion(
  program: Command,
  [shellName = '', ...words]: readonly string[],
  context: CliContext,
): Promise<void> {
  const shell = shellOf(shellName)
  const line = shell === 'bash' ? withoutProgram(splitLine(words[0] ?? '')) : lineOf(words)
  const completion = await complete(program, line, context)
  context.stdout.write(renderCompletion(completion, shell, line))
}

function shellOf(name: string): Shell {
  const shell = SHELLS.find((known) => known === name)
  if (shell === undefined)
    throw usageError(`there is no completion for "${name}"`, `Known are ${SHELLS.join(', ')}.`)
  return shell
}

function withoutProgram(line: SplitLine): SplitLine {
  return { ...line, before: line.before.slice(1) }
}

function lineOf(words: readonly string[]): SplitLine {
  return { before: words.slice(0, -1), current: words.at(-1) ?? '', quoted: false }
}
