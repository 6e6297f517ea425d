import { spawnSync } from 'node:child_process'
import { afterEach, expect, test } from 'vitest'
import { armFailpoints, failpoint, failpointPassed } from './failpoint.ts'

afterEach(() => armFailpoints(''))

test('a failpoint that is not armed does nothing', () => {
  expect(failpoint('put.synced')).toBeUndefined()
  armFailpoints('other=throw')
  expect(failpoint('put.synced')).toBeUndefined()
  expect(failpointPassed('put.synced')).toBe(0)
})

test('throw looks like an I/O error of a disk', () => {
  armFailpoints('put.synced=throw')
  expect(() => failpoint('put.synced')).toThrow(expect.objectContaining({ code: 'EIO', errno: -5 }))
})

test('a hit number picks one passage', () => {
  armFailpoints('a=throw@2')
  expect(failpoint('a')).toBeUndefined()
  expect(() => failpoint('a')).toThrow('EIO')
  expect(failpoint('a')).toBeUndefined()
  expect(failpointPassed('a')).toBe(3)
})

test('delay waits before the flow goes on', async () => {
  armFailpoints('a=delay:1;b=throw')
  await expect(failpoint('a')).resolves.toBeUndefined()
  expect(() => failpoint('b')).toThrow('EIO')
})

test('kill ends the process as SIGKILL does', () => {
  const module = new URL('./failpoint.ts', import.meta.url).href
  const script = `const { armFailpoints, failpoint } = await import(${JSON.stringify(module)});
    armFailpoints('a=kill@2'); failpoint('a'); console.log('once'); await failpoint('a'); console.log('twice')`
  const run = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    timeout: 20_000,
  })
  expect(run.signal).toBe('SIGKILL')
  expect(run.stdout).toBe('once\n')
})

test.each(['a', 'a=', '=kill', 'a=boom', 'a=delay', 'a=delay:x', 'a=kill@', 'a=kill@x'])(
  'the plan %j is refused',
  (plan) => {
    expect(() => armFailpoints(plan)).toThrow('bad failpoint')
  },
)
