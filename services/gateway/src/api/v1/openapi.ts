import type { TObject, TSchema } from 'typebox'
import { Type } from 'typebox'
import type { ApiAnswer, ApiOperation, ApiRoute } from './api-route.ts'
import { answerDocs } from './docs-page.ts'
import type { Exchange } from './exchange.ts'
import { JOB_VIEW, SCHEDULE_VIEW } from './job-schemas.ts'
import { JOB_ROUTES } from './jobs.ts'
import { NODE_OPERATIONS } from './node-operations.ts'

/** Version of the API that the document describes; it grows when an answer loses something. */
const API_VERSION = '1'

const ERROR = Type.Object(
  {
    status: Type.Integer({ minimum: 400, maximum: 599 }),
    code: Type.String({ description: 'Of the catalogue of errors.' }),
    message: Type.String(),
    retryable: Type.Boolean(),
    requestId: Type.String({ description: 'The log has the request under it.' }),
    hint: Type.Optional(Type.String({ description: 'What can be done about it.' })),
  },
  { description: 'Why a request was refused or failed. Fields of AIStore stand beside these.' },
)

/** Schemas that are written once and referred to. */
const NAMED: ReadonlyMap<unknown, string> = new Map<unknown, string>([
  [JOB_VIEW, 'Job'],
  [SCHEDULE_VIEW, 'Schedule'],
  [ERROR, 'Error'],
])

/** The document and the page that shows it. */
export const DOCUMENT_ROUTES: readonly ApiRoute[] = [
  {
    method: 'GET',
    path: '/v1/openapi.json',
    tag: 'node',
    summary: 'This document',
    answers: { 200: { doc: 'OpenAPI 3.1.', schema: Type.Record(Type.String(), Type.Unknown()) } },
    handle: (exchange: Exchange) =>
      exchange.sendBytes(documentBytes(), 'application/json; charset=utf-8'),
  },
  {
    method: 'GET',
    path: '/v1/docs',
    tag: 'node',
    summary: 'This document as a page',
    answers: { 200: { doc: 'A page.', contentType: 'text/html' } },
    handle: (exchange: Exchange) => answerDocs(exchange, openApiDocument()),
  },
]

/** Every operation that the document describes. */
export const API_OPERATIONS: readonly ApiOperation[] = [
  ...JOB_ROUTES,
  ...NODE_OPERATIONS,
  ...DOCUMENT_ROUTES,
]

export interface OpenApiDocument {
  readonly openapi: string
  readonly info: { readonly title: string; readonly version: string; readonly description: string }
  readonly paths: Readonly<Record<string, Readonly<Record<string, OpenApiOperation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, unknown>> }
}

export interface OpenApiOperation {
  readonly operationId: string
  readonly tags: readonly string[]
  readonly summary: string
  readonly parameters: readonly {
    readonly name: string
    readonly in: 'path' | 'query'
    readonly required: boolean
    readonly description?: string
    readonly schema: unknown
  }[]
  readonly requestBody?: {
    readonly required: boolean
    readonly content: Readonly<Record<string, { readonly schema: unknown }>>
  }
  readonly responses: Readonly<
    Record<
      string,
      {
        readonly description: string
        readonly content?: Readonly<Record<string, { readonly schema: unknown }>>
      }
    >
  >
}

let made: OpenApiDocument | undefined
let madeBytes: Buffer | undefined

/** OpenAPI 3.1 of what has schemas: made once, of the schemas that requests are checked by. */
export function openApiDocument(): OpenApiDocument {
  made ??= {
    openapi: '3.1.0',
    info: {
      title: 'Forebay',
      version: API_VERSION,
      description:
        'The native door of a Forebay node. With users every request is signed (AWS Signature Version 4, service s3). Paths of AIStore that are not here work as in AIStore.',
    },
    paths: pathsOf(API_OPERATIONS),
    components: {
      schemas: Object.fromEntries(
        [...NAMED].map(([schema, name]) => [name, withReferences(schema, schema)]),
      ),
    },
  }
  return made
}

function documentBytes(): Buffer {
  madeBytes ??= Buffer.from(JSON.stringify(openApiDocument()))
  return madeBytes
}

function pathsOf(operations: readonly ApiOperation[]): OpenApiDocument['paths'] {
  const byPath = Map.groupBy(operations, ({ path }) => path)
  return Object.fromEntries(
    [...byPath].map(([path, methods]) => [
      path,
      Object.fromEntries(methods.map((one) => [one.method.toLowerCase(), describe(one)])),
    ]),
  )
}

function describe(operation: ApiOperation): OpenApiOperation {
  const { method, path, tag, summary, names = {}, query, body, answers } = operation
  return {
    operationId: idOf(method, path),
    tags: [tag],
    summary,
    parameters: [
      ...Object.entries(names).map(([name, schema]) => ({
        name,
        in: 'path' as const,
        required: true,
        schema,
      })),
      ...(query === undefined ? [] : queryParameters(query)),
    ],
    ...(body === undefined ? {} : { requestBody: { required: true, content: json(body) } }),
    responses: {
      ...Object.fromEntries(
        Object.entries(answers).map(([status, answer]) => [status, describeAnswer(answer)]),
      ),
      '4XX': { description: 'Refused.', ...(method === 'HEAD' ? {} : { content: json(ERROR) }) },
      '5XX': { description: 'Failed.', ...(method === 'HEAD' ? {} : { content: json(ERROR) }) },
    },
  }
}

function queryParameters(query: TObject): OpenApiOperation['parameters'] {
  const required = new Set<string>(query.required ?? [])
  return Object.entries(query.properties).map(([name, schema]) => ({
    name,
    in: 'query' as const,
    required: required.has(name),
    schema,
  }))
}

function describeAnswer({ doc, schema, contentType }: ApiAnswer) {
  if (contentType !== undefined) {
    return { description: doc, content: { [contentType]: { schema: { type: 'string' } } } }
  }
  return { description: doc, ...(schema === undefined ? {} : { content: json(schema) }) }
}

function json(schema: TSchema) {
  return { 'application/json': { schema: withReferences(schema) } }
}

/** The schema with what has a name referred to; `self` is the one that is being named. */
function withReferences(value: unknown, self?: unknown): unknown {
  const name = value === self ? undefined : NAMED.get(value)
  if (name !== undefined) return { $ref: `#/components/schemas/${name}` }
  if (Array.isArray(value)) return value.map((item) => withReferences(item, self))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, withReferences(inner, self)]),
  )
}

/** `GET /v1/jobs/{id}/failures` is `getJobsIdFailures`. */
function idOf(method: string, path: string): string {
  const words = path.split(/[^A-Za-z0-9]+/).filter((word) => word !== '' && word !== 'v1')
  const rest = words.map((word) => word.charAt(0).toUpperCase() + word.slice(1))
  return `${method.toLowerCase()}${rest.join('')}`
}
