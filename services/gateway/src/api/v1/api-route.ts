import { Failure } from '@forebay/base/failure'
import { checkSchema } from '@forebay/jobs/check-schema'
import type { Static, TObject, TSchema } from 'typebox'
import type { Exchange } from './exchange.ts'

/** One answer of a route, for readers and programs. */
export interface ApiAnswer {
  readonly doc: string
  /** Absent: the answer has no body. */
  readonly schema?: TSchema | undefined
  /** `application/json` by default. */
  readonly contentType?: string | undefined
}

/** What one method of one path takes and answers: for the OpenAPI document, and for the door. */
export interface ApiOperation {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'PATCH' | 'DELETE'
  /** With names in braces for what varies: `/v1/jobs/{id}`. */
  readonly path: string
  /** Under which it stands in the document. */
  readonly tag: string
  /** What it does, a few words. */
  readonly summary: string
  /** For each name in the path what it is. */
  readonly names?: Readonly<Record<string, TSchema>> | undefined
  readonly query?: TObject | undefined
  readonly headers?: TObject | undefined
  /** JSON; absent: none is read. */
  readonly body?: TSchema | undefined
  readonly bodyOptional?: boolean | undefined
  /** By status; what every path can answer besides (400, 403, 5xx) is added in the document. */
  readonly answers: Readonly<Record<number, ApiAnswer>>
}

/** An operation with the code that answers it. */
export interface ApiRoute extends ApiOperation {
  readonly handle: (
    exchange: Exchange,
    names: Readonly<Record<string, string>>,
  ) => Promise<void> | void
}

/**
 * Answers a request by the route that it names.
 *
 * @throws Failure `uri-invalid` where no route has the path, `method-not-allowed` where none has the
 * method too
 */
export async function answerRoute(routes: readonly ApiRoute[], exchange: Exchange): Promise<void> {
  const matching = matchingOf(routes, exchange.rawPath)
  if (matching.length === 0) {
    throw new Failure('uri-invalid', 'there is no such path on this door')
  }
  const match = matching.find(({ route }) => route.method === exchange.method)
  if (match === undefined) {
    const allow = matching.map(({ route }) => route.method).join(', ')
    throw new Failure('method-not-allowed', `this path takes ${allow}`, { facts: { allow } })
  }
  await match.route.handle(exchange, match.names)
}

/** Methods of the operations on a path; none where no operation has it. */
export function methodsOf(
  operations: readonly ApiOperation[],
  rawPath: string,
): readonly ApiOperation['method'][] {
  return matchingOf(operations, rawPath).map(({ route }) => route.method)
}

/** Parameters that carry a signature and no question. */
const SIGNATURE_NAME = /^(x-amz-.*|awsaccesskeyid|signature|expires)$/i

/**
 * The query of a request by its schema: numbers are read as numbers, `true` and `false` as such.
 *
 * @throws Failure `argument-invalid` that names the parameter, also for one that is not known
 */
export function readQuery<Schema extends TObject>(
  exchange: Exchange,
  schema: Schema,
): Static<Schema> {
  const values = [...exchange.query]
    .filter(([name]) => !SIGNATURE_NAME.test(name))
    .map(([name, text]) => [name, readValue(schema.properties[name], text)] as const)
  return checkSchema(schema, Object.fromEntries(values), 'query')
}

function readValue(schema: TSchema | undefined, text: string): unknown {
  const type = schema !== undefined && 'type' in schema ? schema.type : undefined
  if (type === 'integer' && /^-?\d{1,15}$/.test(text)) return Number(text)
  if (type === 'boolean' && /^(true|false)$/.test(text)) return text === 'true'
  return text
}

interface Match<Operation> {
  readonly route: Operation
  readonly names: Readonly<Record<string, string>>
}

/** `/v1/jobs/kinds` is not the job of the id "kinds": what has the path itself goes first. */
function matchingOf<Operation extends ApiOperation>(
  routes: readonly Operation[],
  rawPath: string,
): readonly Match<Operation>[] {
  const segments = rawPath.split('/')
  const found = routes.flatMap((route) => {
    const names = matchPath(route.path, segments)
    return names === undefined ? [] : [{ route, names }]
  })
  const fixed = found.filter(({ names }) => Object.keys(names).length === 0)
  return fixed.length > 0 ? fixed : found
}

function matchPath(
  path: string,
  segments: readonly string[],
): Readonly<Record<string, string>> | undefined {
  const pattern = path.split('/')
  if (pattern.length !== segments.length) return undefined
  const names: Record<string, string> = {}
  for (const [at, expected] of pattern.entries()) {
    const segment = segments[at] ?? ''
    if (expected.startsWith('{')) {
      if (segment === '') return undefined
      names[expected.slice(1, -1)] = segment
    } else if (segment !== expected) return undefined
  }
  return names
}
