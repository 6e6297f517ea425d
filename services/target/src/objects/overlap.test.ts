import { expect, test } from 'vitest'
import { OverlapWatch } from './overlap.ts'

test('a write that is alone from begin to end did not overlap', () => {
  const watch = new OverlapWatch()
  const first = watch.begin('k')
  expect(first.overlapped()).toBe(false)
  first.end()
  expect(watch.begin('k').overlapped()).toBe(false)
})

test('both of two writes at a time overlapped, also after one has ended', () => {
  const watch = new OverlapWatch()
  const first = watch.begin('k')
  const second = watch.begin('k')
  first.end()
  expect([first.overlapped(), second.overlapped()]).toEqual([true, true])
})

test('writes of different keys do not overlap', () => {
  const watch = new OverlapWatch()
  watch.begin('k')
  expect(watch.begin('l').overlapped()).toBe(false)
})
