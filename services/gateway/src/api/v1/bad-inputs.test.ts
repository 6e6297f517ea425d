import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { openTestDoor, sendRaw, type TestDoor } from './testing/test-door.ts'

/** The rows F01 to F15 of the list of bad inputs that concern this door. */
let door: TestDoor

beforeAll(async () => {
  door = await openTestDoor()
  await post('b', '{"action":"create-bck"}')
})
afterAll(() => door.close())
beforeEach(() => {
  door.target.requests.length = 0
})

function post(bucket: string, body: string, type = 'application/json'): Promise<Response> {
  return fetch(`${door.url}/v1/buckets/${bucket}`, {
    method: 'POST',
    headers: { 'content-type': type },
    body,
  })
}

function statusOf(raw: string): number {
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(raw)?.[1])
}

function createdNames(): readonly string[] {
  return door.buckets.list().map(({ ref }) => ref.name)
}

test('F01 a message that is cut is refused with AIStore’s error body', async () => {
  const answer = await post('f01', '{"action":"create-bck"')
  expect(answer.status).toBe(400)
  expect(await answer.json()).toMatchObject({
    method: 'POST',
    url_path: '/v1/buckets/f01',
    status: 400,
    message: expect.stringContaining('JSON'),
  })
  expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
  expect(createdNames()).toEqual(['b'])
})

test('F02 a message nested 10,000 deep is refused before it is built', async () => {
  const nested = `{"action":"create-bck","value":${'['.repeat(10_000)}${']'.repeat(10_000)}}`
  expect((await post('f02', nested)).status).toBe(400)
  expect((await post('f02', '{"a":'.repeat(10_000))).status).toBe(400)
  expect(createdNames()).toEqual(['b'])
})

test('F03 __proto__ and constructor are data, and never reach a prototype', async () => {
  const answer = await post(
    'f03',
    '{"action":"create-bck","__proto__":{"admin":true},"constructor":{"prototype":{"admin":true}},"value":{"__proto__":{"force":true}}}',
  )
  expect(answer.status).toBe(200)
  expect(Object.hasOwn(Object.prototype, 'admin')).toBe(false)
  expect(Reflect.get({}, 'force')).toBeUndefined()
})

test('F04 a key that comes twice is refused, also when case or escapes hide it', async () => {
  for (const second of ['"action"', '"Action"', '"\\u0061ction"']) {
    const answer = await post('b', `{"action":"list",${second}:"destroy-bck"}`)
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({ code: 'json-malformed' })
  }
  expect(createdNames()).toContain('b')
})

test('F05 an unknown action is refused', async () => {
  const answer = await post('b', '{"action":"explode-bck"}')
  expect(answer.status).toBe(400)
})

test('F06 an action of another type is refused', async () => {
  for (const action of ['1', '[]', 'null', '{}', 'true']) {
    expect((await post('b', `{"action":${action}}`)).status).toBe(400)
  }
  for (const body of ['[]', '"create-bck"', 'null', '7', '']) {
    expect((await post('b', body)).status).toBe(400)
  }
})

test('F07 a body of 100 MB is refused by its announced length, before it is read', async () => {
  const raw = await sendRaw(
    door.port,
    `POST /v1/buckets/f07 HTTP/1.1\r\nHost: h\r\nContent-Length: ${100 * 1024 ** 2}\r\n\r\n{`,
  )
  expect(statusOf(raw)).toBe(413)
})

test('F07 a body without a length is refused once it is over the limit', async () => {
  const slice = 'x'.repeat(64 * 1024)
  const chunk = `${slice.length.toString(16)}\r\n${slice}\r\n`
  const raw = await sendRaw(
    door.port,
    `POST /v1/buckets/f07 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n${chunk.repeat(20)}`,
  )
  expect(statusOf(raw)).toBe(413)
})

test('F08 no content type decides whether a message is checked', async () => {
  for (const type of ['application/json\t; charset=x', 'application/json garbage', 'text/plain']) {
    const bad = await post('f08', '{"action":5}', type)
    expect([400, 415]).toContain(bad.status)
  }
  expect((await post('f08', '{"action":"create-bck"}', 'text/plain')).status).toBe(200)
})

test.each([
  ['/v1/objects/b/../../x', 400],
  ['/v1/objects/b/%2e%2e/x', 400],
  ['/v1/objects/b/a/%2e/x', 400],
  ['/v1/objects/b/%2F', 400],
  ['/v1/objects/b%2F..%2Fc/x', 400],
  ['/v1/objects/b/a%00b', 400],
  ['/v1/objects/b/a%ffb', 400],
  ['/v1/objects/b/a%zz', 400],
  ['/v1/objects/b/dir/', 400],
  [`/v1/objects/b/${'n'.repeat(5000)}`, 400],
  ['/v1/objects/b/~/x', 400],
  ['/v1/objects/', 400],
  ['/v1/objects/b', 400],
])('F09 %s is refused before the target sees it', async (path, status) => {
  const raw = await sendRaw(door.port, `GET ${path} HTTP/1.1\r\nHost: h\r\n\r\n`)
  expect(statusOf(raw)).toBe(status)
  expect(raw).toMatch(/"message":/)
  expect(door.target.requests).toEqual([])
})

test('F09 a name that the path refuses is taken from the query', async () => {
  const put = await fetch(`${door.url}/v1/objects/b?key=${encodeURIComponent('../dir/')}`, {
    method: 'PUT',
    body: 'x',
  })
  expect(put.status).toBe(200)
  expect(door.target.requests.at(-1)).toMatchObject({ key: '../dir/' })
})

test.each([
  '?provider=evil',
  '?provider=',
  '?provider=AIS',
  '?namespace=@..%2F..%2F#x',
  '?namespace=@..%2F..%2F%23x',
  '?provider=ais&provider=aws',
])('F10 %s is refused', async (query) => {
  const raw = await sendRaw(door.port, `GET /v1/objects/b/x${query} HTTP/1.1\r\nHost: h\r\n\r\n`)
  expect(statusOf(raw)).toBe(400)
  expect(door.target.requests).toEqual([])
})

test.each([
  '{"mirror":{"copies":NaN}}',
  '{"mirror":{"copies":1e400}}',
  '{"mirror":{"copies":1e9}}',
  '{"mirror":{"copies":-1}}',
  '{"ec":{"objsize_limit":-5}}',
  '{"chunks":{"chunk_size":"-1MiB"}}',
  '{"lru":{"dont_evict_time":"-1h"}}',
  '{"space":{"lowwm":90,"highwm":50}}',
  '{"forebay":{"revalidate":"after -1h"}}',
  '{"forebay":{"blockSize":-1}}',
  '{"forebay":{"blockSize":1e400}}',
  '{"forebay":{"no_such_property":1}}',
  '{"checksum":{"type":"rot13"}}',
  '{"features":"many"}',
  '[]',
  '"x"',
])('F11 the properties %s are refused and nothing changes', async (value) => {
  const before = door.buckets.version
  const answer = await fetch(`${door.url}/v1/buckets/b`, {
    method: 'PATCH',
    body: `{"action":"set-bprops","value":${value}}`,
  })
  expect(answer.status).toBe(400)
  expect(door.buckets.version).toBe(before)
})

test('F12 who may only read cannot change the cluster, the node or a bucket', async () => {
  const reader = await openTestDoor({ allows: (need) => need === 'read' })
  try {
    const calls: readonly (readonly [method: string, path: string])[] = [
      ['PUT', '/v1/cluster'],
      ['PUT', '/v1/daemon'],
      ['DELETE', '/v1/daemon'],
      ['POST', '/v1/buckets/x'],
      ['DELETE', '/v1/buckets/x'],
      ['PUT', '/v1/objects/x/o'],
      ['DELETE', '/v1/objects/x/o'],
    ]
    for (const [method, path] of calls) {
      const action = method === 'POST' ? 'create-bck' : 'destroy-bck'
      const isObject = path.startsWith('/v1/objects')
      const init = isObject ? {} : { body: JSON.stringify({ action }) }
      const answer = await fetch(`${reader.url}${path}`, { method, ...init })
      // The bucket is not there either, which is none of this caller's business.
      expect([method, path, answer.status]).toEqual([method, path, 403])
    }
    expect((await fetch(`${reader.url}/v1/forebay/config`)).status).toBe(403)
    expect((await fetch(`${reader.url}/v1/forebay/log`)).status).toBe(403)
    expect((await fetch(`${reader.url}/metrics`)).status).toBe(403)
    expect(reader.target.requests).toEqual([])
  } finally {
    await reader.close()
  }
})

test('F13 redirect parameters and internal headers give no right', async () => {
  const closed = await openTestDoor({ allows: () => false })
  try {
    const answer = await fetch(`${closed.url}/v1/objects/b/o?pid=NODE00000001&utm=abc&vpams=1`, {
      method: 'PUT',
      headers: { 'Ais-Caller-Id': 'NODE00000001', 'Ais-Caller-Is-Node': 'true' },
      body: 'x',
    })
    expect(answer.status).toBe(403)
    expect(closed.target.requests).toEqual([])
  } finally {
    await closed.close()
  }
})

test('F14 the address in an answer is the socket’s, whatever headers claim', async () => {
  const answer = await fetch(`${door.url}/v1/objects/b/none`, {
    headers: { 'X-Forwarded-For': '10.9.8.7', 'X-Real-IP': '10.9.8.7', Forwarded: 'for=10.9.8.7' },
  })
  const text = await answer.text()
  expect(text).toContain('"remote_addr":"127.0.0.1:')
  expect(text).not.toContain('10.9.8.7')
})

test('F15 there are no debug paths', async () => {
  for (const path of ['/debug/pprof/', '/v1/debug', '/v1/heapdump']) {
    expect((await fetch(`${door.url}${path}`)).status).toBe(400)
  }
})

test('an error of our own says nothing but the request id, and is reported', async () => {
  const broken = await openTestDoor()
  try {
    broken.target.list = async () => {
      throw new TypeError('secret detail')
    }
    await fetch(`${broken.url}/v1/buckets/b`, { method: 'POST', body: '{"action":"create-bck"}' })
    const answer = await fetch(`${broken.url}/v1/buckets/b`)
    const text = await answer.text()
    expect(answer.status).toBe(500)
    expect(text).not.toContain('secret detail')
    expect(text).toContain(`"requestId":"${answer.headers.get('forebay-request-id')}"`)
    expect(broken.reported).toHaveLength(1)
  } finally {
    await broken.close()
  }
})

test('a signature in the query is not echoed in an error', async () => {
  const answer = await fetch(`${door.url}/v1/objects/b/none?X-Amz-Signature=abcdef0123`)
  expect(await answer.text()).not.toContain('abcdef0123')
})

test('a body that is not the signed one is refused, also when it was taken out', async () => {
  const headers = { 'x-amz-content-sha256': 'a'.repeat(64) }
  const put = await fetch(`${door.url}/v1/objects/b/signed`, { method: 'PUT', headers, body: 'x' })
  expect(put.status).toBe(400)
  expect(await put.json()).toMatchObject({ code: 'payload-hash-mismatch' })
  await fetch(`${door.url}/v1/objects/b/kept`, { method: 'PUT', body: 'x' })
  const stripped = await fetch(`${door.url}/v1/objects/b/kept`, { method: 'DELETE', headers })
  expect(stripped.status).toBe(400)
  expect((await fetch(`${door.url}/v1/objects/b/kept`)).status).toBe(200)
})
