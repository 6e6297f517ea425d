import { createDigester } from '@forebay/base/hash/digester'
import type { Checksum } from '@forebay/model/checksum'
import { expect, test } from 'vitest'
import { RowDigest } from './row-digest.ts'

const HELLO: Checksum = { algorithm: 'md5', kind: 'whole', hex: '5d41402abc4b2a76b9719d911017c592' }

function row(text: string): RowDigest {
  const digest = new RowDigest()
  const digester = createDigester(['md5', 'xxh64'])
  digest.start(digester)
  void digester.update(Buffer.from(text))
  return digest
}

/** Whether readers were told, once the digests are known. */
async function told(digest: RowDigest, stated: Checksum | undefined): Promise<boolean> {
  let heard = false
  digest.prove(stated, () => {
    heard = true
  })
  await digest.end()
  await Promise.resolve()
  return heard
}

test('bytes that are those the backend states are proven, and their digests are there once more', async () => {
  const digest = row('hello')
  expect(digest.isProven).toBe(false)
  expect(await told(digest, HELLO)).toBe(true)
  expect(digest.isProven).toBe(true)
  expect((await digest.end())?.get('md5')).toBe(HELLO.hex)
})

test('other bytes are not, and nobody is told', async () => {
  const digest = row('jello')
  expect(await told(digest, HELLO)).toBe(false)
  expect(digest.isProven).toBe(false)
})

test('where the backend states nothing, nothing is proven', async () => {
  const digest = row('hello')
  expect(await told(digest, undefined)).toBe(false)
  expect(digest.isProven).toBe(false)
})

test('a broken row has no digests; behind its end, only who has them already', async () => {
  const broken = row('hel')
  broken.abandon()
  expect(broken.isRunning).toBe(false)
  expect(broken.end()).toBeUndefined()
  const whole = row('hello')
  const digests = whole.end()
  whole.abandon()
  expect((await digests)?.get('md5')).toBe(HELLO.hex)
  expect(whole.end()).toBeUndefined()
  expect(whole.isRunning).toBe(false)
})

test('what breaks behind its end is proven no more, were it only known a moment later', async () => {
  const known = row('hello')
  expect(await told(known, HELLO)).toBe(true)
  known.abandon()
  expect(known.isProven).toBe(false)
  const late = row('hello')
  let heard = false
  late.prove(HELLO, () => {
    heard = true
  })
  const digests = late.end()
  late.abandon()
  await digests
  await Promise.resolve()
  expect([late.isProven, heard]).toEqual([false, false])
})
