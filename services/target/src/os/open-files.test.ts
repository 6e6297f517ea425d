import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { openFilesLimit, openFilesShare } from './open-files.ts'

test('the limit is what the process may have', () => {
  const script = `
    const { openFilesLimit, openFilesShare } = await import('${new URL('./open-files.ts', import.meta.url).href}')
    process.stdout.write(JSON.stringify([openFilesLimit(), openFilesShare()]))`
  const limited = execFileSync('bash', [
    ...['-c', 'ulimit -n 200; exec "$0" --input-type=module -e "$1"'],
    ...[process.execPath, script],
  ])
  expect(JSON.parse(limited.toString())).toEqual([200, 50])
  expect(openFilesLimit()).toBeGreaterThan(0)
})

test('a quarter of the limit is a share, and never less than a node needs', () => {
  expect(openFilesShare(1024)).toBe(256)
  expect(openFilesShare(64)).toBe(16)
  expect(openFilesShare(63)).toBe(16)
})
