import { clientEndpoint } from '@forebay/config/environment'
import { SETTING_KEYS } from '@forebay/config/keys'
import { PROPERTY_LIST } from '@forebay/model/property-list'
import type { Command, Option } from 'commander'
import type { CliContext } from '../cli-context.ts'
import { completeJob, type JobWord } from './complete-job.ts'
import { completeUrl, type UrlKind } from './complete-url.ts'

/** One way to go on. */
export interface Candidate {
  readonly value: string
  readonly description?: string | undefined
}

/**
 * `files`: the shell completes file names. `open`: more can follow without a space, as after a
 * directory.
 */
export interface Completion {
  readonly kind: 'words' | 'open' | 'files'
  readonly candidates: readonly Candidate[]
}

/** What stands at an argument of a command. */
type ArgumentKind = UrlKind | JobWord | 'file' | 'property' | 'setting' | 'shell' | 'other'

/** Arguments of the commands, in their order; the last one holds for all that follow. */
const ARGUMENTS: Readonly<Record<string, readonly ArgumentKind[]>> = {
  archive: ['object'],
  'bucket add': ['scheme'],
  'bucket rm': ['bucket'],
  'bucket set': ['bucket', 'property'],
  'bucket show': ['bucket'],
  cat: ['object'],
  completion: ['shell'],
  'config explain': ['setting'],
  cp: ['object'],
  evict: ['object'],
  explain: ['object'],
  get: ['object', 'file'],
  head: ['object'],
  'job failures': ['job'],
  'job kinds': ['job-kind'],
  'job pause': ['open-job'],
  'job resume': ['open-job'],
  'job retry': ['ended-job'],
  'job rm': ['ended-job'],
  'job schedule put': ['schedule', 'other', 'job-kind', 'bucket'],
  'job schedule rm': ['schedule'],
  'job show': ['job'],
  'job start': ['job-kind', 'bucket'],
  'job stop': ['open-job'],
  'job wait': ['open-job'],
  ls: ['object'],
  pin: ['object'],
  pins: ['bucket'],
  prefetch: ['object'],
  promote: ['file', 'object'],
  put: ['file', 'object'],
  rm: ['object'],
  scrub: ['object'],
  sync: ['object', 'bucket'],
  unpin: ['object'],
}

/** Options whose value is a file or directory. */
const FILE_OPTIONS: ReadonlySet<string> = new Set(['--config', '--data', '--mountpath', '--output'])

/** Options whose value is one of some words. */
const WORD_OPTIONS: Readonly<Record<string, readonly string[]>> = {
  '--format': ['tar', 'tgz', 'tar.lz4', 'zip'],
  '--member-names': ['key', 'base', 'bucket-key'],
  '--priority': ['low', 'normal', 'high'],
  '--state': ['queued', 'running', 'paused', 'finished', 'failed', 'aborted', 'lost'],
}

const NOTHING: Completion = { kind: 'words', candidates: [] }

/** Shells that completion exists for. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof SHELLS)[number]

/**
 * What can stand at the cursor. Bucket names, prefixes and keys are asked from the node that the line
 * or the environment names; when it does not answer there are none.
 *
 * @param before the words before the one at the cursor, without the program's name
 * @param current the word at the cursor as far as it is there
 */
export async function complete(
  program: Command,
  words: { readonly before: readonly string[]; readonly current: string },
  context: CliContext,
): Promise<Completion> {
  const { before, current } = words
  const place = walk(program, before)
  if (place.awaiting !== undefined) return completeValue(place.awaiting, current)
  const inline = /^(--[\w-]+)=(.*)$/s.exec(current)
  if (inline !== null) return completeInline(place.command, inline[1] ?? '', inline[2] ?? '')
  if (current.startsWith('-')) return matching(optionsOf(place.command), current)
  const { command } = place
  const children = command.createHelp().visibleCommands(command)
  if (children.length > 0 && place.argumentCount === 0) {
    return matching(
      children.map((child) => ({ value: child.name(), description: child.description() })),
      current,
    )
  }
  const endpoint = place.endpoint ?? clientEndpoint(context.environment)
  const kinds = ARGUMENTS[pathOf(command)] ?? []
  const kind = kinds[Math.min(place.argumentCount, kinds.length - 1)] ?? 'other'
  switch (kind) {
    case 'file':
      return { kind: 'files', candidates: [] }
    case 'property':
      return completeProperty(current)
    case 'setting':
      return matching(
        SETTING_KEYS.map(({ key, setting }) => ({ value: key, description: setting.doc })),
        current,
      )
    case 'shell':
      return matching(SHELLS.map(toCandidate), current)
    case 'other':
      return NOTHING
    case 'job':
    case 'open-job':
    case 'ended-job':
    case 'job-kind':
    case 'schedule':
      return matching(await completeJob(kind, { context, endpoint }), current)
    default:
      return completeUrl(current, { kind, context, endpoint })
  }
}

interface Place {
  readonly command: Command
  /** Words that were no option and no command. */
  readonly argumentCount: number
  /** The option whose value comes next. */
  readonly awaiting: Option | undefined
  /** What `--endpoint` says. */
  readonly endpoint: string | undefined
}

function walk(program: Command, words: readonly string[]): Place {
  let command = program
  let argumentCount = 0
  let awaiting: Option | undefined
  let endpoint: string | undefined
  for (const word of words) {
    if (awaiting !== undefined) {
      if (awaiting.long === '--endpoint') endpoint = word
      awaiting = undefined
      continue
    }
    if (word.startsWith('-') && word !== '-') {
      const option = findOption(command, word)
      if (word.startsWith('--endpoint=')) endpoint = word.slice('--endpoint='.length)
      if (option !== undefined && (option.required || option.optional)) awaiting = option
      continue
    }
    const child = command.commands.find((candidate) => candidate.name() === word)
    if (child !== undefined && argumentCount === 0) command = child
    else argumentCount += 1
  }
  return { command, argumentCount, awaiting, endpoint }
}

/** An option of a command or of those above it; `--name=value` has its value already. */
function findOption(command: Command, word: string): Option | undefined {
  for (let at: Command | null = command; at !== null; at = at.parent) {
    const found = at.options.find(({ long, short }) => long === word || short === word)
    if (found !== undefined) return found
  }
  return undefined
}

function optionsOf(command: Command): readonly Candidate[] {
  const found: Candidate[] = []
  for (let at: Command | null = command; at !== null; at = at.parent) {
    for (const { long, short, description } of at.options) {
      found.push({ value: long ?? short ?? '', description })
    }
  }
  return [...found, { value: '--help', description: 'what the command does' }]
}

function completeValue(option: Option, current: string): Completion {
  if (FILE_OPTIONS.has(option.long ?? '')) return { kind: 'files', candidates: [] }
  const words = WORD_OPTIONS[option.long ?? '']
  if (words !== undefined) return matching(words.map(toCandidate), current)
  return option.long === '--set' ? completeSetting(current) : NOTHING
}

function completeInline(command: Command, name: string, value: string): Completion {
  const option = findOption(command, name)
  if (option?.long !== '--set') return NOTHING
  const { kind, candidates } = completeSetting(value)
  return {
    kind,
    candidates: candidates.map((held) => ({ ...held, value: `--set=${held.value}` })),
  }
}

function completeSetting(current: string): Completion {
  const candidates = SETTING_KEYS.map(({ key, setting }) => ({
    value: `${key}=`,
    description: setting.doc,
  }))
  return { ...matching(candidates, current), kind: 'open' }
}

function completeProperty(current: string): Completion {
  const candidates = Object.values(PROPERTY_LIST).map(({ name, doc }) => ({
    value: `${name}=`,
    description: doc,
  }))
  const all = [...candidates, { value: 'aliases=', description: 'Other names of the bucket.' }]
  return { ...matching(all, current), kind: 'open' }
}

function toCandidate(value: string): Candidate {
  return { value }
}

function matching(candidates: readonly Candidate[], current: string): Completion {
  return {
    kind: 'words',
    candidates: candidates.filter(({ value }) => value.startsWith(current)),
  }
}

function pathOf(command: Command): string {
  const names: string[] = []
  for (let at = command; at.parent !== null; at = at.parent) names.unshift(at.name())
  return names.join(' ')
}
