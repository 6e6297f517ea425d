import { afterEach, expect, test } from 'vitest'
import { NATIVE, Rig } from './testing/rig.ts'

let rig: Rig
afterEach(() => rig.close())

const signal = new AbortController().signal

test.each(['native', 'cached'] as const)(
  'each object of a %s bucket without versions is the only version of itself',
  async (kind) => {
    rig = await Rig.open()
    const bucket = kind === 'native' ? NATIVE : rig.bucket
    for (const key of ['a', 'b/1', 'b/2', 'c']) await rig.put(key, key, { bucket })
    const page = { bucket, prefix: '', delimiter: '/', signal }
    const first = await rig.target.listVersions({ ...page, pageMax: 2 })
    expect(first).toMatchObject({
      versions: [{ key: 'a', versionId: 'null', isLatest: true, object: { sizeBytes: 1 } }],
      commonPrefixes: ['b/'],
      truncated: true,
      nextKeyMarker: 'b/',
      nextVersionIdMarker: undefined,
    })
    const { nextKeyMarker: keyMarker } = first
    const second = await rig.target.listVersions({ ...page, pageMax: 2, keyMarker })
    expect(second.versions.map(({ key }) => key)).toEqual(['c'])
    expect(second).toMatchObject({ truncated: false, nextKeyMarker: undefined })
    const none = await rig.target.listVersions({ ...page, pageMax: 0 })
    expect(none).toEqual({ versions: [], commonPrefixes: [], truncated: false })
  },
)
