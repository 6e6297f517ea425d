import { expect, test } from 'vitest'
import { checkArgs } from '../check-schema.ts'
import type { JsonObject } from '../job.ts'
import { parseShardName } from '../shard-name.ts'
import { ARCHIVE, SHARD_BYTES_MAX, SHARD_MEMBERS_MAX } from './archive.ts'

const REFUSED = { code: 'argument-invalid' }

function check(args: JsonObject): () => JsonObject {
  return () => checkArgs(ARCHIVE, { to: 'ais://b', name: 's-%06d.tar', ...args })
}

test('a bucket and a name are enough', () => {
  expect(check({})).not.toThrow()
  expect(() => checkArgs(ARCHIVE, { to: 'ais://b' })).toThrow(/name/)
  expect(() => checkArgs(ARCHIVE, { name: 'a.tar' })).toThrow(/to/)
})

test('the format is that of the name unless it is given', () => {
  for (const name of ['a.tar', 'a.tgz', 'a.tar.gz', 'a.tar.lz4', 'A.ZIP'])
    expect(check({ name })).not.toThrow()
  expect(check({ name: 'a.bin' })).toThrow(expect.objectContaining(REFUSED))
  expect(check({ name: 'a.bin', format: 'zip' })).not.toThrow()
  expect(check({ format: 'rar' })).toThrow(expect.objectContaining(REFUSED))
})

test('only a TAR can be added to', () => {
  expect(check({ append: true })).not.toThrow()
  expect(check({ append: true, format: 'tgz' })).toThrow(expect.objectContaining(REFUSED))
  expect(check({ append: true, name: 'a.zip' })).toThrow(expect.objectContaining(REFUSED))
})

test('sizes and counts of a shard are bounded', () => {
  expect(check({ shardMembers: SHARD_MEMBERS_MAX, shardBytes: SHARD_BYTES_MAX })).not.toThrow()
  const outside: readonly JsonObject[] = [
    { shardMembers: 0 },
    { shardMembers: SHARD_MEMBERS_MAX + 1 },
    { shardBytes: 1023 },
    { shardBytes: SHARD_BYTES_MAX + 1 },
  ]
  for (const args of outside) expect(check(args)).toThrow(expect.objectContaining(REFUSED))
})

test('a name has one number at most, and is a key', () => {
  expect(check({ name: '%d/%06d.tar' })).toThrow(expect.objectContaining(REFUSED))
  expect(check({ name: `${'x'.repeat(1020)}%06d.tar` })).toThrow()
})

test('the number of a shard is filled up with zeros, and grows beyond them', () => {
  const { keyOf, matches, single } = parseShardName('s-%03d.tar')
  expect([keyOf(0), keyOf(7), keyOf(1234)]).toEqual(['s-000.tar', 's-007.tar', 's-1234.tar'])
  expect(['s-000.tar', 's-1.tar', 's-.tar', 's-x.tar', 's-000.tar2', 's.tar'].map(matches)).toEqual(
    [true, true, false, false, false, false],
  )
  expect(single).toBe(false)
  expect(parseShardName('all.tar')).toMatchObject({ single: true })
})
