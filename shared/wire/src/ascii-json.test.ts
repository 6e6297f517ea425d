import { expect, test } from 'vitest'
import { asciiJson } from './ascii-json.ts'

test('what is no ASCII is escaped, and read back as it was', () => {
  const value = { 'prefix/ü': ['\u{1f600}', '\u007f', 'plain "quoted"'] }
  const text = asciiJson(value)
  expect(text).toMatch(/^[\x20-\x7e]+$/)
  expect(JSON.parse(text)).toEqual(value)
})
