import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { S3Node } from './s3-node.ts'

const code = (xml: string): string | undefined => /<Code>(\w+)<\/Code>/.exec(xml)?.[1]

const request = (method: string, target: string, headers: readonly string[] = []) =>
  `${[`${method} ${target} HTTP/1.1`, 'Host: 127.0.0.1', ...headers].join('\r\n')}\r\n\r\n`

describe('raw requests', () => {
  let open: S3Node
  let closed: S3Node

  beforeAll(async () => {
    open = await S3Node.start('open')
    closed = await S3Node.start('users')
    const made = await open.exchange(request('PUT', '/bucket', ['Content-Length: 0']))
    expect(made.text).toMatch(/^HTTP\/1\.1 200/)
  })
  afterAll(async () => {
    await open.close()
    await closed.close()
  })

  const put = (key: string, headers: readonly string[], body: string) =>
    request('PUT', `/bucket/${key}`, [`Content-Length: ${body.length}`, ...headers]) + body

  test.each([
    ['A01 two lengths', put('a1', ['Transfer-Encoding: chunked'], '0\r\n\r\n'), 400],
    ['A03 an unknown coding', request('PUT', '/bucket/a', ['Transfer-Encoding: xchunked']), 400],
    ['A05 two Content-Length', put('a5', ['Content-Length: 7'], 'hello'), 400],
    ['A07 a negative length', request('PUT', '/bucket/a', ['Content-Length: -1']), 400],
    ['A09 bare LF', 'GET /bucket HTTP/1.1\nHost: a\n\n', 400],
    ['A11 NUL in a header', request('GET', '/bucket', ['X-A: a\0b']), 400],
    ['A15 3,000 headers', request('GET', '/bucket', Array(3000).fill('X-A: abcdef')), 431],
    ['A17 no Host', 'GET /bucket HTTP/1.1\r\n\r\n', 400],
    ['A18 two Hosts', request('GET', '/bucket', ['Host: other']), 400],
    ['A19 an absolute target', request('GET', 'http://other.example/bucket'), 400],
    ['A20 a target without a slash', request('OPTIONS', '*'), 400],
    ['A21 TRACE', request('TRACE', '/bucket'), 405],
    ['A22 no version', 'GET /\r\n\r\n', 400],
    ['A23 HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
    ['CONNECT', request('CONNECT', 'other.example:443'), 405],
    ['another expectation is ignored', request('GET', '/bucket/%zz', ['Expect: tea']), 400],
    ['a broken escape', request('GET', '/bucket/%zz'), 400],
    ['invalid UTF-8', request('GET', '/bucket/%ff%fe'), 400],
    ['C07 NUL in a key', put('a%00b', [], 'x'), 400],
    ['C31 a bucket ..', request('PUT', '/%2e%2e', ['Content-Length: 0']), 400],
    ['C33 a bucket with a slash', request('PUT', '/a%2Fb', ['Content-Length: 0']), 400],
    ['D11 a garbled MD5', put('d11', ['Content-MD5: garbage'], 'hello'), 400],
    ['D13 a wrong CRC', put('d13', ['x-amz-checksum-crc32: AAAAAA=='], 'hello'), 400],
    ['D17 6 GiB', request('PUT', '/bucket/d17', [`Content-Length: ${6 * 1024 ** 3}`]), 400],
    ['D21 both conditions', put('d21', ['If-Match: "a"', 'If-None-Match: *'], 'x'), 501],
    ['D23 a class FOO', put('d23', ['x-amz-storage-class: FOO'], 'x'), 400],
    [
      'D25 a form',
      request('POST', '/bucket', ['Content-Type: multipart/form-data', 'Content-Length: 0']),
      400,
    ],
    [
      'a length that is missing',
      `${request('PUT', '/bucket/l', ['Transfer-Encoding: chunked'])}0\r\n\r\n`,
      411,
    ],
    ['?analytics', request('GET', '/bucket?analytics'), 501],
    ['a preflight without an origin', request('OPTIONS', '/bucket'), 400],
    [
      'a preflight of a bucket without rules',
      request('OPTIONS', '/bucket', ['Origin: http://a', 'Access-Control-Request-Method: GET']),
      403,
    ],
    ['E03 pprof', request('GET', '/debug/pprof/'), 404],
  ])('%s is refused with a document of the S3 API', async (_, bytes, status) => {
    const { text } = await open.exchange(bytes)
    expect(text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    expect(code(text)).toMatch(/^\w+$/)
    expect(text).toContain('<RequestId>')
    expect(text.match(/HTTP\/1\.1/g)).toHaveLength(1)
  })

  test.each(['tea', ''])('the expectation "%s" is ignored, as at S3', async (expectation) => {
    const { text } = await open.exchange(request('GET', '/bucket', [`Expect: ${expectation}`]))
    expect(text).toMatch(/^HTTP\/1\.1 200 /)
  })

  test('nothing that was refused was stored', async () => {
    const { text } = await open.exchange(request('GET', '/bucket?list-type=2'))
    expect(text).toContain('<KeyCount>0</KeyCount>')
  })

  test('A13: a chunk extension of 200 KB is refused', async () => {
    const body = `5;${'x'.repeat(200_000)}\r\nhello\r\n0\r\n\r\n`
    const { text, closed: ended } = await open.exchange(
      request('PUT', '/bucket/a13', [
        'Transfer-Encoding: chunked',
        'x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER',
        'x-amz-decoded-content-length: 5',
      ]) + body,
    )
    expect(text === '' || /^HTTP\/1\.1 4/.test(text)).toBe(true)
    expect(ended).toBe(true)
  })

  test('A25: a body that is cut leaves no object', async () => {
    await open.exchange(`${request('PUT', '/bucket/a25', ['Content-Length: 10'])}hello`, {
      end: true,
    })
    const { text } = await open.exchange(request('GET', '/bucket/a25'))
    expect(code(text)).toBe('NoSuchKey')
  })

  test('A27: who is refused is never told to send the body', async () => {
    const headers = ['Content-Length: 5', 'Expect: 100-continue']
    const refused = await closed.exchange(request('PUT', '/team-a/k', headers))
    expect(refused.text).toMatch(/^HTTP\/1\.1 403/)
    expect(code(refused.text)).toBe('AccessDenied')
    const unwanted = await open.exchange(request('PUT', '/absent/k', headers))
    expect(unwanted.text).toMatch(/^HTTP\/1\.1 404/)
    const wanted = await open.exchange(`${request('PUT', '/bucket/a27', headers)}hello`)
    expect(wanted.text).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK/)
  })

  test('A29: pipelined requests are answered in order', async () => {
    const { text } = await open.exchange(request('GET', '/bucket/a27') + request('GET', '/absent'))
    expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 404'])
  })

  test('what stands behind a whole request is refused after its answer', async () => {
    const behind = `${request('PUT', '/bucket/short', ['Content-Length: 4'])}hello, and more`
    const { text } = await open.exchange(behind)
    expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 400'])
    const { text: stored } = await open.exchange(
      request('GET', '/bucket/short', ['Connection: close']),
    )
    expect(stored.endsWith('\r\n\r\nhell')).toBe(true)
    const reading = await open.exchange(`${request('GET', '/bucket/short')}\0\0\0`)
    expect(reading.text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 400'])
  })

  test('a refused body is answered at once and the connection ends', async () => {
    const { text, closed: ended } = await open.exchange(
      request('PUT', '/absent/k', ['Content-Length: 1000000000']) + 'x'.repeat(100_000),
      { quietMs: 4000 },
    )
    expect(code(text)).toBe('NoSuchBucket')
    expect(text).toContain('Connection: close')
    expect(ended).toBe(true)
  })

  test('a client that stops sending is given up', async () => {
    const { text } = await open.exchange(
      `${request('PUT', '/bucket/slow', ['Content-Length: 10'])}hello`,
      { quietMs: 4000 },
    )
    expect(code(text)).toBe('RequestTimeout')
  })

  test('If-Range: the range of the version that the client has, else the whole object', async () => {
    const { text: stored } = await open.exchange(put('ifrange', [], '0123456789'))
    const etag = /ETag: (".*")/i.exec(stored)?.[1] ?? ''
    const read = (tag: string) =>
      open.exchange(request('GET', '/bucket/ifrange', ['Range: bytes=2-3', `If-Range: ${tag}`]))
    expect((await read(etag)).text).toMatch(/^HTTP\/1\.1 206 [\s\S]*\r\n\r\n23$/)
    expect((await read('"other"')).text).toMatch(/^HTTP\/1\.1 200 [\s\S]*\r\n\r\n0123456789$/)
  })

  test('forwarded headers mean nothing and are not echoed', async () => {
    const { text } = await open.exchange(
      request('GET', '/bucket', ['X-Forwarded-Host: evil.example', 'X-Forwarded-Proto: https']),
    )
    expect(text).toMatch(/^HTTP\/1\.1 200/)
    expect(text).not.toContain('evil')
  })

  test('virtual-host style: the Host header names the bucket', async () => {
    const { text } = await open.exchange('GET /a27 HTTP/1.1\r\nHost: bucket.s3.test:80\r\n\r\n')
    expect(text).toMatch(/hello$/)
    const native = await open.exchange('GET /v1/x HTTP/1.1\r\nHost: bucket.s3.test\r\n\r\n')
    expect(code(native.text)).toBe('NoSuchKey')
  })

  test('pages of other origins may do what the rules of the bucket say, and see errors too', async () => {
    const rule =
      '<CORSConfiguration><CORSRule><AllowedOrigin>http://page</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>'
    const length = `Content-Length: ${rule.length}`
    const set = await open.exchange(request('PUT', '/bucket?cors', [length]) + rule)
    expect(set.text).toMatch(/^HTTP\/1\.1 200/)
    const from = (origin: string, ...more: string[]) => [`Origin: ${origin}`, ...more]
    const preflight = 'Access-Control-Request-Method: GET'
    const allowed = await open.exchange(
      request('OPTIONS', '/bucket/k', from('http://page', preflight)),
    )
    expect(allowed.text).toMatch(/^HTTP\/1\.1 200 /)
    expect(allowed.text).toContain('Access-Control-Allow-Origin: http://page')
    const refused = await open.exchange(
      request('OPTIONS', '/bucket/k', from('http://other', preflight)),
    )
    expect(code(refused.text)).toBe('AccessForbidden')
    for (const key of ['a27', 'absent']) {
      const { text } = await open.exchange(request('GET', `/bucket/${key}`, from('http://page')))
      expect(text).toMatch(key === 'a27' ? /^HTTP\/1\.1 200 [\s\S]*hello$/ : /^HTTP\/1\.1 404 /)
      expect(text.match(/Access-Control-Allow-Origin: http:\/\/page/gi)).toHaveLength(1)
      const other = await open.exchange(request('GET', `/bucket/${key}`, from('http://other')))
      expect(other.text).not.toMatch(/Access-Control-Allow/i)
    }
  })

  test('an answer to HEAD has no body, whatever it is', async () => {
    const { text } = await open.exchange(request('HEAD', '/bucket/absent'))
    expect(text).toMatch(/^HTTP\/1\.1 404 [\s\S]*\r\n\r\n$/)
  })

  test('the other doors get only what was authenticated', async () => {
    expect((await open.exchange(request('GET', '/v1/daemon'))).text).toMatch(/native open$/)
    expect((await closed.exchange(request('GET', '/v1/daemon'))).text).toMatch(/^HTTP\/1\.1 403/)
    expect((await closed.exchange(request('GET', '/metrics'))).text).toMatch(/^HTTP\/1\.1 403/)
    expect((await closed.exchange(request('GET', '/v1/health'))).text).toMatch(/native nobody$/)
    expect((await closed.exchange(request('GET', '/%76%31/x'))).text).toMatch(/^HTTP\/1\.1 403/)
  })

  test.each([
    'Authorization: AWS4-HMAC-SHA256 Credential=AKROOT/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=00',
    'Authorization: Basic QUtST09UOnNlY3JldC1vZi1yb290LTAwMDE=',
    'Authorization: garbage',
    'X-Amz-Date: 20260101T000000Z',
  ])('with users nobody enters with %s', async (line) => {
    for (const [method, target] of [
      ['GET', '/'],
      ['GET', '/team-a'],
      ['PUT', '/team-a/k'],
      ['POST', '/team-a?delete'],
      ['DELETE', '/team-a/k'],
    ] as const) {
      const { text } = await closed.exchange(request(method, target, [line, 'Content-Length: 0']), {
        quietMs: 100,
      })
      expect(text).toMatch(/^HTTP\/1\.1 (400|403) /)
      expect(text).not.toContain('Signature=00')
    }
  })

  test('a preflight brings nobody in: it says what the rules of a bucket in the table say', async () => {
    const lines = ['Origin: http://a', 'Access-Control-Request-Method: PUT']
    const { text } = await closed.exchange(request('OPTIONS', '/remote-unknown/k', lines))
    expect(text).toMatch(/^HTTP\/1\.1 404 /)
    expect(closed.table.list()).toEqual([])
  })

  test('nothing unexpected happened', () => {
    expect(open.reports).toEqual([])
    expect(closed.reports).toEqual([])
  })
})
