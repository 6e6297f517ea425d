import { crc32 } from 'node:zlib'
import { chunkedHeaders, encodeChunked } from '@forebay/s3/chunked/encoder'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { plain, presigned, type Reply, type Signing, signed, toBytes } from './raw-client.ts'
import { ADMIN, BadInputRig, BUCKETS, type BucketName, READER, SECRETS } from './rig.ts'
import { judgeRow, type Row } from './rows.ts'

let rig: BadInputRig

beforeAll(async () => {
  rig = await BadInputRig.start()
})
afterAll(() => rig.close())

type At = Parameters<Row['send']>[1]
const MINUTE_MS = 60_000

const put = ({ bucket, key }: At, more: Partial<Signing> = {}) =>
  signed({
    ...{ method: 'PUT', target: `/${bucket}/${key}`, body: 'hello', keys: ADMIN, host: rig.host },
    ...more,
  })

const minutes = (count: number): Date => new Date(Date.now() + count * MINUTE_MS)

const link = ({ bucket, key }: At, more: Partial<Parameters<typeof presigned>[0]> = {}): string =>
  presigned({
    ...{ method: 'PUT', target: `/${bucket}/${key}`, keys: ADMIN, host: rig.host },
    ...more,
  })

const unsignedPut = (target: string, headers: readonly string[] = [], body = 'hello'): string =>
  plain('PUT', target, [...headers, `Content-Length: ${body.length}`]).replace(
    'Host: 127.0.0.1',
    `Host: ${rig.host}`,
  ) + body

const CRC = (() => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(crc32('hello'))
  return bytes.toString('base64')
})()

type Chunked = {
  readonly signed?: boolean
  readonly trailers?: Readonly<Record<string, string>>
  readonly change?: (body: string) => string
  readonly headers?: Readonly<Record<string, string>>
  readonly pieces?: readonly Buffer[]
}

/** A body in chunks, its framing changed after it was signed. */
function chunked(rigAt: BadInputRig, at: At, options: Chunked = {}): Promise<Reply> {
  const { trailers, change = (body) => body, pieces = [Buffer.from('hello')] } = options
  const isSigned = options.signed === true
  const size = pieces.reduce((sum, piece) => sum + piece.length, 0)
  const framing = chunkedHeaders(size, {
    signed: isSigned,
    trailerNames: Object.keys(trailers ?? {}),
  })
  const { 'x-amz-content-sha256': payload = '', ...headers } = { ...framing, ...options.headers }
  const date = new Date()
  const request = put(at, { headers, payload, body: '', date })
  const seedSignature = /Signature=(\w+)/.exec(request.headers['authorization'] ?? '')?.[1] ?? ''
  const signer = isSigned ? { ...ADMIN, region: 'us-east-1', date, seedSignature } : undefined
  const body = change(
    Buffer.concat([...encodeChunked(pieces, { signer, trailers })]).toString('latin1'),
  )
  return rigAt.send(
    toBytes(request, {
      without: ['content-length'],
      more: [`content-length: ${body.length}`],
      body: Buffer.from(body, 'latin1'),
    }),
    { quietMs: 600, end: false },
  )
}

const trailers = { 'x-amz-checksum-crc32': CRC }
const otherDigit = (pattern: RegExp) => (body: string) =>
  body.replace(pattern, (text) => text.slice(0, -1) + (text.endsWith('0') ? '1' : '0'))

/** Part B of the table. */
const ROWS: readonly Row[] = [
  {
    title: 'B01 no credentials',
    send: (r, { bucket, key }) => r.send(unsignedPut(`/${bucket}/${key}`)),
    want: /^403 AccessDenied/,
  },
  {
    title: 'B02 a wrong secret',
    send: (r, at) => r.send(toBytes(put(at, { keys: { ...ADMIN, secretAccessKey: 'wrong' } }))),
    want: /^403 SignatureDoesNotMatch/,
  },
  {
    title: 'B03 an unknown access key',
    send: (r, at) => r.send(toBytes(put(at, { keys: { ...ADMIN, accessKeyId: 'AKNOBODY' } }))),
    want: /^403 InvalidAccessKeyId/,
  },
  {
    title: 'B04 a user who may only read',
    send: (r, at) => r.send(toBytes(put(at, { keys: READER }))),
    want: /^403 AccessDenied/,
  },
  {
    title: 'B05 a clock 16 minutes behind',
    send: (r, at) => r.send(toBytes(put(at, { date: minutes(-16) }))),
    want: /^403 RequestTimeTooSkewed/,
  },
  {
    title: 'B06 a clock 16 minutes ahead',
    send: (r, at) => r.send(toBytes(put(at, { date: minutes(16) }))),
    want: /^403 RequestTimeTooSkewed/,
  },
  {
    title: 'B07 another region',
    send: (r, at) => r.send(toBytes(put(at, { region: 'eu-west-1' }))),
    want: /^400 AuthorizationHeaderMalformed/,
  },
  {
    title: 'B08 another service',
    send: (r, at) => r.send(toBytes(put(at)).toString('latin1').replace('/s3/aws4', '/iam/aws4')),
    want: /^400 AuthorizationHeaderMalformed/,
  },
  {
    title: 'B09 the host is not signed',
    send: (r, at) => r.send(toBytes(put(at)).toString('latin1').replace('=host;', '=')),
    want: /^40[03]/,
  },
  {
    title: 'B10 x-amz-copy-source added after signing',
    send: (r, at) =>
      r.send(toBytes(put(at, { body: '' }), { more: ['x-amz-copy-source: /native/seed'] })),
    want: /^403/,
  },
  {
    title: 'B11 x-amz-tagging added after signing',
    send: (r, at) => r.send(toBytes(put(at), { more: ['x-amz-tagging: a=b'] })),
    want: /^403/,
  },
  {
    title: 'B14 a body other than its signed hash',
    send: (r, at) => r.send(toBytes(put(at), { body: 'jello' })),
    want: /^400 XAmzContentSHA256Mismatch/,
  },
  {
    title: 'B15 x-amz-content-sha256: garbage',
    send: (r, at) => r.send(toBytes(put(at, { payload: 'garbage' }))),
    want: /^400/,
  },
  {
    title: 'B16 the first chunk signed otherwise',
    send: (r, at) =>
      chunked(r, at, { signed: true, change: otherDigit(/^5;chunk-signature=\w{64}/) }),
    want: /^403 SignatureDoesNotMatch/,
  },
  {
    title: 'B17 the final chunk signed otherwise',
    send: (r, at) =>
      chunked(r, at, { signed: true, change: otherDigit(/\r\n0;chunk-signature=\w{64}/) }),
    want: /^403 SignatureDoesNotMatch/,
  },
  {
    title: 'B18 a chunk changed on its way',
    send: (r, at) =>
      chunked(r, at, { signed: true, change: (body) => body.replace('hello', 'jello') }),
    want: /^403 SignatureDoesNotMatch/,
  },
  {
    title: 'B19 no final chunk',
    send: (r, at) =>
      chunked(r, at, { signed: true, change: (body) => body.replace(/0;chunk-signature=.*/s, '') }),
    want: /^400 IncompleteBody/,
  },
  {
    title: 'B20 bytes behind the final chunk',
    send: (r, at) => chunked(r, at, { signed: true, change: (body) => `${body}more` }),
    want: /^400/,
  },
  {
    title: 'B21 a good trailer',
    send: (r, at) => chunked(r, at, { trailers }),
    want: /^200/,
    stored: /^200$/,
  },
  {
    title: 'B22 a trailer changed on its way',
    send: (r, at) =>
      chunked(r, at, { signed: true, trailers, change: (body) => body.replace(CRC, 'AAAAAA==') }),
    want: /^40[03]/,
  },
  {
    title: 'B23 an unsigned trailer and credentials in the query with a made-up signature',
    send: (r, at) =>
      r.send(
        unsignedPut(
          link(at).replace(/Signature=\w+/, `Signature=${'0'.repeat(64)}`),
          [
            'x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER',
            'x-amz-decoded-content-length: 5',
            'x-amz-trailer: x-amz-checksum-crc32',
          ],
          `5\r\nhello\r\n0\r\nx-amz-checksum-crc32:${CRC}\r\n\r\n`,
        ),
      ),
    want: /^403/,
  },
  {
    title: 'B24 an unsigned trailer and a made-up Authorization',
    send: (r, at) =>
      r.send(
        toBytes(put(at, { payload: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER' }))
          .toString('latin1')
          .replace(/Signature=\w+/, `Signature=${'0'.repeat(64)}`),
      ),
    want: /^403/,
  },
  {
    title: 'B25 an unsigned trailer with a wrong CRC',
    send: (r, at) => chunked(r, at, { trailers: { 'x-amz-checksum-crc32': 'AAAAAA==' } }),
    want: /^400 BadDigest/,
  },
  {
    title: 'B26 a trailer that was not announced',
    send: (r, at) =>
      chunked(r, at, {
        trailers,
        change: (body) => body.replace('x-amz-checksum-crc32:', 'x-amz-meta-a:'),
      }),
    want: /^400 MalformedTrailerError/,
  },
  {
    title: 'B27 snowball extraction with a made-up signature',
    send: (r, at) =>
      r.send(
        toBytes(put(at, { headers: { 'x-amz-meta-snowball-auto-extract': 'true' } }))
          .toString('latin1')
          .replace(/Signature=\w+/, `Signature=${'0'.repeat(64)}`),
      ),
    want: /^403/,
  },
  {
    title: 'B28 a small chunk before the last',
    send: (r, at) =>
      chunked(r, at, { trailers: {}, pieces: [Buffer.from('he'), Buffer.from('llo')] }),
    want: /^400 InvalidChunkSizeError/,
  },
  {
    title: 'B29 a chunk of 7fffffffffffffff',
    send: (r, at) =>
      chunked(r, at, { trailers, change: (body) => body.replace(/^5/, '7fffffffffffffff') }),
    want: /^40[03]/,
  },
  {
    title: 'B30 another decoded length',
    send: (r, at) => chunked(r, at, { trailers, headers: { 'x-amz-decoded-content-length': '4' } }),
    want: /^400/,
  },
  {
    title: 'B31 a good presigned URL',
    send: (r, at) => r.send(unsignedPut(link(at))),
    want: /^200/,
    stored: /^200$/,
  },
  {
    title: 'B32 a presigned URL of a user who may only read',
    send: (r, at) => r.send(unsignedPut(link(at, { keys: READER }))),
    want: /^403/,
  },
  ...['0', '-5', '1e9x', '604801', '9'.repeat(30)].map(
    (text, index): Row => ({
      title: `B33-${index} presigned, Expires=${text.slice(0, 8)}`,
      send: (r, at) => r.send(unsignedPut(link(at).replace('Expires=300', `Expires=${text}`))),
      want: /^40[03]/,
    }),
  ),
  {
    title: 'B36 a presigned URL that has expired',
    send: (r, at) => r.send(unsignedPut(link(at, { date: minutes(-10) }))),
    want: /^403/,
  },
  {
    title: 'B37 a URL presigned for GET, used with PUT',
    send: (r, at) => r.send(unsignedPut(link(at, { method: 'GET' }))),
    want: /^403 SignatureDoesNotMatch/,
  },
  {
    title: 'B38 a presigned URL for another key',
    send: (r, at) =>
      r.send(unsignedPut(link({ ...at, key: 'other' }).replace('/other?', `/${at.key}?`))),
    want: /^403 SignatureDoesNotMatch/,
  },
  {
    title: 'B39 presigned and Authorization together',
    send: (r, at) =>
      r.send(
        toBytes(put(at))
          .toString('latin1')
          .replace(/^PUT \S+/, `PUT ${link(at)}`),
      ),
    want: /^40[03]/,
  },
  {
    title: 'B40 two Authorization headers',
    send: (r, at) =>
      r.send(toBytes(put(at), { more: [`authorization: ${put(at).headers['authorization']}`] })),
    want: /^40[03]/,
  },
  {
    title: 'B41 a presigned URL of 20 minutes ahead',
    send: (r, at) => r.send(unsignedPut(link(at, { date: minutes(20) }))),
    want: /^403/,
  },
  {
    title: 'B42 a presigned URL with a parameter twice',
    send: (r, at) => r.send(unsignedPut(`${link(at)}&X-Amz-Expires=300`)),
    want: /^40[03]/,
  },
  {
    title: 'B43 Authorization without Signature=',
    send: (r, at) =>
      r.send(
        toBytes(put(at))
          .toString('latin1')
          .replace(/, Signature=\w+/, ''),
      ),
    want: /^40[03]/,
  },
  {
    title: 'B44 Authorization with capital digits',
    send: (r, at) =>
      r.send(
        toBytes(put(at))
          .toString('latin1')
          .replace(/Signature=\w+/, (text) => `S${text.slice(1).toUpperCase()}`),
      ),
    want: /^40[03]/,
  },
  {
    title: 'B45 a session token with a static key',
    send: (r, at) => r.send(toBytes(put(at, { headers: { 'x-amz-security-token': 'token' } }))),
    want: /^40[03]/,
  },
  {
    title: 'B46 signature version 2',
    send: (r, { bucket, key }) =>
      r.send(unsignedPut(`/${bucket}/${key}`, ['Authorization: AWS AKADMIN:c2lnbmF0dXJl'])),
    want: /^40[03]/,
  },
  {
    title: 'B47 runs of spaces in a signed header',
    send: (r, at) => r.send(toBytes(put(at, { headers: { 'x-amz-meta-a': 'b   c' } }))),
    want: /^200/,
    stored: /^200$/,
  },
]

describe.each(BUCKETS)('signatures to the bucket %s', (bucket) => {
  test.each(ROWS)('$title', async (row) => {
    expect(await judgeRow(rig, row, bucket)).toEqual([])
  })

  test('B12, B13: a good presigned GET reads, and of an absent object it is 404', async () => {
    await rig.ask('PUT', `/${bucket}/b12`, 'hello')
    const get = (key: string) =>
      rig.send(
        plain('GET', link({ bucket, key }, { method: 'GET' })).replace('127.0.0.1', rig.host),
      )
    expect((await get('b12')).body).toBe('hello')
    expect((await get('b13')).outcome).toBe('404 NoSuchKey')
    expect(
      (await rig.send(plain('GET', link({ bucket, key: 'b13' })).replace('127.0.0.1', rig.host)))
        .outcome,
    ).toMatch(/^403/)
  })

  test('B21b: what came with a trailer reads back byte for byte', async () => {
    await chunked(rig, { bucket, key: 'b21b' }, { trailers })
    expect((await rig.ask('GET', `/${bucket}/b21b`)).body).toBe('hello')
  })
})

test('E05, G14: the server still answers and has told no secret', async () => {
  expect((await rig.ask('GET', '/native')).outcome).toBe('200')
  const said = await rig.said()
  for (const secret of SECRETS) expect(secret.exec(said)?.[0]).toBeUndefined()
  const names: readonly BucketName[] = BUCKETS
  expect(names).toHaveLength(2)
})
