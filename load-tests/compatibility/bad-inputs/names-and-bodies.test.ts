import { createHash } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { matchOperation } from '@forebay/s3/operation'
import { parseRequestTarget } from '@forebay/s3/request-target'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { plain, type Signing, signed, toBytes } from './raw-client.ts'
import { ADMIN, BadInputRig, BUCKETS, SECRETS } from './rig.ts'
import { judgeRow, type Row } from './rows.ts'

let rig: BadInputRig

beforeAll(async () => {
  rig = await BadInputRig.start()
})
afterAll(() => rig.close())

type At = Parameters<Row['send']>[1]

const request = (method: string, target: string, more: Partial<Signing> = {}) =>
  toBytes(signed({ method, target, keys: ADMIN, host: rig.host, ...more }))

const outcomeOf = async (method: string, target: string, more: Partial<Signing> = {}) =>
  (await rig.send(request(method, target, more))).outcome

const put = ({ bucket, key }: At, headers: Readonly<Record<string, string>>, body = 'hello') =>
  rig.send(request('PUT', `/${bucket}/${key}`, { headers, body }))

const md5 = (body: string): string => createHash('md5').update(body).digest('base64')

/** A document with the digest that DeleteObjects needs. */
const deleteObjects = (bucket: string, body: string) =>
  rig.send(request('POST', `/${bucket}?delete`, { body, headers: { 'content-md5': md5(body) } }))

const object = (key: string): string => `<Object><Key>${key}</Key></Object>`

describe.each(BUCKETS)('names in the bucket %s', (bucket) => {
  test.each([
    ['C01', '../../../etc/passwd', /^(400|403|404)/],
    ['C02', '%2e%2e/%2e%2e/etc/passwd', /^(400|403|404)/],
    ['C08', '%ff%fe', /^400/],
    ['C08b', '%zz', /^400/],
    ['C09b', 'k'.repeat(1025), /^400 KeyTooLongError/],
    ['C10', '%F0%9F%98%80'.repeat(257), /^400/],
  ] as const)('%s: GET %j', async (_, key, want) => {
    expect(await outcomeOf('GET', `/${bucket}/${key}`)).toMatch(want)
  })

  test.each([
    ['C03', '../../escape'],
    ['C04', 'a/../b'],
    ['C05', '.'],
    ['C06', '..'],
    ['C09', 'k'.repeat(1024)],
    ['C11', `${'s'.repeat(300)}/a`],
    ['C12', 'caf%C3%A9/%F0%9F%98%80'],
    ['C13', 'a//b'],
    ['C14', 'p/'],
    ['C15', 'p/q'],
    ['C16', 'a+b%25c%2Bd'],
  ])('%s: PUT %j stores that name alone, or nothing', async (_, key) => {
    const outcome = await outcomeOf('PUT', `/${bucket}/${key}`, { body: key.slice(0, 50) })
    // The origin's file system cannot hold every name: its refusal is passed on, never a 5xx of ours.
    expect(outcome).toMatch(bucket === 'native' ? /^(200|400)/ : /^(200|400|409)/)
    const read = await rig.send(request('GET', `/${bucket}/${key}`))
    if (outcome === '200') expect(read.body).toBe(key.slice(0, 50))
    else expect(read.outcome).toMatch(/^4/)
  })

  test('C07: NUL in a key is refused', async () => {
    expect(await outcomeOf('PUT', `/${bucket}/a%00b`, { body: 'x' })).toMatch(/^400/)
  })

  test('C17: __proto__ and constructor are metadata like any other', async () => {
    const headers = { 'x-amz-meta-__proto__': 'a', 'x-amz-meta-constructor': 'b' }
    expect((await put({ bucket, key: 'c17' }, headers)).outcome).toBe('200')
    const { text } = await rig.ask('HEAD', `/${bucket}/c17`)
    expect(text.toLowerCase()).toContain('x-amz-meta-__proto__: a')
    expect(text.toLowerCase()).toContain('x-amz-meta-constructor: b')
  })

  test('C18: a line end hidden in metadata makes no header', async () => {
    const target = `/${bucket}/c18?response-content-type=a%0d%0aX-Evil:%20b`
    await put({ bucket, key: 'c18' }, {})
    const { text, outcome } = await rig.send(request('GET', target))
    expect(outcome).toMatch(/^400/)
    expect(text).not.toMatch(/\r\nX-Evil/i)
  })

  test.each([
    ['C41', `${bucket}/%2e%2e/%2e%2e/etc/passwd`],
    ['C42', ''],
    ['C42b', '/'],
    ['C42c', `${bucket}`],
    ['C42d', `${bucket}/%zz`],
    ['C42e', 'absent-bucket/key'],
  ])('%s: a copy of %j copies nothing', async (_, source) => {
    const outcome = await outcomeOf('PUT', `/${bucket}/c41`, {
      headers: { 'x-amz-copy-source': source },
    })
    expect(outcome).toMatch(/^(400|403|404)/)
    expect(await rig.outcomes(bucket, 'c41')).not.toContain('200')
  })

  test.each(['../../x', '', 'x'.repeat(2000), '%2e%2e%2f', 'node.zz'])(
    'C43: the upload %j does not exist',
    async (uploadId) => {
      const id = encodeURIComponent(uploadId)
      for (const [method, query] of [
        ['PUT', `partNumber=1&uploadId=${id}`],
        ['GET', `uploadId=${id}`],
        ['DELETE', `uploadId=${id}`],
      ] as const) {
        expect(await outcomeOf(method, `/${bucket}/c43?${query}`)).toMatch(
          /^(404 NoSuchUpload|400)/,
        )
      }
    },
  )

  test.each(['0', '10001', '-1', '1e3', '', '1.5', '99999999999999999999'])(
    'C44-C49: partNumber=%j is refused',
    async (number) => {
      const target = `/${bucket}/c45?partNumber=${number}&uploadId=node.${'0'.repeat(32)}`
      expect(await outcomeOf('PUT', target, { body: 'x' })).toMatch(/^400 InvalidArgument/)
    },
  )

  test.each([
    'bytes=abc',
    'bytes=5-1',
    'bytes=-0',
    'bytes=0-18446744073709551615',
    'items=0-1',
    'bytes=',
    'bytes=--1',
    'bytes=0-0,2-3',
    'bytes=99-',
    `bytes=${'0-1,'.repeat(1500)}0-1`,
  ])('C51-C58: Range %j is 416, 206 or the whole', async (range) => {
    await put({ bucket, key: 'ranged' }, {})
    expect(await outcomeOf('GET', `/${bucket}/ranged`, { headers: { range } })).toMatch(
      /^(200|206|416)/,
    )
  })

  test.each([
    'max-keys=abc',
    'max-keys=-1',
    'max-keys=99999999999',
    'max-keys=',
    'list-type=2&continuation-token=garbage',
    'list-type=2&continuation-token=',
    'list-type=3',
    'list-type=2&list-type=2',
    `delimiter=${'d'.repeat(30)}`,
    `prefix=${'p'.repeat(5000)}`,
    `marker=${'p'.repeat(5000)}`,
    `list-type=2&start-after=${'p'.repeat(5000)}`,
    `list-type=2&continuation-token=${'p'.repeat(9000)}`,
    `uploads&prefix=${'p'.repeat(5000)}`,
    `uploads&key-marker=${'p'.repeat(5000)}&upload-id-marker=${'p'.repeat(5000)}`,
    `delimiter=${'p'.repeat(5000)}`,
    'uploads&max-uploads=-1',
    'uploads&upload-id-marker=../..',
    'encoding-type=base64',
    'marker=%ff',
    'prefix=%00',
    'list-type=2&start-after=%00',
  ])('C61-C70: a list with %s is refused or sane', async (query) => {
    expect(await outcomeOf('GET', `/${bucket}?${query}`)).toMatch(/^(200|400|501)/)
  })
})

test.each([
  'ab',
  'a'.repeat(64),
  '192.168.5.4',
  '-ab',
  'ab-',
  'UPPER',
  'a_b',
  'a..b',
  'a.-b',
  'a-.b',
  '%2e%2e',
  '%2e',
  'a%2Fb',
  'abc-s3alias',
  'abc--ol-s3',
  'xn--abc',
  'sthree-abc',
  'a b',
  'a%00b',
  '%ff',
])('C21-C36: no bucket is made of the name %s', async (name) => {
  expect(await outcomeOf('PUT', `/${name}`)).toMatch(/^400/)
})

/** Part D: each writes an object, or would. */
const WRITES: readonly Row[] = [
  {
    title: 'D11 Content-MD5 that is not base64',
    send: (_, at) => put(at, { 'content-md5': 'garbage' }),
    want: /^400 InvalidDigest/,
  },
  {
    title: 'D12 Content-MD5 of another body',
    send: (_, at) => put(at, { 'content-md5': md5('jello') }),
    want: /^400 BadDigest/,
  },
  {
    title: 'D13 a wrong CRC32',
    send: (_, at) => put(at, { 'x-amz-checksum-crc32': 'AAAAAA==' }),
    want: /^400 BadDigest/,
  },
  {
    title: 'D14 a CRC32 of another length',
    send: (_, at) => put(at, { 'x-amz-checksum-crc32': 'AAAA' }),
    want: /^400 InvalidRequest/,
  },
  {
    title: 'D15 two checksums',
    send: (_, at) => put(at, { 'x-amz-checksum-crc32': 'AAAAAA==', 'x-amz-checksum-sha1': 'AAAA' }),
    want: /^400/,
  },
  {
    title: 'D16 a checksum that there is not',
    send: (_, at) => put(at, { 'x-amz-checksum-crc99': 'AAAAAA==' }),
    want: /^400/,
  },
  {
    title: 'D16b a wrong SHA512',
    send: (_, at) => put(at, { 'x-amz-checksum-sha512': Buffer.alloc(64).toString('base64') }),
    want: /^400 BadDigest/,
  },
  {
    title: 'D16c a wrong XXHASH3',
    send: (_, at) => put(at, { 'x-amz-checksum-xxhash3': Buffer.alloc(8).toString('base64') }),
    want: /^400 BadDigest/,
  },
  {
    title: 'D17 6 GiB announced and nothing sent',
    send: (r, { bucket, key }) => {
      const one = signed({
        method: 'PUT',
        target: `/${bucket}/${key}`,
        payload: 'UNSIGNED-PAYLOAD',
        keys: ADMIN,
        host: r.host,
      })
      return r.send(
        toBytes(one, { without: ['content-length'], more: [`content-length: ${6 * 1024 ** 3}`] }),
      )
    },
    want: /^400 EntityTooLarge/,
  },
  {
    title: 'D18 metadata of 3 KB',
    send: (_, at) => put(at, { 'x-amz-meta-a': 'b'.repeat(3000) }),
    want: /^400 MetadataTooLarge/,
  },
  {
    title: 'D19 tags',
    send: (_, at) => put(at, { 'x-amz-tagging': `${'k'.repeat(129)}=v` }),
    want: /^400 InvalidTag/,
  },
  {
    title: 'D20 If-Match of an absent object',
    send: (_, at) => put(at, { 'if-match': '"a"' }),
    want: /^(404|412)/,
  },
  {
    title: 'D21 If-Match and If-None-Match together',
    send: (_, at) => put(at, { 'if-match': '"a"', 'if-none-match': '*' }),
    want: /^(400|412|501)/,
  },
  {
    title: 'D23 storage class FOO',
    send: (_, at) => put(at, { 'x-amz-storage-class': 'FOO' }),
    want: /^400 InvalidStorageClass/,
  },
  {
    title: 'D24 encryption that nobody does',
    send: (_, at) => put(at, { 'x-amz-server-side-encryption': 'aws:kms' }),
    want: /^(400|501)/,
  },
  {
    title: 'D24b object lock',
    send: (_, at) => put(at, { 'x-amz-object-lock-mode': 'GOVERNANCE' }),
    want: /^(400|501)/,
  },
  {
    title: 'D25 a form without policy',
    send: (r, { bucket }) =>
      r.send(
        request('POST', `/${bucket}`, {
          headers: { 'content-type': 'multipart/form-data; boundary=a' },
          body: '--a--',
        }),
      ),
    want: /^40[03]/,
  },
]

describe.each(BUCKETS)('bodies to the bucket %s', (bucket) => {
  test.each(WRITES)('$title', async (row) => {
    expect(await judgeRow(rig, row, bucket)).toEqual([])
  })

  test('D22: If-None-Match: * does not overwrite', async () => {
    await put({ bucket, key: 'd22' }, {}, 'first')
    expect((await put({ bucket, key: 'd22' }, { 'if-none-match': '*' }, 'second')).outcome).toMatch(
      /^412/,
    )
    expect((await rig.ask('GET', `/${bucket}/d22`)).body).toBe('first')
  })

  test.each([
    [
      'D01 billion laughs',
      `<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol">${Array.from({ length: 9 }, (_, i) => `<!ENTITY ${'bcdefghij'[i]} "&${'abcdefghi'[i]};&${'abcdefghi'[i]};">`).join('')}]><Delete>${object('&j;')}</Delete>`,
    ],
    [
      'D02 an external entity',
      `<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><Delete>${object('&x;')}</Delete>`,
    ],
    ['D03 100,000 nested tags', '<a>'.repeat(100_000)],
    ['D04 1,001 keys', `<Delete>${object('k').repeat(1001)}</Delete>`],
    ['D05 8 MB', `<Delete>${object('k'.repeat(1000)).repeat(8000)}</Delete>`],
    ['D06 garbage', 'garbage'],
    ['D07 a numeric entity beyond Unicode', `<Delete>${object('&#x110000;')}</Delete>`],
    ['D08 a document that is cut', `<Delete>${object('k')}`],
    ['D08b another root', `<Erase>${object('k')}</Erase>`],
    ['D08c no keys', '<Delete></Delete>'],
    ['D10 invalid UTF-8', '<Delete><Object><Key>\xff\xfe</Key></Object></Delete>'],
  ])('%s is refused quickly', async (_, text) => {
    const body = Buffer.from(text, 'latin1')
    const headers = { 'content-md5': createHash('md5').update(body).digest('base64') }
    const startedMs = performance.now()
    expect(await outcomeOf('POST', `/${bucket}?delete`, { body, headers })).toMatch(/^(400|413)/)
    // Generous: what is meant is that nothing explodes.
    expect(performance.now() - startedMs).toBeLessThan(4000)
  })

  test('D09: a key of dots names nothing outside', async () => {
    const { outcome, body } = await deleteObjects(
      bucket,
      `<Delete>${object('../../etc/passwd')}${object('absent')}</Delete>`,
    )
    expect(outcome).toMatch(/^200/)
    expect(body.match(/<(Deleted|Error)>/g)).toHaveLength(2)
    expect((await readdir(join(rig.dataDir, 'mountpath'))).length).toBeGreaterThan(0)
  })

  test.each([
    '<CompleteMultipartUpload/>',
    'garbage',
    `<CompleteMultipartUpload>${'<Part/>'.repeat(10_001)}</CompleteMultipartUpload>`,
    '<CompleteMultipartUpload><Part><PartNumber>-1</PartNumber><ETag>a</ETag></Part></CompleteMultipartUpload>',
    '<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>a</ETag></Part></CompleteMultipartUpload>',
  ])('a Complete that is none makes no object: %#', async (body) => {
    const { body: xml } = await rig.ask('POST', `/${bucket}/complete?uploads`)
    const id = /<UploadId>([^<]+)</.exec(xml)?.[1] ?? ''
    expect(
      await outcomeOf('POST', `/${bucket}/complete?uploadId=${encodeURIComponent(id)}`, { body }),
    ).toMatch(/^400/)
    for (const outcome of await rig.outcomes(bucket, 'complete'))
      expect(outcome).toBe('404 NoSuchKey')
    await outcomeOf('DELETE', `/${bucket}/complete?uploadId=${encodeURIComponent(id)}`)
  })
})

/** True for a request that means an operation which exists. */
function isBuilt(method: string, target: string): boolean {
  try {
    matchOperation(method, parseRequestTarget(target), {})
    return true
  } catch {
    return false
  }
}

test('sub-resources that are not built are NotImplemented, never 200', async () => {
  const bucketParts = [
    'acl',
    'cors',
    'encryption',
    'lifecycle',
    'logging',
    'notification',
    'object-lock',
    'ownershipControls',
    'policy',
    'policyStatus',
    'publicAccessBlock',
    'replication',
    'requestPayment',
    'tagging',
    'versioning',
    'versions',
    'website',
    'accelerate',
    'analytics',
    'inventory',
    'metrics',
    'intelligent-tiering',
  ]
  const objectParts = ['acl', 'legal-hold', 'retention', 'tagging', 'torrent', 'restore', 'select']
  for (const method of ['GET', 'PUT', 'DELETE', 'POST']) {
    for (const part of bucketParts) {
      if (isBuilt(method, `/native?${part}`)) continue
      expect(`${method} ?${part} ${await outcomeOf(method, `/native?${part}`)}`).toMatch(
        / (501 NotImplemented|405 MethodNotAllowed)$/,
      )
    }
    for (const part of objectParts) {
      if (isBuilt(method, `/native/x?${part}`)) continue
      expect(`${method} ?${part} ${await outcomeOf(method, `/native/x?${part}`)}`).toMatch(
        / (501 NotImplemented|405 MethodNotAllowed)$/,
      )
    }
  }
})

test('E01: X-Forwarded-Host changes nothing and is not echoed', async () => {
  const one = signed({ method: 'GET', target: '/native', keys: ADMIN, host: rig.host })
  const { outcome, text } = await rig.send(
    toBytes(one, { more: ['X-Forwarded-Host: evil.example', 'X-Forwarded-Proto: https'] }),
  )
  expect(outcome).toBe('200')
  expect(text).not.toContain('evil')
})

test.each([
  '/debug/pprof/',
  '/.env',
  '/server-status',
  '/actuator',
  '/%2e%2e/etc/passwd',
  '/v1/../metrics',
])('E02-E04: GET %s tells nothing', async (target) => {
  expect((await rig.send(plain('GET', target))).outcome).toMatch(/^(400|403|404)/)
})

test('E05, G14: the server still answers and has told no secret', async () => {
  expect((await rig.ask('GET', '/native')).outcome).toBe('200')
  expect(await rig.workFiles()).toEqual([])
  const said = await rig.said()
  for (const secret of SECRETS) expect(secret.exec(said)?.[0]).toBeUndefined()
})
