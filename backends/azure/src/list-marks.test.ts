import { expect, test } from 'vitest'
import { ListMarks } from './list-marks.ts'

test('the end of a page is found by its listing and its last name', () => {
  const marks = new ListMarks()
  marks.keep('["box","",null]', 'k9', 'm1')
  expect(marks.find('["box","",null]', 'k9')).toBe('m1')
  expect(marks.find('["box","",null]', 'k8')).toBeUndefined()
  expect(marks.find('["other","",null]', 'k9')).toBeUndefined()
  marks.keep('["box","",null]', 'k9', 'm2')
  expect(marks.find('["box","",null]', 'k9')).toBe('m2')
})

test('the oldest ends are forgotten', () => {
  const marks = new ListMarks()
  for (let page = 0; page < 1000; page++) marks.keep('s', `k${page}`, 'm')
  expect(marks.find('s', 'k0')).toBe('m')
  marks.keep('s', 'k1000', 'm')
  expect(marks.find('s', 'k0')).toBeUndefined()
  expect(marks.find('s', 'k1')).toBe('m')
})
