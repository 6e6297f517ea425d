import { checkSchema } from '@forebay/jobs/check-schema'
import { JOB_KINDS } from '@forebay/jobs/kinds/catalogue'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { API_OPERATIONS, openApiDocument } from './openapi.ts'
import { openTestDoor, type TestDoor } from './testing/test-door.ts'

let door: TestDoor
beforeAll(async () => {
  door = await openTestDoor()
  const body = JSON.stringify({ action: 'create-bck', name: '', value: null })
  await fetch(`${door.url}/v1/buckets/b?provider=ais`, { method: 'POST', body })
})
afterAll(() => door.close())

test('the document is served as it is made, and names every operation once', async () => {
  const answer = await fetch(`${door.url}/v1/openapi.json`)
  expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8')
  const served: unknown = await answer.json()
  expect(served).toEqual(JSON.parse(JSON.stringify(openApiDocument())))
  const operations = Object.values(openApiDocument().paths).flatMap((path) => Object.values(path))
  const ids = operations.map(({ operationId }) => operationId)
  expect(new Set(ids).size).toBe(ids.length)
  expect(ids).toHaveLength(API_OPERATIONS.length)
})

test('every reference leads to a schema of the document', () => {
  const { components } = openApiDocument()
  const text = JSON.stringify(openApiDocument())
  const names = [...text.matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)].map(
    ([, name = '']) => name,
  )
  expect(new Set(names)).toEqual(new Set(Object.keys(components.schemas)))
})

test('every kind of job is there with its arguments', () => {
  const text = JSON.stringify(openApiDocument().paths['/v1/jobs']?.['post']?.requestBody)
  for (const kind of JOB_KINDS) expect(text).toContain(`"const":"${kind.name}"`)
})

const QUERIES: Readonly<Record<string, string>> = { '/v1/forebay/explain': '?bucket=b&key=k' }

// A node that has neither jobs nor a scrub answers these with its refusal.
const ABSENT = /^\/v1\/(jobs|schedules|forebay\/scrub)/
const asked = API_OPERATIONS.filter(
  ({ method, path }) => method === 'GET' && !path.includes('{') && !ABSENT.test(path),
)

test.each(asked.map((operation) => [operation.path, operation] as const))(
  '%s answers what the document says',
  async (path, { answers }) => {
    const answer = await fetch(`${door.url}${path}${QUERIES[path] ?? ''}`)
    expect(answer.status).toBe(200)
    const schema = answers[200]?.schema
    if (schema !== undefined) checkSchema(schema, await answer.json())
  },
)

test('the page shows every path and can neither run a script nor load anything', async () => {
  const answer = await fetch(`${door.url}/v1/docs`)
  expect(answer.headers.get('content-security-policy')).toMatch(
    /^default-src 'none'; style-src 'sha256-[A-Za-z0-9+/=]+'; /,
  )
  const page = await answer.text()
  for (const { path } of API_OPERATIONS) expect(page).toContain(path)
  expect(page).not.toMatch(/<script|src=|@import|url\(/i)
})
