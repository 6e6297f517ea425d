import { deriveSigningKey, signatureOf } from '@forebay/s3/sigv4/signing-key'
import { formatTimestamp } from '@forebay/s3/sigv4/timestamp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { S3Node, USERS } from './s3-node.ts'

type Fields = Readonly<Record<string, string>>

const code = (text: string): string | undefined => /<Code>(\w+)<\/Code>/.exec(text)?.[1]
const status = (text: string): string | undefined => /^HTTP\/1\.1 (\d+)/.exec(text)?.[1]

/** The fields of a form that a user signed, for one bucket. */
function sign(id: string, fields: Fields, conditions: readonly unknown[] = []): Fields {
  const user = USERS.find((each) => each.id === id)
  const date = formatTimestamp(Date.now())
  const scope = {
    accessKey: user?.accessKey ?? '',
    secretKey: user?.secretKey ?? '',
    date: date.slice(0, 8),
    region: 'us-east-1',
    service: 's3',
  }
  const signed = {
    ...fields,
    'x-amz-algorithm': 'AWS4-HMAC-SHA256',
    'x-amz-credential': `${scope.accessKey}/${scope.date}/us-east-1/s3/aws4_request`,
    'x-amz-date': date,
  }
  const covering = Object.entries(signed).map(([name, value]) => ({ [name]: value }))
  const document = {
    expiration: new Date(Date.now() + 60_000).toISOString(),
    conditions: [...covering, ...conditions],
  }
  const policy = Buffer.from(JSON.stringify(document)).toString('base64')
  const signature = signatureOf(deriveSigningKey(scope), policy)
  return { ...signed, policy, 'x-amz-signature': signature }
}

function request(
  bucket: string,
  fields: Fields,
  {
    bytes,
    more = [],
    fileName = 'a.txt',
  }: { readonly bytes: string; readonly more?: readonly string[]; readonly fileName?: string },
): string {
  const parts = Object.entries(fields).map(
    ([name, value]) => `--XX\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
  )
  const head = `--XX\r\nContent-Disposition: form-data; name="file"; filename="${fileName}"\r\n\r\n`
  const body = `${parts.join('')}${head}${bytes}\r\n--XX--\r\n`
  const lines = [
    `POST /${bucket} HTTP/1.1`,
    'Host: 127.0.0.1',
    'Content-Type: multipart/form-data; boundary=XX',
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...more,
  ]
  return `${lines.join('\r\n')}\r\n\r\n${body}`
}

describe('uploads by HTML forms', () => {
  let node: S3Node
  const bucket = 'team-a'

  beforeAll(async () => {
    node = await S3Node.start('users')
    const namespace = { uuid: '', name: '' }
    for (const name of [bucket, 'private']) {
      await node.table.create({ provider: 'ais', namespace, name })
    }
    node.remote.createBucket('remote-1')
    await node.table.create(
      { provider: 'aws', namespace, name: 'team-remote' },
      { backend: { provider: 'memory', bucket: 'remote-1' } },
    )
  })
  afterAll(() => node.close())

  const stored = async (name: string, key: string) => {
    const id = node.table.get(name)[0]?.id ?? 0
    return node.objects(id, key)
  }
  const post = async (fields: Fields, bytes = 'hello', name = bucket) =>
    (await node.exchange(request(name, fields, { bytes }))).text

  test('whom the policy allows stores a file, to a native bucket and through one with a backend', async () => {
    for (const name of [bucket, 'team-remote']) {
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the word of the S3 API.
      const fields = { bucket: name, key: 'up/${filename}', 'x-amz-meta-a': 'ü', tagging: '' }
      const text = await post(sign('writer', fields), 'x'.repeat(300_000), name)
      expect(status(text)).toBe('204')
      expect(text).toContain(`Location: http://127.0.0.1/${name}/up/a.txt`)
      expect(await stored(name, 'up/a.txt')).toMatchObject({ sizeBytes: 300_000 })
    }
    expect(node.remote.bytes('remote-1', 'up/a.txt')).toHaveLength(300_000)
  })

  test('a header of the request is no field of the form, and takes the place of none', async () => {
    const fields = sign('writer', { bucket, key: 'signed', 'x-amz-meta-a': 'one, two' })
    const more = ['X-Amz-Meta-A: three', 'X-Amz-Meta-B: four']
    const { text } = await node.exchange(request(bucket, fields, { bytes: 'hello', more }))
    expect(status(text)).toBe('204')
    expect(await stored(bucket, 'signed')).toMatchObject({ metadata: { a: 'one, two' } })
  })

  test('the name of the file stands in the key as it is', async () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the word of the S3 API.
    const fields = sign('writer', { bucket, key: 'names/${filename}' })
    const odd = { bytes: 'hello', fileName: "a$$b$&c$'" }
    expect(status((await node.exchange(request(bucket, fields, odd))).text)).toBe('204')
    expect(await stored(bucket, "names/a$$b$&c$'")).toMatchObject({ sizeBytes: 5 })
  })

  test('the answer is what the form asks for', async () => {
    const created = { bucket, key: 'k', success_action_status: '201' }
    const text = await post(sign('writer', created))
    expect(status(text)).toBe('201')
    expect(text).toContain('<Key>k</Key>')
    const redirect = { bucket, key: 'k', success_action_redirect: 'https://page.example/done?a=1' }
    const moved = await post(sign('writer', redirect))
    expect(moved).toMatch(
      /^HTTP\/1\.1 303 [\s\S]*Location: https:\/\/page\.example\/done\?a=1&bucket=team-a&key=k&etag=/,
    )
    const odd = { bucket, key: 'k', success_action_redirect: 'javascript:alert(1)' }
    expect(status(await post(sign('writer', odd)))).toBe('204')
  })

  test.each([
    ['nobody', { bucket, key: 'no' }, '403'],
    ['who may only read', sign('reader', { bucket, key: 'no' }), '403'],
    ['who may not use the bucket', sign('stranger', { bucket, key: 'no' }), '403'],
    ['a key that was not signed', { ...sign('writer', { bucket, key: 'yes' }), key: 'no' }, '403'],
    [
      'a field that was not signed',
      { ...sign('writer', { bucket, key: 'no' }), acl: 'private' },
      '403',
    ],
    ['a form for another bucket', sign('writer', { bucket: 'private', key: 'no' }), '403'],
    [
      'a file that is too large',
      sign('writer', { bucket, key: 'no' }, [['content-length-range', 0, 4]]),
      '400',
    ],
    [
      'a file that is too small',
      sign('writer', { bucket, key: 'no' }, [['content-length-range', 6, 9]]),
      '400',
    ],
    [
      'a wrong checksum',
      sign('writer', { bucket, key: 'no', 'x-amz-checksum-crc32': 'AAAAAA==' }),
      '400',
    ],
    ['tags that are none', sign('writer', { bucket, key: 'no', tagging: 'x' }), '400'],
    ['a public list', sign('writer', { bucket, key: 'no', acl: 'public-read' }), '400'],
    [
      'a line end in a header',
      sign('writer', { bucket, key: 'no', 'content-type': 'a\nb: c' }),
      '400',
    ],
    [
      'metadata whose name no header can have',
      sign('writer', { bucket, key: 'no', 'x-amz-meta-a b': 'c' }),
      '400',
    ],
  ])('%s stores nothing', async (_, fields, wanted) => {
    const text = await post(fields)
    expect(status(text)).toBe(wanted)
    expect(code(text)).toMatch(/^\w+$/)
    expect(await stored(bucket, 'no')).toBeUndefined()
  })

  test('a form that is cut, or is no form, stores nothing and is refused in words', async () => {
    const whole = request(bucket, sign('writer', { bucket, key: 'no' }), { bytes: 'hello' })
    const cut = await node.exchange(whole.slice(0, -12), { end: true, quietMs: 500 })
    expect(cut.text === '' || status(cut.text) === '400').toBe(true)
    const other = await node.exchange(
      `POST /${bucket} HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi`,
    )
    expect(status(other.text)).toBe('412')
    expect(await stored(bucket, 'no')).toBeUndefined()
  })

  test('a waiting client is told to send before anybody knows who it is, and hears the refusal', async () => {
    const expecting = ['Expect: 100-continue']
    const fields = sign('reader', { bucket, key: 'no' })
    const { text } = await node.exchange(
      request(bucket, fields, { bytes: 'hello', more: expecting }),
    )
    expect(text).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 403 /)
  })

  test('a refused form of 20 MB is not read to its end', async () => {
    const { text, closed } = await node.exchange(
      request(bucket, { key: 'no' }, { bytes: 'x'.repeat(20_000_000) }),
      { quietMs: 4000 },
    )
    expect(status(text)).toBe('403')
    expect(closed).toBe(true)
  })

  test('nothing unexpected happened', () => {
    expect(node.reports).toEqual([])
  })
})
