import { PART_BYTES_MIN, PARTS_MAX, PUT_BYTES_MAX } from '@forebay/base/limits'
import type { BucketRecord } from '@forebay/model/bucket'
import type { CopyRequest } from '@forebay/peer/target-port'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { COPY_PART_BYTES, partBytesOf } from './copy-in-parts.ts'
import { NATIVE, pattern, Rig } from './testing/rig.ts'

/** Two whole parts and a bit. */
const SIZE_BYTES = 2 * PART_BYTES_MIN + 100

const BYTES = pattern(SIZE_BYTES)

let rig: Rig

beforeEach(async () => {
  // As S3 has it, in small: what is larger than a part is neither put nor copied at once.
  rig = await Rig.open(undefined, { putBytesMax: PART_BYTES_MIN })
})
afterEach(() => rig.close())

const signal = new AbortController().signal

function copy(from: BucketRecord, more: Partial<CopyRequest> = {}) {
  return rig.target.copy({
    ...{ bucket: rig.bucket, key: 'copy', source: { bucket: from, key: 'a' } },
    ...{ sourceConditions: {}, conditions: {}, sourceSizeBytes: SIZE_BYTES, signal },
    ...more,
  })
}

const remote = () => rig.remote.bucket('remote')

/** Puts the source where it is to be, with what describes it. */
async function makeSource(from: 'stored' | 'native'): Promise<BucketRecord> {
  const described = {
    headers: { contentType: 'image/png', websiteRedirect: '/x' },
    metadata: { own: 'value' },
  }
  if (from === 'stored') {
    rig.remote.put('remote', 'a', { bytes: BYTES, ...described })
    const tags = [{ key: 'colour', value: 'red' }]
    await rig.target.putTags({ bucket: rig.bucket, key: 'a', tags, signal })
    return rig.bucket
  }
  await rig.target.write({
    ...{ bucket: NATIVE, key: 'a', ...described, conditions: {}, stated: [], md5: true, signal },
    tags: [{ key: 'colour', value: 'red' }],
    body: {
      lengthBytes: SIZE_BYTES,
      digestsNeeded: [],
      pump: async (write) => write(Buffer.from(BYTES)),
      judge: () => ({ checksums: [] }),
    },
  })
  return NATIVE
}

describe.each(['stored', 'native'] as const)('a large object of a %s bucket', (from) => {
  const partRequest = from === 'stored' ? 'copy-part' : 'write-part'

  test('is copied in parts, with what describes it and a word of its version', async () => {
    const source = await makeSource(from)
    rig.remote.resetCounts()
    const { attributes } = await copy(source, { noteSource: true })
    expect(attributes.sizeBytes).toBe(SIZE_BYTES)
    expect(rig.remote.requestCount(partRequest)).toBe(3)
    expect(rig.remote.requestCount('copy')).toBe(0)
    // Inside a store no byte comes here.
    if (from === 'stored') expect(rig.remote.bytesRead).toBe(0)
    const made = rig.remote.get('remote', 'copy')
    expect(made?.parts).toHaveLength(3)
    expect(rig.remote.bytes('remote', 'copy')?.equals(BYTES)).toBe(true)
    expect(made).toMatchObject({
      headers: { contentType: 'image/png' },
      metadata: { own: 'value', 'forebay-source-etag': expect.any(String) },
      tags: [{ key: 'colour', value: 'red' }],
    })
    expect(made?.headers.websiteRedirect).toBeUndefined()
    expect((await rig.get('copy'))?.equals(BYTES)).toBe(true)
  })

  test('leaves nothing behind where a part fails', async () => {
    const source = await makeSource(from)
    rig.remote.addFault({
      on: [partRequest],
      skip: 1,
      times: 10,
      action: { kind: 'refuse', code: 'backend-refused' },
    })
    await expect(copy(source)).rejects.toMatchObject({ code: 'backend-refused' })
    expect(remote().current('copy')).toBeUndefined()
    expect(await uploads()).toEqual([])
  })

  test('that changes between two parts is not mixed with its next version', async () => {
    const source = await makeSource(from)
    let changed: Promise<unknown> = Promise.resolve()
    rig.remote.addFault({
      on: [partRequest],
      action: {
        kind: 'at',
        point: 'answer',
        act: async () => {
          changed = rig.put('a', 'young', { bucket: source })
          await changed
        },
      },
    })
    const result = await copy(source).then(
      () => 'copied',
      (error: unknown) => error,
    )
    await changed
    if (result === 'copied') {
      // The other parts may have been read before.
      expect(rig.remote.bytes('remote', 'copy')?.equals(BYTES)).toBe(true)
    } else {
      expect(result).toMatchObject({ code: 'precondition-failed' })
      expect(remote().current('copy')).toBeUndefined()
    }
    expect(await uploads()).toEqual([])
  })

  test('does not go over what was put in its place meanwhile', async () => {
    const source = await makeSource(from)
    rig.remote.addFault({
      on: ['complete-upload'],
      action: {
        kind: 'at',
        point: 'start',
        act: () => {
          rig.remote.put('remote', 'copy', 'newer')
        },
      },
    })
    const guard = { version: 'absent' } as const
    await expect(copy(source, { guard })).rejects.toMatchObject({ code: 'precondition-failed' })
    expect(String(await rig.get('copy'))).toBe('newer')
    expect(await uploads()).toEqual([])
  })

  test('is given up between two parts where its work was taken away', async () => {
    const source = await makeSource(from)
    let checks = 0
    const guard = {
      check: () => {
        checks += 1
        if (checks > 2) throw new Error('taken away')
      },
    }
    await expect(copy(source, { guard })).rejects.toThrow('taken away')
    expect(remote().current('copy')).toBeUndefined()
    expect(await uploads()).toEqual([])
  })
})

test('a completion that nobody answered is not undone: the next read asks the store', async () => {
  const source = await makeSource('stored')
  rig.remote.addFault({ on: ['complete-upload'], action: { kind: 'drop-answer' } })
  await expect(copy(source)).rejects.toMatchObject({ code: expect.stringMatching(/^backend-/) })
  expect(rig.remote.requestCount('abort-upload')).toBe(0)
  expect((await rig.get('copy'))?.equals(BYTES)).toBe(true)
})

test('what is not too large is copied at once, also when its size is known', async () => {
  rig.remote.put('remote', 'a', BYTES.subarray(0, PART_BYTES_MIN))
  await copy(rig.bucket, { sourceSizeBytes: PART_BYTES_MIN })
  expect(rig.remote.requestCount('copy')).toBe(1)
  expect(rig.remote.requestCount('create-upload')).toBe(0)
})

test('parts are as large as is handy, and never more than an upload may have', () => {
  expect(partBytesOf(6 * 1024 ** 3, PUT_BYTES_MAX)).toBe(COPY_PART_BYTES)
  expect(partBytesOf(SIZE_BYTES, 1)).toBe(PART_BYTES_MIN)
  expect(partBytesOf(PARTS_MAX * PUT_BYTES_MAX, PUT_BYTES_MAX)).toBe(PUT_BYTES_MAX)
  expect(() => partBytesOf(PARTS_MAX * PUT_BYTES_MAX + 1, PUT_BYTES_MAX)).toThrow(
    'cannot be copied',
  )
})

async function uploads(): Promise<readonly unknown[]> {
  const listed = await rig.target.listUploads({
    ...{ bucket: rig.bucket, prefix: '', pageMax: 1000, signal },
  })
  return listed.uploads
}
