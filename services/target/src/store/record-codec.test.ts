import { Buffer } from 'node:buffer'
import { expect, test } from 'vitest'
import type { ObjectRecord } from './contract.ts'
import { decodeHeader, decodeListed, decodeRecord, encodeRecord } from './record-codec.ts'

const FACTS = { sequence: 9, validSequence: 8, synced: true, allocatedBytes: 4096 }

const FULL: ObjectRecord = {
  bucketId: 4_000_000_000,
  key: 'a/ü\u{1f600}',
  stamp: { mapVersion: 3, counter: 2 ** 53 - 1 },
  ownedSince: 2,
  attributes: {
    sizeBytes: 2 ** 45 + 1,
    etag: '9b2cf535f27731c974343645a3985328-2',
    lastModifiedMs: 1_700_000_000_123,
    headers: { contentType: 'text/plain', cacheControl: 'no-cache' },
    metadata: Object.fromEntries([
      ['__proto__', 'not a prototype'],
      ['colour', 'blau ü'],
    ]),
    checksums: [{ algorithm: 'sha256', kind: 'composite', hex: 'ab'.repeat(32), partCount: 2 }],
    parts: [
      { partNumber: 1, sizeBytes: 5 },
      { partNumber: 9, sizeBytes: 6, checksum: { algorithm: 'crc32', kind: 'whole', hex: '0a' } },
    ],
    partCount: 2,
    storageClass: 'GLACIER',
    tags: [{ key: 'team', value: 'blau ü' }],
    tagCount: 1,
    originHeaders: { 'x-amz-server-side-encryption': 'aws:kms' },
    validators: { versionId: 'v1', etag: 'x', etagWeak: false, lastModifiedMs: 5 },
  },
  location: { mountpath: 2 ** 32 - 1, path: 'ais/@/b.1/a', inode: 2 ** 50 },
  contentXxh64: '00ff00ff00ff00ff',
  pin: { kind: 'version-id', versionId: 'v1', etag: 'x' },
  validatedMs: 1_700_000_000_456,
  storedMs: 1_600_000_000_000,
  blocks: { blockBytes: 4096, crcs: Float64Array.of(-1, 0, 2 ** 32 - 1, -1) },
  damaged: true,
}

test('a record comes back from its bytes as it was', () => {
  const bytes = encodeRecord(FULL, FACTS)
  expect(decodeRecord(FULL, bytes)).toEqual(FULL)
  expect(decodeHeader(bytes)).toEqual({
    ...FACTS,
    sizeBytes: 2 ** 45 + 1,
    mapVersion: 3,
    counter: 2 ** 53 - 1,
    inode: 2 ** 50,
    mountpath: 2 ** 32 - 1,
    partial: true,
    path: 'ais/@/b.1/a',
    storedMs: 1_600_000_000_000,
  })
  expect(decodeListed('k', bytes)).toEqual({
    key: 'k',
    sizeBytes: 2 ** 45 + 1,
    etag: '9b2cf535f27731c974343645a3985328-2',
    lastModifiedMs: 1_700_000_000_123,
    storageClass: 'GLACIER',
    checksumAlgorithm: 'sha256',
    checksumKind: 'composite',
  })
})

test('a record that nobody noted the time of counts as stored when it was confirmed', () => {
  const bytes = encodeRecord({ ...FULL, storedMs: undefined }, FACTS)
  expect(decodeRecord(FULL, bytes)?.storedMs).toBeUndefined()
  expect(decodeHeader(bytes)?.storedMs).toBe(FULL.validatedMs)
})

test('bytes that are cut, empty or of another format are no record', () => {
  const bytes = encodeRecord(FULL, FACTS)
  for (let length = 0; length < bytes.length; length++) {
    expect(decodeRecord(FULL, Buffer.from(bytes.subarray(0, length)))).toBeUndefined()
  }
  const newer = Buffer.from(bytes)
  newer[0] = 2
  expect(decodeRecord(FULL, newer)).toBeUndefined()
  expect(decodeHeader(newer)).toBeUndefined()
})

test('a text that is longer than its place in the header can say is refused', () => {
  const texts = (changed: { readonly etag?: string; readonly storageClass?: string }) => ({
    ...FULL,
    attributes: { ...FULL.attributes, ...changed },
  })
  const path = (length: number) => ({
    ...FULL,
    location: { ...FULL.location, path: 'p'.repeat(length) },
  })
  const longest = [texts({ etag: 'e'.repeat(65_535), storageClass: 's'.repeat(255) }), path(65_535)]
  for (const record of longest) {
    expect(decodeRecord(FULL, encodeRecord(record, FACTS))).toEqual(record)
  }
  const tooLong = [
    texts({ etag: 'e'.repeat(65_536) }),
    texts({ etag: 'ü'.repeat(32_768) }),
    texts({ storageClass: 's'.repeat(256) }),
    path(65_536),
  ]
  for (const record of tooLong) {
    const refused = expect.objectContaining({ code: 'backend-corrupt' })
    expect(() => encodeRecord(record, FACTS)).toThrow(refused)
  }
})
