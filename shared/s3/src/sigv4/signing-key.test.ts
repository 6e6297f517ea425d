import { createHmac } from 'node:crypto'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ChunkChain } from './chunk-chain.ts'
import {
  deriveSigningKey,
  equalSignatures,
  isSha256Hex,
  SigningKey,
  SigningKeys,
  signatureOf,
} from './signing-key.ts'
import { EXAMPLE } from './test-client.ts'

const wanted = {
  accessKey: EXAMPLE.accessKeyId,
  secretKey: EXAMPLE.secretAccessKey,
  date: '20130524',
  region: 'us-east-1',
  service: 's3',
}

test('a key is derived once for an access key, date, region and service', () => {
  const keys = new SigningKeys()
  const first = keys.get(wanted)
  expect(keys.get({ ...wanted })).toBe(first)
  for (const change of [{ date: '20130525' }, { region: 'x' }, { service: 'x' }] as const) {
    expect(signatureOf(keys.get({ ...wanted, ...change }), 'text')).not.toBe(
      signatureOf(first, 'text'),
    )
  }
})

test('a changed secret is used at once', () => {
  const keys = new SigningKeys()
  const before = signatureOf(keys.get(wanted), 'text')
  const changed = { ...wanted, secretKey: 'another' }
  expect(signatureOf(keys.get(changed), 'text')).not.toBe(before)
  expect(signatureOf(keys.get(changed), 'text')).toBe(
    signatureOf(deriveSigningKey(changed), 'text'),
  )
})

test('the cache holds its limit and drops the key that was used longest ago', () => {
  const keys = new SigningKeys(2)
  const first = keys.get({ ...wanted, accessKey: 'a' })
  const second = keys.get({ ...wanted, accessKey: 'b' })
  keys.get({ ...wanted, accessKey: 'a' })
  keys.get({ ...wanted, accessKey: 'c' })
  expect(keys.size).toBe(2)
  expect(keys.get({ ...wanted, accessKey: 'a' })).toBe(first)
  expect(keys.get({ ...wanted, accessKey: 'b' })).not.toBe(second)
})

test('signatures are equal only when all 64 digits are', () => {
  const signature = 'a'.repeat(64)
  expect(equalSignatures(signature, 'a'.repeat(64))).toBe(true)
  expect(equalSignatures(signature, `${'a'.repeat(63)}b`)).toBe(false)
  expect(equalSignatures(signature, 'a'.repeat(63))).toBe(false)
  expect(equalSignatures('', '')).toBe(false)
})

test('a digest has 64 digits, all of them hexadecimal and lower case', () => {
  const good = '0123456789abcdef'.repeat(4)
  expect(isSha256Hex(good)).toBe(true)
  for (const text of ['', good.slice(1), `${good}0`, good.toUpperCase(), `${good}\n`]) {
    expect(isSha256Hex(text)).toBe(false)
  }
  for (const character of ['/', ':', '`', 'g', 'A', ' ', '\u0000', '\u00b0', '\uff10']) {
    for (const at of [0, 31, 63]) {
      expect(isSha256Hex(good.slice(0, at) + character + good.slice(at + 1))).toBe(false)
    }
  }
})

test('a chunk chain that is logged shows no key', () => {
  const key = deriveSigningKey(wanted)
  const chain = new ChunkChain({ key, timestamp: 't', scope: 's', signature: 'f'.repeat(64) })
  const shown = inspect({ chain, key }, { depth: 9, showHidden: true })
  const text = shown + JSON.stringify({ chain, key })
  expect(text).not.toContain('ffff')
  expect(text).not.toMatch(/buffer/i)
})

test('a text is signed as HMAC-SHA-256 has it, whatever its length, its characters and its key', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 130 }),
      fc.array(fc.string({ unit: 'binary', maxLength: 700 }), { minLength: 1, maxLength: 3 }),
      (bytes, texts) => {
        const key = new SigningKey(Buffer.from(bytes))
        for (const text of texts) {
          const signed = (encoding: 'hex' | 'base64') =>
            createHmac('sha256', bytes).update(text).digest(encoding)
          expect(key.sign(text)).toBe(signed('hex'))
          expect(key.sign(text, 'base64')).toBe(signed('base64'))
        }
      },
    ),
  )
  for (const length of [64, 65]) {
    const bytes = Buffer.alloc(length, 1)
    const expected = createHmac('sha256', bytes).update('text').digest('hex')
    expect(new SigningKey(bytes).sign('text')).toBe(expected)
  }
  const key = new SigningKey(Buffer.alloc(32, 1))
  for (const length of [0, 1, 341, 342, 1024, 1025, 5000]) {
    for (const unit of ['a', '\u00e9', '\u20ac']) {
      const text = unit.repeat(length)
      const expected = createHmac('sha256', Buffer.alloc(32, 1)).update(text).digest('hex')
      expect(key.sign(text)).toBe(expected)
    }
  }
})

test('keys that are asked for in turn do not answer for each other', () => {
  const keys = new SigningKeys(1)
  const other = { ...wanted, secretKey: 'another' }
  for (const each of [wanted, other, wanted, wanted, other]) {
    expect(signatureOf(keys.get(each), 'text')).toBe(signatureOf(deriveSigningKey(each), 'text'))
  }
})
