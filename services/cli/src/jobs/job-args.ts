import type { Answer } from '@forebay/client/answer'
import type { JobArgument, JobKindReport } from '@forebay/client/jobs'
import { usageError } from '../exit-code.ts'

/**
 * Arguments of a job as they were written, `name=value`, in the types that its kind takes. Lists are
 * given value by value, or as JSON; objects as JSON.
 *
 * @throws ForebayError `usage` that names what the kind takes
 */
export function readJobArgs(
  kind: JobKindReport,
  assignments: readonly string[],
): Readonly<Record<string, unknown>> {
  const args = new Map<string, unknown>()
  for (const assignment of assignments) {
    const at = assignment.indexOf('=')
    if (at < 1) throw usageError(`"${assignment}" is no argument`, 'Write --arg name=value.')
    const name = assignment.slice(0, at)
    const argument = kind.args.find((known) => known.name === name)
    if (argument === undefined) throw unknownArgument(kind, name)
    const value = readValue(argument, assignment.slice(at + 1))
    const before = args.get(name)
    if (Array.isArray(before) && Array.isArray(value)) args.set(name, [...before, ...value])
    else if (args.has(name)) throw usageError(`${name} is given twice`, 'It takes one value.')
    else args.set(name, value)
  }
  const missing = kind.args.filter(({ name, required }) => required && !args.has(name))
  if (missing.length > 0) {
    const names = missing.map(({ name }) => name)
    throw usageError(
      `${kind.name} needs ${names.join(', ')}`,
      `Add ${names.map((name) => `--arg ${name}=...`).join(' ')}`,
    )
  }
  return Object.fromEntries(args)
}

/** What a kind takes, a line each. */
export function describeArgs(kind: JobKindReport): readonly string[] {
  return kind.args.map(({ name, doc, required, schema }) => {
    const words = schema.texts('enum')
    const type = (words.length > 0 ? words : typesOf(schema)).join(' or ')
    return `${name}=${type === '' ? 'value' : type}${required ? ' (needed)' : ''}: ${doc}`
  })
}

function readValue(argument: JobArgument, text: string): unknown {
  const types = typesOf(argument.schema)
  if (types.includes('object') && text.startsWith('{')) return parseJson(argument, text)
  // A list is given entry by entry, each written as it is, or as a whole.
  if (types.includes('array')) return text.startsWith('[') ? parseJson(argument, text) : [text]
  if (types.includes('string')) return text
  if (types.length === 0 || types.includes('object')) return parseJson(argument, text)
  if (types.includes('boolean')) {
    if (text !== 'true' && text !== 'false') throw badValue(argument, 'true or false')
    return text === 'true'
  }
  if (types.includes('number') || types.includes('integer')) {
    const value = Number(text)
    if (text.trim() === '' || !Number.isFinite(value)) throw badValue(argument, 'a number')
    return value
  }
  return text
}

/** JSON types that a schema allows; none when it does not say. */
function typesOf(schema: Answer): readonly string[] {
  const type = schema.text('type')
  if (type !== undefined) return [type]
  if (schema.texts('enum').length > 0) return ['string']
  return [...schema.list('anyOf'), ...schema.list('oneOf')].flatMap((one) => {
    const constant = one.value('const')
    return one.text('type') ?? (constant === undefined ? [] : [typeof constant])
  })
}

function parseJson(argument: JobArgument, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw badValue(argument, 'JSON')
  }
}

function badValue({ name, doc }: JobArgument, wanted: string) {
  return usageError(`${name} takes ${wanted}`, doc)
}

function unknownArgument(kind: JobKindReport, name: string) {
  const known = kind.args.map((argument) => argument.name).join(', ')
  return usageError(`${kind.name} has no argument "${name}"`, `It takes ${known || 'none'}.`)
}
