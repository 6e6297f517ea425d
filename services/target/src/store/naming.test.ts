import { Buffer } from 'node:buffer'
import { posix } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { bucketDirectory, hashedPath, isPlainKey, preferredPath } from './naming.ts'
import { NATIVE } from './testing/store-fixture.ts'

test('the bucket directory names provider, namespace, bucket and id', () => {
  expect(bucketDirectory(NATIVE)).toBe('ais/@/native.7')
  const namespace = { uuid: 'u/1', name: '..' }
  const ref = { provider: 'aws', namespace, name: 'a*b' } as const
  expect(bucketDirectory({ ...NATIVE, ref })).toBe('aws/@u%2F1#../a%2Ab.7')
})

test('a component of 255 bytes is the longest that is a name of its own', () => {
  expect(isPlainKey('x'.repeat(255))).toBe(true)
  expect(isPlainKey('x'.repeat(256))).toBe(false)
  expect(isPlainKey('é'.repeat(127))).toBe(true)
  expect(isPlainKey('é'.repeat(128))).toBe(false)
})

test('no path leaves its bucket, has a bad component, or is shared by two keys', () => {
  const part = fc.constantFrom('a', 'b', '/', '.', '..', '.forebay', '\0', 'x'.repeat(300), 'ü')
  const key = fc.array(part, { minLength: 1, maxLength: 6 }).map((parts) => parts.join(''))
  fc.assert(
    fc.property(fc.uniqueArray(key, { maxLength: 20 }), (keys) => {
      const paths = keys.map((name) => preferredPath(NATIVE, name))
      for (const path of paths) {
        expect(posix.normalize(path)).toBe(path)
        expect(path.startsWith('ais/@/native.7/')).toBe(true)
        for (const component of path.split('/')) {
          expect(Buffer.byteLength(component)).toBeLessThanOrEqual(255)
          expect(component).not.toContain('\0')
        }
      }
      expect(new Set(paths).size).toBe(keys.length)
      const hashed = keys.map((name) => hashedPath(NATIVE, name))
      expect(new Set([...paths, ...hashed]).size).toBeGreaterThanOrEqual(keys.length)
    }),
  )
})
