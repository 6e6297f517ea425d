import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { openTestDoor, sendRaw, type TestDoor } from './testing/test-door.ts'

let door: TestDoor
const lists: unknown[] = []

beforeAll(async () => {
  door = await openTestDoor()
  lists.push(await call('POST', '/v1/buckets/b?provider=ais', { action: 'create-bck' }))
})
afterAll(() => door.close())

function call(method: string, path: string, message?: unknown): Promise<Response> {
  return fetch(`${door.url}${path}`, {
    method,
    ...(message === undefined ? {} : { body: JSON.stringify(message) }),
  })
}

/** Sends a GET with a body, as AIStore's clients do and fetch cannot. */
async function getWithBody(path: string, body: string, headers = ''): Promise<string> {
  return sendRaw(
    door.port,
    `GET ${path} HTTP/1.1\r\nHost: h\r\nContent-Length: ${body.length}\r\n${headers}\r\n${body}`,
  )
}

function bodyOf(raw: string): unknown {
  return JSON.parse(raw.slice(raw.indexOf('\r\n\r\n') + 4))
}

test('a bucket can be made, is listed as AIStore lists it, and cannot be made twice', async () => {
  const listed = await call('GET', '/v1/buckets?provider=ais')
  expect(await listed.json()).toEqual([
    { name: 'b', provider: 'ais', namespace: { uuid: '', name: '' } },
  ])
  const again = await call('POST', '/v1/buckets/b', { action: 'create-bck', name: '', value: null })
  expect(again.status).toBe(409)
  expect(await again.json()).toMatchObject({
    tcode: 'ErrBucketAlreadyExists',
    message: 'bucket "ais://b" already exists',
    method: 'POST',
    url_path: '/v1/buckets/b',
    caller: '',
    node: 'p[NODE00000001]',
    status: 409,
  })
})

test('a GET that carries its message in a body is answered', async () => {
  const message = '{"action":"list","name":"","value":null}'
  const raw = await getWithBody('/v1/buckets/?presence=2', message)
  expect(raw).toMatch(/^HTTP\/1\.1 200 /)
  expect(bodyOf(raw)).toEqual([{ name: 'b', provider: 'ais', namespace: { uuid: '', name: '' } }])
})

test('field names of a message match in any case and unknown fields are ignored', async () => {
  const raw = await getWithBody('/v1/buckets', '{"Action":"list","NAME":"other","Extra":1}')
  expect(bodyOf(raw)).toEqual([])
})

test('an object put as labelled JSON is stored as it is and comes back with its checksum', async () => {
  const put = await fetch(`${door.url}/v1/objects/b/dir/o?provider=ais`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: 'hello world',
  })
  expect(put.status).toBe(200)
  expect(put.headers.get('ais-checksum-type')).toBe('xxhash2')
  expect(put.headers.get('ais-checksum-value')).toBe('45ab6734b21e6968')
  const got = await call('GET', '/v1/objects/b/dir/o?provider=ais')
  expect(await got.text()).toBe('hello world')
  expect(got.headers.get('content-type')).toBe('application/octet-stream')
  expect(got.headers.get('ais-checksum-value')).toBe('45ab6734b21e6968')
  expect(got.headers.get('etag')).toBeNull()
  expect(got.headers.get('forebay-cache')).toBe('hit')
})

test('one range is answered with 206, one behind the end with 416 and the size', async () => {
  await call('PUT', '/v1/objects/b/range', 'x')
  await fetch(`${door.url}/v1/objects/b/range`, { method: 'PUT', body: '0123456789' })
  const part = await fetch(`${door.url}/v1/objects/b/range`, { headers: { range: 'bytes=2-4' } })
  expect(part.status).toBe(206)
  expect(part.headers.get('content-range')).toBe('bytes 2-4/10')
  expect(await part.text()).toBe('234')
  const beyond = await fetch(`${door.url}/v1/objects/b/range`, { headers: { range: 'bytes=10-' } })
  expect(beyond.status).toBe(416)
  expect(beyond.headers.get('content-range')).toBe('bytes */10')
  expect(await beyond.json()).toMatchObject({ tcode: 'ErrRangeNotSatisfiable' })
})

test('an absent object is refused in the words from which the Python client makes its class', async () => {
  const got = await call('GET', '/v1/objects/b/none?provider=ais')
  expect(got.status).toBe(404)
  expect(await got.json()).toMatchObject({
    tcode: 'ErrNotFound',
    message: 'ais://b/none does not exist',
  })
  const gone = await call('DELETE', '/v1/objects/b/none')
  expect(gone.status).toBe(404)
  const bucket = await call('GET', '/v1/objects/nob/none')
  expect(await bucket.json()).toMatchObject({
    tcode: 'ErrBckNotFound',
    message: 'bucket "ais://nob" does not exist',
  })
})

test('a body whose stated checksum is wrong is refused with 400 and not stored', async () => {
  const put = await fetch(`${door.url}/v1/objects/b/bad`, {
    method: 'PUT',
    headers: { 'Ais-Checksum-Type': 'xxhash', 'Ais-Checksum-Value': '45ab6734b21e6969' },
    body: 'hello world',
  })
  expect(put.status).toBe(400)
  expect(await put.json()).toMatchObject({ tcode: 'ErrBadCksum' })
  expect((await call('GET', '/v1/objects/b/bad')).status).toBe(404)
})

test('a body that breaks off is not stored', async () => {
  const raw = sendRaw(
    door.port,
    'PUT /v1/objects/b/cut HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n12345',
  )
  await raw
  expect((await call('GET', '/v1/objects/b/cut')).status).toBe(404)
})

test('HEAD tells size and presence, of the properties only those asked for, and errors in a header', async () => {
  await fetch(`${door.url}/v1/objects/b/head`, { method: 'PUT', body: 'hello world' })
  const all = await call('HEAD', '/v1/objects/b/head')
  expect(Object.fromEntries(all.headers)).toMatchObject({
    'content-length': '11',
    'ais-name': 'head',
    'ais-bucket-name': 'b',
    'ais-bucket-provider': 'ais',
    'ais-present': 'true',
    'ais-mirror-copies': '1',
    'ais-mirror-paths': '[/mp1]',
    'ais-location': 't[NODE00000001]:mp[/mp1]',
    'ais-atime': '1795229892500000000',
  })
  const some = await call('HEAD', '/v1/objects/b/head?props=size,etag')
  expect(some.headers.get('ais-present')).toBe('true')
  expect(some.headers.get('etag')).toBe('"tag-1"')
  expect(some.headers.get('ais-name')).toBeNull()
  expect((await call('HEAD', '/v1/objects/b/head?props=cached')).status).toBe(400)
  const none = await call('HEAD', '/v1/objects/b/none')
  expect(none.status).toBe(404)
  expect(JSON.parse(none.headers.get('hdr-error') ?? '')).toMatchObject({
    message: 'ais://b/none does not exist',
  })
})

test('custom metadata comes as one header line a pair and goes back the same way', async () => {
  await sendRaw(
    door.port,
    'PUT /v1/objects/b/md HTTP/1.1\r\nHost: h\r\nAis-Custom-Md: k1=v1\r\nAis-Custom-Md: k2=a, b=c\r\nContent-Length: 0\r\n\r\n',
  )
  const raw = await sendRaw(door.port, 'HEAD /v1/objects/b/md HTTP/1.1\r\nHost: h\r\n\r\n')
  expect(raw.match(/^Ais-Custom-Md: .*$/gm)?.map((line) => line.trim())).toEqual([
    'Ais-Custom-Md: k1=v1',
    'Ais-Custom-Md: k2=a, b=c',
  ])
})

test('a listing goes on from its token and keeps its uuid', async () => {
  await call('POST', '/v1/buckets/pages', { action: 'create-bck' })
  for (const name of ['a', 'b', 'c']) {
    await fetch(`${door.url}/v1/objects/pages/${name}`, { method: 'PUT', body: 'xy' })
  }
  const first = bodyOf(
    await getWithBody(
      '/v1/buckets/pages?provider=ais',
      '{"action":"list","name":"","value":{"prefix":"","pagesize":2,"flags":"0","props":"name,size"}}',
    ),
  )
  expect(first).toMatchObject({
    uuid: expect.stringMatching(/^[0-9A-Z]{12}$/),
    continuation_token: 'b',
    entries: [
      { name: 'a', size: '2', flags: 64 },
      { name: 'b', size: '2', flags: 64 },
    ],
    flags: 0,
  })
  const second = await call(
    'GET',
    '/v1/buckets/pages?continuation_token=b&uuid=ABCDEFGH12&props=name',
  )
  expect(await second.json()).toEqual({
    uuid: 'ABCDEFGH12',
    continuation_token: '',
    entries: [{ name: 'c', flags: 64 }],
    flags: 0,
  })
})

test('MessagePack is sent to those who ask for it', async () => {
  const raw = await getWithBody(
    '/v1/buckets/pages?provider=ais',
    '{"action":"list","value":{"uuid":"ABCDEFGH12","props":"name,size"}}',
    'Accept: application/msgpack\r\n',
  )
  expect(raw).toMatch(/^content-type: application\/msgpack\r$/im)
  const body = Buffer.from(raw.slice(raw.indexOf('\r\n\r\n') + 4), 'latin1')
  expect(body.subarray(0, 17).toString('latin1')).toBe('\x84\xa4UUID\xaaABCDEFGH12')
})

test('what is not built answers 501, never success', async () => {
  const answers = await Promise.all([
    call('POST', '/v1/buckets/b', { action: 'copy-bck' }),
    call('PUT', '/v1/buckets/b', { action: 'archive' }),
    call('DELETE', '/v1/buckets/b', { action: 'delete-listrange', value: {} }),
    call('PATCH', '/v1/objects/b/o', { action: '', value: { k: 'v' } }),
    call('POST', '/v1/objects/b/o', { action: 'mpt-upload' }),
    call('GET', '/v1/objects/b/o?etl_name=x'),
    fetch(`${door.url}/v1/objects/b/o?append_type=append`, { method: 'PUT', body: 'x' }),
    call('GET', '/v1/cluster?what=status_all'),
    call('GET', '/v1/etl'),
  ])
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 501))
  expect((await call('GET', '/v1/objects/b/dir/o?archpath=&archregx=')).status).toBe(200)
})

test('a method that a path does not take is named with those that it takes', async () => {
  const answer = await call('PUT', '/v1/health')
  expect(answer.status).toBe(405)
  expect(answer.headers.get('allow')).toBe('GET, HEAD')
})

test('the map of one node names it as primary at the address that the client used', async () => {
  const answer = await call('GET', '/v1/daemon?what=smap')
  const net = { node_ip_addr: '127.0.0.1', daemon_port: String(door.port), direct_url: door.url }
  expect(await answer.json()).toMatchObject({
    uuid: 'CLUSTER00001',
    version: '1',
    proxy_si: { daemon_id: 'NODE00000001', daemon_type: 'proxy', public_net: net },
    tmap: { NODE00000001: { daemon_type: 'target', flags: 0 } },
  })
  const unknown = await call('GET', '/v1/daemon?what=everything')
  expect(unknown.status).toBe(400)
})

test('health is alive before it is ready', async () => {
  let ready = false
  const other = await openTestDoor({ ready: () => ready })
  try {
    const live = await fetch(`${other.url}/v1/health`)
    expect(live.status).toBe(200)
    expect(Number(live.headers.get('ais-node-uptime'))).toBeGreaterThanOrEqual(5e9)
    expect((await fetch(`${other.url}/v1/health?readiness=true`)).status).toBe(503)
    ready = true
    expect((await fetch(`${other.url}/v1/health?prr=True`)).status).toBe(200)
  } finally {
    await other.close()
  }
})

test('why a node is not ready names disks and buckets: whoever may read nothing is not told', async () => {
  const told = async (allowed: boolean): Promise<string> => {
    const other = await openTestDoor({ ready: () => false, allows: () => allowed })
    const answer = await fetch(`${other.url}/v1/health?readiness=true`)
    await other.close()
    expect(answer.status).toBe(503)
    return answer.text()
  }
  expect(await told(true)).toContain('not ready: the index')
  const refused = await told(false)
  expect(refused).toContain('not ready')
  expect(refused).not.toContain('index')
})

test('properties can be read, set, reset; a refused change changes nothing', async () => {
  await call('POST', '/v1/buckets/src?provider=aws', {
    action: 'create-bck',
    value: { extra: { aws: { cloud_region: 'eu-1' } }, forebay: { aliases: ['nick'] } },
  })
  const read = async (): Promise<unknown> => {
    const head = await call('HEAD', '/v1/buckets/src?provider=aws')
    return JSON.parse(head.headers.get('ais-bucket-props') ?? '')
  }
  expect(await read()).toMatchObject({
    provider: 'aws',
    extra: { aws: { cloud_region: 'eu-1' } },
    forebay: { revalidate: 'after 5m', aliases: ['nick'], backend: { bucket: 'src' } },
  })
  const set = { action: 'set-bprops', value: { forebay: { revalidate: 'never', cache: 'bypass' } } }
  expect((await call('PATCH', '/v1/buckets/src?provider=aws', set)).status).toBe(200)
  expect(await read()).toMatchObject({ forebay: { revalidate: 'never', cache: 'bypass' } })
  const bad = {
    action: 'set-bprops',
    value: { forebay: { cache: 'read-only', blockSize: '5MiB' } },
  }
  expect((await call('PATCH', '/v1/buckets/src?provider=aws', bad)).status).toBe(400)
  expect(await read()).toMatchObject({ forebay: { cache: 'bypass', blockSize: '4MiB' } })
  await call('PATCH', '/v1/buckets/src?provider=aws', { action: 'reset-bprops', value: null })
  expect(await read()).toMatchObject({ forebay: { revalidate: 'after 5m', cache: 'read-write' } })
})

test('a bucket of a backend that is not there cannot be added; one that is, only forgotten', async () => {
  const absent = await call('POST', '/v1/buckets/nowhere?provider=aws', { action: 'create-bck' })
  expect(absent.status).toBe(404)
  expect(await absent.json()).toMatchObject({ tcode: 'ErrRemoteBckNotFound' })
  await call('POST', '/v1/buckets/there?provider=aws', { action: 'create-bck' })
  const destroy = await call('DELETE', '/v1/buckets/there?provider=aws', { action: 'destroy-bck' })
  expect(destroy.status).toBe(400)
  const evict = await call('DELETE', '/v1/buckets/there?provider=aws', {
    action: 'evict-remote-bck',
  })
  expect(evict.status).toBe(200)
  expect((await call('HEAD', '/v1/buckets/there?provider=aws')).status).toBe(404)
  const native = await call('DELETE', '/v1/buckets/b', { action: 'evict-remote-bck' })
  expect(await native.json()).toMatchObject({ tcode: 'ErrNotRemoteBck', status: 400 })
})

test('explain, status, config, buckets and metrics answer', async () => {
  await fetch(`${door.url}/v1/objects/b/why`, { method: 'PUT', body: 'abc' })
  const explain = await call('GET', '/v1/forebay/explain?bucket=b&key=why')
  expect(await explain.json()).toMatchObject({ state: 'whole', key: 'why', sizeBytes: 3 })
  const status = await call('GET', '/v1/forebay/status')
  expect(await status.json()).toMatchObject({ ready: true, cache: { hits: 3 } })
  const log = await call('GET', '/v1/forebay/log')
  expect(await log.json()).toEqual({ lines: [] })
  const config = await call('GET', '/v1/forebay/config')
  expect(await config.json()).toEqual([{ key: 'dataDir', value: '/data', origin: 'default' }])
  expect(await (await call('GET', '/metrics')).text()).toBe('forebay_up 1\n')
})

test('every answer is told to the access log, under an operation of a fixed set', async () => {
  // The client may have an answer before the server knows that it is out.
  const lastTold = (facts: Readonly<Record<string, unknown>>) =>
    vi.waitFor(() => {
      const told = door.answered.at(-1)
      expect(told).toMatchObject(facts)
      return told
    })
  await fetch(`${door.url}/v1/objects/b/log`, { method: 'PUT', body: 'abc' })
  await lastTold({
    operation: 'v1.put.objects',
    bucket: 'b',
    key: 'log',
    status: 200,
    bytesIn: 3,
    errorCode: undefined,
  })
  const got = await call('GET', '/v1/objects/b/log?X-Amz-Signature=0123')
  await got.text()
  const told = await lastTold({ operation: 'v1.get.objects', bytesOut: 3, cache: 'hit' })
  expect(told?.requestId).toBe(got.headers.get('forebay-request-id'))
  expect(JSON.stringify(told)).not.toContain('0123')
  await call('GET', '/v1/whatever-strangers-ask')
  await lastTold({ operation: 'v1.get.other', errorCode: 'uri-invalid' })
})

test('refusals are no faults of the node', async () => {
  const before = door.reported.length
  const other = await openTestDoor({ ready: () => false })
  await fetch(`${other.url}/v1/health?readiness=true`)
  expect(other.reported).toEqual([])
  await other.close()
  await call('GET', '/v1/objects/b/none')
  expect(door.reported).toHaveLength(before)
})
