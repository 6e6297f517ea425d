import { expect, test } from 'vitest'
import { checkHeaderSection, HEADER_SECTION_BYTES_MAX } from './request-headers.ts'

test('the headers may have 8 KiB with their names, colons and line ends', () => {
  expect(HEADER_SECTION_BYTES_MAX).toBe(8192)
  const section = (bytes: number) => ['Host', 'h', 'X-A', 'v'.repeat(bytes - 16)]
  expect(() => checkHeaderSection(section(8192))).not.toThrow()
  expect(() => checkHeaderSection(section(8193))).toThrow('8193 bytes')
  const many = Array.from({ length: 2 * 1025 }, () => 'ab')
  expect(() => checkHeaderSection(many.slice(2))).not.toThrow()
  expect(() => checkHeaderSection(many)).toThrow('8200 bytes')
  expect(() => checkHeaderSection([])).not.toThrow()
})
