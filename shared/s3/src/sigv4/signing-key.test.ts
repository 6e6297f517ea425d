import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { ChunkChain } from './chunk-chain.ts'
import { deriveSigningKey, equalSignatures, SigningKeys, signatureOf } from './signing-key.ts'
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

test('a chunk chain that is logged shows no key', () => {
  const key = deriveSigningKey(wanted)
  const chain = new ChunkChain({ key, timestamp: 't', scope: 's', signature: 'f'.repeat(64) })
  const shown = inspect(chain, { depth: 9, showHidden: true }) + JSON.stringify({ chain, key })
  expect(shown).not.toContain('ffff')
  expect(shown).not.toContain(key.export().toString('hex'))
})
