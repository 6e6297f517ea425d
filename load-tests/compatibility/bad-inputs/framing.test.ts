import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { plain, type SignedRequest, signed, toBytes } from './raw-client.ts'
import { ADMIN, BadInputRig, BUCKETS, SECRETS } from './rig.ts'
import { judgeRow, type Row } from './rows.ts'

let rig: BadInputRig

beforeAll(async () => {
  rig = await BadInputRig.start()
})
afterAll(() => rig.close())

type At = Parameters<Row['send']>[1]

const put = ({ bucket, key }: At, headers = {}, body = 'hello'): SignedRequest =>
  signed({ method: 'PUT', target: `/${bucket}/${key}`, headers, body, keys: ADMIN, host: rig.host })

const withoutLength = { without: ['content-length'] }

/** Part A of the table: how the bytes of a message are framed. All are signed where they can be. */
const ROWS: readonly Row[] = [
  {
    title: 'A01 Content-Length and Transfer-Encoding together',
    send: (r, at) =>
      r.send(
        toBytes(put(at), { more: ['Transfer-Encoding: chunked'], body: '5\r\nhello\r\n0\r\n\r\n' }),
      ),
    want: /^400/,
  },
  {
    title: 'A02 a second request hidden behind a chunked body',
    send: (r, at) =>
      r.send(
        toBytes(put(at), {
          more: ['Transfer-Encoding: chunked'],
          body: `0\r\n\r\n${plain('GET', '/')}`,
        }),
      ),
    want: /^400/,
  },
  {
    title: 'A03 an unknown transfer coding',
    send: (r, at) =>
      r.send(toBytes(put(at), { ...withoutLength, more: ['Transfer-Encoding: xchunked'] })),
    want: /^(400|501)/,
  },
  {
    title: 'A04 chunked twice',
    send: (r, at) =>
      r.send(
        toBytes(put(at), {
          ...withoutLength,
          more: ['Transfer-Encoding: chunked, chunked'],
          body: '5\r\nhello\r\n0\r\n\r\n',
        }),
      ),
    want: /^(400|411|501)/,
  },
  {
    title: 'A05 two different Content-Length',
    send: (r, at) => r.send(toBytes(put(at), { more: ['Content-Length: 7'] })),
    want: /^400/,
  },
  {
    title: 'A06 the same Content-Length in a list',
    send: (r, at) => r.send(toBytes(put(at), { ...withoutLength, more: ['Content-Length: 5, 5'] })),
    want: /^400/,
  },
  {
    title: 'A07 a negative Content-Length',
    send: (r, at) => r.send(toBytes(put(at), { ...withoutLength, more: ['Content-Length: -1'] })),
    want: /^400/,
  },
  {
    title: 'A08 a Content-Length that is no number',
    send: (r, at) => r.send(toBytes(put(at), { ...withoutLength, more: ['Content-Length: 0x5'] })),
    want: /^400/,
  },
  {
    title: 'A09 bare line feeds',
    send: (r, { bucket }) => r.send(`GET /${bucket} HTTP/1.1\nHost: a\n\n`),
    want: /^400/,
  },
  {
    title: 'A10 a folded header',
    send: (r, at) => r.send(toBytes(put(at), { more: ['X-A: b', ' c'] })),
    want: /^400/,
  },
  {
    title: 'A11 NUL in a header',
    send: (r, at) => r.send(toBytes(put(at), { more: ['X-A: a\0b'] })),
    want: /^400/,
  },
  {
    title: 'A12 a chunk size that is no number',
    send: (r, at) =>
      r.send(
        toBytes(put(at), {
          ...withoutLength,
          more: ['Transfer-Encoding: chunked'],
          body: 'zz\r\nhello\r\n0\r\n\r\n',
        }),
      ),
    want: /^(400|411|closed)/,
  },
  {
    title: 'A13 a chunk extension of 200 KB',
    send: (r, at) =>
      r.send(
        toBytes(put(at), {
          ...withoutLength,
          more: ['Transfer-Encoding: chunked'],
          body: `5;${'x'.repeat(200_000)}\r\nhello\r\n0\r\n\r\n`,
        }),
      ),
    want: /^(400|411|413|closed)/,
  },
  {
    title: 'A14 a request line of 64 KB',
    send: (r, { bucket }) => r.send(plain('GET', `/${bucket}/${'x'.repeat(65_536)}`)),
    want: /^(400|414|431)/,
  },
  {
    title: 'A15 3,000 headers',
    send: (r, { bucket }) => r.send(plain('GET', `/${bucket}`, Array(3000).fill('X-A: abcdef'))),
    want: /^(400|431)/,
  },
  {
    title: 'A16 one header of 64 KB',
    send: (r, { bucket }) => r.send(plain('GET', `/${bucket}`, [`X-A: ${'x'.repeat(65_536)}`])),
    want: /^(400|431)/,
  },
  {
    title: 'A17 no Host',
    send: (r, { bucket }) => r.send(`GET /${bucket} HTTP/1.1\r\n\r\n`),
    want: /^400/,
  },
  {
    title: 'A18 two Hosts',
    send: (r, at) => r.send(toBytes(put(at), { more: ['Host: other.example'] })),
    want: /^400/,
  },
  {
    title: 'A19 the absolute target of another host',
    send: (r, { bucket }) => r.send(plain('GET', `http://other.example/${bucket}`)),
    want: /^40[034]/,
  },
  {
    title: 'A20 a target without a slash',
    send: (r) => r.send(plain('GET', 'bucket')),
    want: /^400/,
  },
  { title: 'A21 TRACE', send: (r) => r.send(plain('TRACE', '/')), want: /^(400|403|405|501)/ },
  {
    title: 'A22 a request without a version',
    send: (r) => r.send('GET /\r\n\r\n'),
    want: /^(400|505|closed)/,
  },
  {
    title: 'A23 the preface of HTTP/2',
    send: (r) => r.send('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    want: /^(400|505|closed)/,
  },
  {
    title: 'A24 a version that there is not',
    send: (r, { bucket }) => r.send(`GET /${bucket} HTTP/9.9\r\nHost: a\r\n\r\n`),
    want: /^(400|505)/,
  },
  {
    title: 'A25 a body that is cut',
    send: (r, at) =>
      r.send(
        toBytes(put(at, { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' }, 'hello67890'), {
          body: 'hello',
        }),
        { end: true, quietMs: 1000 },
      ),
    want: /^(400|closed)/,
  },
  {
    title: 'A26 a body that goes on behind its length',
    send: (r, at) => r.send(toBytes(put(at), { body: 'hello and more\r\n\r\n' })),
    // What follows is a bad second request: the first one stands, or falls whole with it.
    want: /^(200|400)/,
    stored: /^(200|404 NoSuchKey)$/,
  },
  {
    title: 'A27 Expect with a bad signature',
    send: async (r, at) => {
      const bytes = toBytes(put(at, { expect: '100-continue' }), { body: '' })
      const spoilt = bytes.toString('latin1').replace(/Signature=\w{4}/, 'Signature=0000')
      const reply = await r.send(spoilt)
      return { ...reply, outcome: / 100 /.test(reply.text) ? 'told to continue' : reply.outcome }
    },
    want: /^403 SignatureDoesNotMatch/,
  },
  {
    title: 'A28 an expectation that there is not, which S3 ignores, with a bad signature',
    send: (r, at) => {
      const bytes = toBytes(put(at), { more: ['Expect: tea'] }).toString('latin1')
      return r.send(bytes.replace(/Signature=\w{4}/, 'Signature=0000'))
    },
    want: /^403 SignatureDoesNotMatch/,
  },
]

describe.each(BUCKETS)('bytes of a message to the bucket %s', (bucket) => {
  test.each(ROWS)('$title: refused, and nothing is left', async (row) => {
    expect(await judgeRow(rig, row, bucket)).toEqual([])
  })
})

test('A29 two pipelined requests are answered in order', async () => {
  const get = (target: string) =>
    toBytes(signed({ method: 'GET', target, keys: ADMIN, host: rig.host })).toString('latin1')
  const both = get('/native') + get('/native/absent')
  const { text } = await rig.send(both, { quietMs: 500, pipelined: true })
  expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 404'])
})

test('A30 a hundred pipelined requests, one of them bad, end with the bad one', async () => {
  const good = plain('GET', '/v1/health')
  const { text } = await rig.send(`${good.repeat(50)}garbage\r\n\r\n${good.repeat(49)}`, {
    quietMs: 800,
    pipelined: true,
  })
  const answers = text.match(/HTTP\/1\.1 \d+/g) ?? []
  expect(answers.filter((line) => line.endsWith('200')).length).toBeLessThanOrEqual(50)
  expect(answers.at(-1)).toBe('HTTP/1.1 400')
})

test('E05, G14: the server still answers and has told no secret', async () => {
  expect((await rig.ask('GET', '/native')).outcome).toBe('200')
  const said = await rig.said()
  for (const secret of SECRETS) expect(secret.exec(said)?.[0]).toBeUndefined()
})
