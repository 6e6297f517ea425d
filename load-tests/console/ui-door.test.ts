import { request } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ConsoleWorld, openWorld } from './console-world.ts'

/** The door of the console, and what pages of others can do to a node that asks for no keys. */
let world: ConsoleWorld

beforeAll(async () => {
  world = await openWorld()
})

afterAll(() => world?.close())

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}

/** With node:http: `fetch` sets Host and Origin by itself. */
function ask(
  path: string,
  options: {
    readonly method?: string
    readonly headers?: Readonly<Record<string, string>>
    readonly body?: string
  } = {},
): Promise<Answer> {
  const { method = 'GET', headers = {}, body } = options
  return new Promise((resolve, reject) => {
    const sent = request(`${world.node.url}${path}`, { method, headers }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk) => {
        text += chunk
      })
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }),
      )
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

test('the page allows scripts and styles of this node alone, and no frame around it', async () => {
  const { status, headers, body } = await ask('/ui/')
  expect(status).toBe(200)
  expect(headers['content-security-policy']).toMatch(
    /^default-src 'self';.*frame-ancestors 'none'$/,
  )
  expect(headers).toMatchObject({
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-cache',
    'referrer-policy': 'no-referrer',
  })
  expect(body).not.toMatch(/<style|<script(?![^>]* src=)|https?:/)
})

test('files are kept by browsers: named by their content, or asked about by their ETag', async () => {
  const page = await ask('/ui/')
  const again = await ask('/ui/', { headers: { 'if-none-match': String(page.headers['etag']) } })
  expect([again.status, again.body]).toEqual([304, ''])
  const script = /src="(\/ui\/assets\/[^"]+)"/.exec(page.body)?.[1] ?? ''
  const plain = await ask(script)
  const packed = await ask(script, { headers: { 'accept-encoding': 'gzip' } })
  expect(plain.headers['cache-control']).toBe('public, max-age=31536000, immutable')
  expect(packed.headers['content-encoding']).toBe('gzip')
  expect(packed.headers['etag']).not.toBe(plain.headers['etag'])
  const refused = await ask(script, { headers: { 'accept-encoding': 'gzip;q=0' } })
  expect(refused.headers['content-encoding']).toBeUndefined()
})

test('nothing but the files of the console is served, and only to be read', async () => {
  expect((await ask('/ui')).headers['location']).toBe('/ui/')
  for (const path of [
    '/ui/inputs.json',
    '/ui/../package.json',
    '/ui/%2e%2e/package.json',
    '/ui/x',
  ]) {
    expect([path, (await ask(path)).status]).toEqual([path, 404])
  }
  expect((await ask('/ui/', { method: 'POST', body: 'x' })).status).toBe(405)
})

const FOREIGN = { origin: 'https://evil.example', 'content-type': 'text/plain' }
const CREATE = JSON.stringify({ action: 'create-bck' })

test('a page of others cannot change anything at a node without keys', async () => {
  const made = await ask('/v1/buckets/made', { method: 'POST', headers: FOREIGN, body: CREATE })
  expect(made.status).toBe(403)
  const form = [
    '--b',
    'Content-Disposition: form-data; name="key"',
    '',
    'planted',
    '--b',
    'Content-Disposition: form-data; name="file"; filename="f"',
    '',
    'x',
    '--b--',
    '',
  ].join('\r\n')
  const headers = { ...FOREIGN, 'content-type': 'multipart/form-data; boundary=b' }
  expect((await ask('/uploads', { method: 'POST', headers, body: form })).status).toBe(403)
  expect((await ask('/uploads/planted')).status).toBe(404)
  expect((await ask('/v1/forebay/buckets')).body).not.toContain('"made"')
})

test('a name that was made to point here is not ours', async () => {
  const host = 'evil.example:8080'
  expect((await ask('/ui/', { headers: { host } })).status).toBe(403)
  const headers = { host, origin: `http://${host}` }
  const deleted = await ask('/uploads', { method: 'DELETE', headers })
  expect(deleted.status).toBe(403)
})

test('our own page and programs can', async () => {
  const { host } = new URL(world.node.url)
  const headers = { host, origin: `http://${host}` }
  const own = await ask('/v1/buckets/by-page', { method: 'POST', headers, body: CREATE })
  expect(own.status).toBe(200)
  expect((await ask('/v1/buckets/by-program', { method: 'POST', body: CREATE })).status).toBe(200)
})

test('an object that is opened as a page runs without an origin', async () => {
  const headers = { 'sec-fetch-dest': 'document' }
  const { headers: answered } = await ask('/photos/index.csv', { headers })
  expect(answered['content-security-policy']).toMatch(/^sandbox (?!.*allow-same-origin)/)
  const plain = await ask('/photos/index.csv')
  expect(plain.headers['content-security-policy']).toBeUndefined()
})
