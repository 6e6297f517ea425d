import { createHash } from 'node:crypto'
import type { Exchange } from './exchange.ts'
import type { OpenApiDocument, OpenApiOperation } from './openapi.ts'

const STYLE = `
:root { color-scheme: light dark; --edge: #8886; --soft: #8882; }
body { margin: 0 auto; max-width: 60rem; padding: 1rem; font: 15px/1.45 system-ui, sans-serif; }
h2 { margin: 2rem 0 .5rem; text-transform: capitalize; }
details { border: 1px solid var(--edge); border-radius: 6px; margin: .3rem 0; padding: .4rem .7rem; }
summary { cursor: pointer; }
code, pre { font: 13px/1.4 ui-monospace, monospace; }
pre { background: var(--soft); border-radius: 6px; overflow: auto; padding: .6rem; max-height: 30rem; }
.method { display: inline-block; min-width: 4.5rem; font-weight: 700; }
table { border-collapse: collapse; } td, th { text-align: left; padding: .2rem .8rem .2rem 0; vertical-align: top; }
`

/** The page runs no script and loads nothing: all that it shows stands in it. */
const POLICY = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`

let made: Buffer | undefined

/** `GET /v1/docs`: the document for people. */
export function answerDocs(exchange: Exchange, document: OpenApiDocument): void {
  made ??= Buffer.from(pageOf(document))
  exchange.writeHead(200, {
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Length': String(made.length),
    'Content-Security-Policy': POLICY,
    'Referrer-Policy': 'no-referrer',
  })
  exchange.response.end(made)
}

function pageOf({ info, paths, components }: OpenApiDocument): string {
  const rows = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  )
  const sections = [...Map.groupBy(rows, ({ operation }) => operation.tags[0] ?? '')]
    .map(
      ([tag, group]) =>
        `<h2>${escapeHtml(tag)}</h2>${group.map(({ path, method, operation }) => operationOf(method, path, operation)).join('')}`,
    )
    .join('')
  const schemas = Object.entries(components.schemas)
    .map(
      ([name, schema]) =>
        `<details id="${escapeHtml(name)}"><summary><code>${escapeHtml(name)}</code></summary>${codeOf(schema)}</details>`,
    )
    .join('')
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escapeHtml(info.title)} API</title><style>${STYLE}</style></head><body><h1>${escapeHtml(info.title)} API</h1><p>${escapeHtml(info.description)}</p><p><a href="/v1/openapi.json">openapi.json</a></p>${sections}<h2>schemas</h2>${schemas}</body></html>`
}

function operationOf(method: string, path: string, operation: OpenApiOperation): string {
  const { summary, parameters, requestBody, responses, operationId } = operation
  const body = requestBody?.content['application/json']
  return `<details id="${escapeHtml(operationId)}"><summary><code><span class="method">${method.toUpperCase()}</span> ${escapeHtml(path)}</code> - ${escapeHtml(summary)}</summary>${parametersOf(parameters)}${body === undefined ? '' : `<h4>Body</h4>${codeOf(body.schema)}`}${Object.entries(responses).map(answerOf).join('')}</details>`
}

function parametersOf(parameters: OpenApiOperation['parameters']): string {
  if (parameters.length === 0) return ''
  const rows = parameters.map(
    ({ name, in: place, required, schema }) =>
      `<tr><td><code>${escapeHtml(name)}</code></td><td>${place}${required ? ', required' : ''}</td><td><code>${escapeHtml(JSON.stringify(schema))}</code></td></tr>`,
  )
  return `<table><tr><th>parameter</th><th>in</th><th>schema</th></tr>${rows.join('')}</table>`
}

function answerOf([status, answer]: readonly [
  string,
  OpenApiOperation['responses'][string],
]): string {
  const contents = Object.entries(answer.content ?? {})
    .map(([type, { schema }]) => `<p><code>${escapeHtml(type)}</code></p>${codeOf(schema)}`)
    .join('')
  return `<h4>${escapeHtml(status)}: ${escapeHtml(answer.description)}</h4>${contents}`
}

function codeOf(schema: unknown): string {
  return `<pre>${escapeHtml(JSON.stringify(schema, undefined, 2))}</pre>`
}

function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
