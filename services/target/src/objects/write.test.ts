import { hashBuffer } from '@forebay/base/hash/digester'
import { afterEach, expect, test } from 'vitest'
import { bodyOf, cachedBucket, md5Of, NATIVE, pattern, Rig } from './testing/rig.ts'

let rig: Rig
afterEach(() => rig.close())

const signal = new AbortController().signal

test('what was written through is at the backend and is read without asking it', async () => {
  rig = await Rig.open()
  for (const sizeBytes of [0, 1, 16 * 1024, 64 * 1024 + 1, 1_000_000]) {
    const bytes = pattern(sizeBytes)
    await rig.put(`k${sizeBytes}`, bytes)
    expect(rig.remote.bytes('remote', `k${sizeBytes}`)).toEqual(bytes)
    const before = rig.remote.requestCount()
    expect(await rig.get(`k${sizeBytes}`)).toEqual(bytes)
    expect(rig.remote.requestCount()).toBe(before)
  }
  expect(rig.warnings).toEqual([])
})

test('a native object survives a restart with its ETag', async () => {
  rig = await Rig.open()
  const bytes = pattern(300_000)
  const { attributes } = await rig.put('a', bytes, { bucket: NATIVE })
  expect(attributes.etag).toBe(md5Of(bytes))
  await rig.restart()
  expect(await rig.get('a', { bucket: NATIVE })).toEqual(bytes)
  expect(await rig.head('a', NATIVE)).toMatchObject({
    kind: 'found',
    attributes: { etag: md5Of(bytes) },
  })
})

test('a native object that comes without a checksum is given the CRC64NVME of its bytes', async () => {
  rig = await Rig.open()
  for (const sizeBytes of [0, 1, 200_000, 1_500_000]) {
    const bytes = pattern(sizeBytes)
    const { attributes } = await rig.put('a', bytes, { bucket: NATIVE })
    const hex = hashBuffer('crc64nvme', bytes)
    expect(attributes.checksums).toEqual([{ algorithm: 'crc64nvme', kind: 'whole', hex }])
  }
})

test('a native object keeps the checksum that came with it alone', async () => {
  rig = await Rig.open()
  const bytes = pattern(1000)
  const body = bodyOf(bytes)
  const checksum = { algorithm: 'crc32', kind: 'whole', hex: hashBuffer('crc32', bytes) } as const
  const { attributes } = await rig.target.write({
    bucket: NATIVE,
    key: 'a',
    headers: {},
    metadata: {},
    conditions: {},
    stated: [checksum],
    md5: true,
    body: { ...body, digestsNeeded: ['crc32'], judge: () => ({ checksums: [checksum] }) },
    signal,
  })
  expect(attributes.checksums).toEqual([checksum])
})

test('a body that breaks off leaves nothing, here or at the backend', async () => {
  rig = await Rig.open()
  await rig.put('a', 'old')
  for (const bucket of [rig.bucket, NATIVE]) {
    const body = bodyOf(pattern(500_000), { failAt: 300_000 })
    const request = {
      bucket,
      key: 'a',
      headers: {},
      metadata: {},
      conditions: {},
      stated: [],
      md5: true,
      body,
      signal,
    }
    await expect(rig.target.write(request)).rejects.toThrow('the client left')
  }
  expect(String(await rig.get('a'))).toBe('old')
  expect(await rig.get('a', { bucket: NATIVE })).toBeUndefined()
  expect(String(rig.remote.bytes('remote', 'a'))).toBe('old')
  expect(rig.context.store.totals().reservedBytes).toBe(0)
})

test('the backend does not get the last byte of a body whose checksum is wrong', async () => {
  rig = await Rig.open()
  const body = bodyOf(pattern(500_000), { md5: 'not this' })
  const request = {
    bucket: rig.bucket,
    key: 'a',
    headers: {},
    metadata: {},
    conditions: {},
    stated: [],
    md5: true,
    body,
    signal,
  }
  await expect(rig.target.write(request)).rejects.toThrow('wrong md5')
  expect(rig.remote.get('remote', 'a')).toBeUndefined()
  expect(rig.context.unsettled.isUnsettled(2, 'a')).toBe(false)
})

test('a refusal of the backend fails the write, and the old version stands', async () => {
  rig = await Rig.open()
  await rig.put('a', 'old')
  const conditions = { ifNoneMatch: ['*'] }
  await expect(rig.put('a', 'new', { conditions })).rejects.toMatchObject({
    code: 'precondition-failed',
  })
  await expect(rig.put('a', pattern(900_000), { conditions })).rejects.toMatchObject({
    code: 'precondition-failed',
  })
  expect(String(await rig.get('a'))).toBe('old')
  expect(rig.context.unsettled.isUnsettled(2, 'a')).toBe(false)
})

test('conditions of a native bucket are decided under the lock of the key', async () => {
  rig = await Rig.open()
  const conditions = { ifNoneMatch: ['*'] }
  const outcomes = await Promise.allSettled(
    Array.from({ length: 20 }, (_, index) =>
      rig.put('a', `writer ${index}`, { bucket: NATIVE, conditions }),
    ),
  )
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
})

test('a write whose answer is lost leaves the key unsettled, and reads follow the backend', async () => {
  rig = await Rig.open()
  await rig.put('a', 'old')
  rig.remote.addFault({ action: { kind: 'drop-answer' }, on: ['write'] })
  await expect(rig.put('a', 'new')).rejects.toMatchObject({ code: 'backend-unreachable' })
  expect(rig.context.unsettled.isUnsettled(2, 'a')).toBe(true)
  expect(String(await rig.get('a'))).toBe('new')
  await rig.restart()
  expect(rig.context.unsettled.isUnsettled(2, 'a')).toBe(true)
  rig.remote.put('remote', 'a', 'newest')
  expect(String(await rig.get('a'))).toBe('newest')
})

test('an unsettled key is settled by an answer asked after the quiet time', async () => {
  rig = await Rig.open()
  rig.remote.addFault({ action: { kind: 'drop-answer' }, on: ['write'] })
  await expect(rig.put('a', 'new')).rejects.toThrow()
  await rig.get('a')
  expect(rig.context.unsettled.isUnsettled(2, 'a')).toBe(true)
  rig.clock.shiftMs += 61_000
  await rig.get('a')
  await rig.get('a')
  expect(rig.context.unsettled.isUnsettled(2, 'a')).toBe(false)
})

test('a delete whose answer is lost is seen by the next read', async () => {
  rig = await Rig.open()
  await rig.put('a', 'old')
  rig.remote.addFault({ action: { kind: 'drop-answer' }, on: ['delete'] })
  await expect(rig.remove('a')).rejects.toMatchObject({ code: 'backend-unreachable' })
  expect(await rig.get('a')).toBeUndefined()
})

test('a definite refusal does not clear the doubt of an earlier write', async () => {
  rig = await Rig.open()
  rig.remote.addFault({ action: { kind: 'drop-answer' }, on: ['write'] })
  await expect(rig.put('a', 'one')).rejects.toThrow()
  await expect(rig.put('a', 'two', { conditions: { ifNoneMatch: ['*'] } })).rejects.toMatchObject({
    code: 'precondition-failed',
  })
  expect(rig.context.unsettled.isUnsettled(2, 'a')).toBe(true)
})

test('a fill that began before a write publishes nothing over it', async () => {
  rig = await Rig.open()
  const old = pattern(400_000, 1)
  rig.remote.put('remote', 'a', old)
  let written: Promise<unknown> | undefined
  rig.remote.addFault({
    on: ['read'],
    action: {
      kind: 'at',
      point: 200_000,
      act: () => {
        written ??= rig.put('a', 'new')
        return written.then(() => undefined)
      },
    },
  })
  const answer = await rig.get('a')
  expect(answer === undefined || answer.equals(old) || String(answer) === 'new').toBe(true)
  await rig.idle()
  expect(String(await rig.get('a'))).toBe('new')
  expect(String(rig.remote.bytes('remote', 'a'))).toBe('new')
})

test('writes that overlap leave the cache with the version that the backend kept', async () => {
  rig = await Rig.open()
  for (let round = 0; round < 20; round++) {
    const bodies = [
      pattern(120_000 + round, 3 * round + 1),
      pattern(90_000, 3 * round + 2),
      pattern(50, 3 * round + 3),
    ]
    await Promise.all(bodies.map((body) => rig.put('a', body)))
    expect(await rig.get('a')).toEqual(rig.remote.bytes('remote', 'a'))
  }
})

test('a broken connection before the tail is tried again with the whole body', async () => {
  rig = await Rig.open()
  rig.remote.addFault({ action: { kind: 'cut-body', afterBytes: 100_000 }, on: ['write'] })
  const bytes = pattern(600_000)
  await rig.put('a', bytes)
  expect(rig.remote.bytes('remote', 'a')).toEqual(bytes)
  expect(rig.remote.requestCount('write')).toBe(2)
})

test('a read-only bucket refuses writes and deletes', async () => {
  rig = await Rig.open(cachedBucket({ cache: 'read-only' }))
  rig.remote.put('remote', 'a', 'old')
  await expect(rig.put('a', 'new')).rejects.toMatchObject({ code: 'bucket-read-only' })
  await expect(rig.remove('a')).rejects.toMatchObject({ code: 'bucket-read-only' })
  expect(String(await rig.get('a'))).toBe('old')
})

test('evicting removes the copy and not the object; a native bucket refuses', async () => {
  rig = await Rig.open()
  await rig.put('a', 'kept')
  expect(await rig.target.evict({ bucket: rig.bucket, key: 'a', conditions: {}, signal })).toBe(
    true,
  )
  expect(await rig.target.evict({ bucket: rig.bucket, key: 'a', conditions: {}, signal })).toBe(
    false,
  )
  expect(String(await rig.get('a'))).toBe('kept')
  await rig.put('a', 'native', { bucket: NATIVE })
  await expect(
    rig.target.evict({ bucket: NATIVE, key: 'a', conditions: {}, signal }),
  ).rejects.toMatchObject({
    code: 'bucket-not-remote',
  })
})
