import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'

function runGuarded(limitMs: number, then: string) {
  const script = `
    const { guardEnd } = await import('${new URL('./end-guard.ts', import.meta.url).href}')
    guardEnd(${limitMs})
    ${then}`
  return spawnSync(process.execPath, ['--input-type=module', '-e', script], { timeout: 20_000 })
}

test('a process whose main thread hangs is ended, and says so', () => {
  const hang = 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)'
  const { signal, stderr } = runGuarded(200, hang)
  expect(signal).toBe('SIGKILL')
  expect(stderr.toString()).toContain('did not close in 200 ms')
})

test('a process that waits for what never comes is ended', () => {
  const { signal } = runGuarded(200, 'setInterval(() => undefined, 1000)')
  expect(signal).toBe('SIGKILL')
})

test('a process that ends in time is left alone', () => {
  expect(runGuarded(15_000, '')).toMatchObject({ status: 0, signal: null })
})
