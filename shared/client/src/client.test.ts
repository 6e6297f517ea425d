import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { formatObjectUrl, parseObjectUrl } from './address.ts'
import { ForebayClient } from './client.ts'
import { ForebayError } from './forebay-error.ts'
import type { StreamBody } from './transport.ts'

interface Seen {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()))
})

/** A server on loopback that answers by script and remembers what it was asked. */
async function serve(
  answer: (seen: Seen, response: ServerResponse) => void,
): Promise<{ readonly url: string; readonly seen: Seen[] }> {
  const seen: Seen[] = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const { method = '', url = '', headers } = request
    const one = { method, url, headers, body: Buffer.concat(chunks).toString() }
    seen.push(one)
    answer(one, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closers.push(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  // Listening on an IP address, a server's address is never a pipe name.
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, seen }
}

function streamOf(text: string): StreamBody {
  return {
    lengthBytes: text.length,
    open: () => new Blob([text]).stream(),
  }
}

async function failureOf(promise: Promise<unknown>): Promise<ForebayError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (error instanceof ForebayError) return error
  throw new Error(`expected a ForebayError, got ${String(error)}`)
}

const AIS = { name: 'b', provider: 'ais' } as const

test('a stream is sent whole again to where a 307 points, with its length', async () => {
  const target = await serve((_seen, response) => response.end())
  const gateway = await serve((seen, response) =>
    response.writeHead(307, { location: `${target.url}${seen.url}&pid=x` }).end(),
  )
  const client = new ForebayClient({ endpoint: gateway.url })
  await client.objects.put({ bucket: AIS, key: 'o' }, streamOf('hello world'))
  expect(target.seen).toMatchObject([
    {
      method: 'PUT',
      url: '/v1/objects/b/o?provider=ais&pid=x',
      body: 'hello world',
      headers: { 'content-length': '11' },
    },
  ])
})

test('redirects that never end are given up', async () => {
  const server = await serve((seen, response) =>
    response.writeHead(307, { location: seen.url }).end(),
  )
  const client = new ForebayClient({ endpoint: server.url })
  const error = await failureOf(client.objects.head({ bucket: AIS, key: 'o' }))
  expect(error.code).toBe('redirect-loop')
  expect(server.seen).toHaveLength(5)
})

test('a bearer token is not sent to another host', async () => {
  const other = await serve((_seen, response) => response.end())
  const gateway = await serve((_seen, response) =>
    response.writeHead(307, { location: other.url.replace('127.0.0.1', 'localhost') }).end(),
  )
  const client = new ForebayClient({ endpoint: gateway.url, token: 'secret' })
  await client.objects.head({ bucket: AIS, key: 'o' })
  expect(gateway.seen[0]?.headers.authorization).toBe('Bearer secret')
  expect(other.seen[0]?.headers.authorization).toBeUndefined()
})

test.each([
  ['a b/ü+?.txt', '/v1/objects/b/a%20b/%C3%BC%2B%3F.txt?provider=ais'],
  ['a/../b', '/v1/objects/b?provider=ais&key=a%2F..%2Fb'],
  ['dir/', '/v1/objects/b?provider=ais&key=dir%2F'],
  ['a//b', '/v1/objects/b?provider=ais&key=a%2F%2Fb'],
  ['%2e%2e', '/v1/objects/b/%252e%252e?provider=ais'],
])('the key %s is sent so that nobody on the way rewrites it', async (key, url) => {
  const server = await serve((_seen, response) => response.end())
  await new ForebayClient({ endpoint: server.url }).objects.delete({ bucket: AIS, key })
  expect(server.seen[0]?.url).toBe(url)
})

test('a refusal becomes an error with code, status, hint and request id', async () => {
  const server = await serve((_seen, response) => {
    response.writeHead(404, { 'content-type': 'application/json' }).end(
      JSON.stringify({
        tcode: 'ErrNotFound',
        message: 'ais://b/o does not exist',
        code: 'object-not-found',
        hint: 'look elsewhere',
        requestId: 'R1',
        status: 404,
      }),
    )
  })
  const client = new ForebayClient({ endpoint: server.url })
  expect(await failureOf(client.objects.get({ bucket: AIS, key: 'o' }))).toMatchObject({
    message: 'ais://b/o does not exist',
    code: 'object-not-found',
    status: 404,
    hint: 'look elsewhere',
    requestId: 'R1',
    retryable: false,
  })
})

test('the error of a HEAD is read from its header; AIStore’s class serves as code', async () => {
  const server = await serve((_seen, response) => {
    const error = JSON.stringify({ tcode: 'ErrBckNotFound', message: 'bucket "ais://b" is not' })
    response.writeHead(404, { 'Hdr-Error': error }).end()
  })
  const client = new ForebayClient({ endpoint: server.url })
  expect(await failureOf(client.objects.head({ bucket: AIS, key: 'o' }))).toMatchObject({
    code: 'ErrBckNotFound',
    message: 'bucket "ais://b" is not',
  })
})

test('a page of a proxy in between is an error too', async () => {
  const server = await serve((_seen, response) => response.writeHead(502).end('<html>'))
  const client = new ForebayClient({ endpoint: server.url })
  expect(await failureOf(client.status())).toMatchObject({ code: 'http-502', status: 502 })
  const other = await serve((_seen, response) => response.end('<html>'))
  const confused = new ForebayClient({ endpoint: other.url })
  expect(await failureOf(confused.status())).toMatchObject({ code: 'answer-malformed' })
})

test('nobody listening is told as such, an abort rejects with its own reason', async () => {
  const server = await serve((_seen, response) => response.end())
  await closers.pop()?.()
  const client = new ForebayClient({ endpoint: server.url })
  expect(await failureOf(client.status())).toMatchObject({
    code: 'unreachable',
    retryable: true,
    message: expect.stringContaining('ECONNREFUSED'),
  })
  const signal = AbortSignal.abort(new Error('enough'))
  await expect(client.status({ signal })).rejects.toThrow('enough')
})

test('a listing is fetched page by page, with the same uuid, until the token is empty', async () => {
  const server = await serve((seen, response) => {
    const second = seen.url.includes('continuation_token=b')
    response.end(
      JSON.stringify({
        uuid: 'ABCDEFGH12',
        continuation_token: second ? '' : 'b',
        entries: second
          ? [{ name: 'c/', flags: 256 }]
          : [
              {
                name: 'a',
                size: '5',
                flags: 64,
                'custom-md': '[ETag:tag LastModified:2026-11-21T02:23:00Z]',
              },
              { name: 'b', size: '9007199254740991' },
            ],
        flags: 0,
      }),
    )
  })
  const client = new ForebayClient({ endpoint: server.url })
  const found = await Array.fromAsync(client.objects.list(AIS, { prefix: 'p/', flat: true }))
  expect(found).toEqual([
    {
      key: 'a',
      directory: false,
      sizeBytes: 5,
      etag: 'tag',
      lastModified: '2026-11-21T02:23:00Z',
    },
    { key: 'b', directory: false, sizeBytes: Number.MAX_SAFE_INTEGER },
    { key: 'c/', directory: true, sizeBytes: 0 },
  ])
  const query = (at: number): URLSearchParams =>
    new URL(server.seen[at]?.url ?? '', server.url).searchParams
  expect(query(0).get('prefix')).toBe('p/')
  expect(query(0).get('flags')).toBe('2048')
  expect(query(1).get('uuid')).toBe('ABCDEFGH12')
  expect(server.seen).toHaveLength(2)
})

test('custom metadata survives being joined by fetch', async () => {
  const server = await serve((_seen, response) => {
    response.writeHead(200, {
      'Ais-Custom-Md': ['source=aws', 'Last-Modified=Sat, 21 Nov 2026 02:23:00 GMT', 'k=a=b'],
      'Content-Length': '3',
    })
    response.end()
  })
  const client = new ForebayClient({ endpoint: server.url })
  const info = await client.objects.head({ bucket: AIS, key: 'o' })
  expect(info.sizeBytes).toBe(3)
  expect(info.metadata).toEqual({
    source: 'aws',
    'Last-Modified': 'Sat, 21 Nov 2026 02:23:00 GMT',
    k: 'a=b',
  })
})

test('URLs name provider, bucket and key; nothing in a key is decoded', () => {
  expect(parseObjectUrl('s3://b/a%20b//c')).toEqual({
    bucket: { name: 'b', provider: 'aws' },
    key: 'a%20b//c',
  })
  expect(parseObjectUrl('fb://nick').bucket.provider).toBeUndefined()
  expect(formatObjectUrl({ name: 'b', provider: 'aws' }, 'k')).toBe('s3://b/k')
  for (const text of ['b/k', 'ftp://b/k', 's3:///k', '', 'constructor://b']) {
    expect(() => parseObjectUrl(text)).toThrow('not a bucket or object URL')
  }
})

test('an endpoint may leave out http:// and must be one', () => {
  expect(new ForebayClient({ endpoint: '127.0.0.1:8080' }).endpoint).toBe('http://127.0.0.1:8080')
  expect(() => new ForebayClient({ endpoint: 'ftp://x' })).toThrow('not the URL of an endpoint')
  expect(() => new ForebayClient({ endpoint: '' })).toThrow('not the URL of an endpoint')
})
