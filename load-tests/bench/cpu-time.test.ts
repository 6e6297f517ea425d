import { spawn } from 'node:child_process'
import { expect, test } from 'vitest'
import {
  foreignCores,
  parseMachineTicks,
  parseSchedstat,
  processTree,
  readThreadTimes,
  secondsBetween,
} from './cpu-time.ts'

test('the first field of schedstat is the time on a CPU', () => {
  expect(parseSchedstat('1234567890 55 7\n')).toBe(1_234_567_890n)
})

test('a file that is no schedstat is refused', () => {
  expect(() => parseSchedstat('')).toThrow('no schedstat')
  expect(() => parseSchedstat('x 1 2')).toThrow('no schedstat')
})

test('idle and iowait are not busy, stolen time is', () => {
  const text = 'cpu  10 1 20 100 40 2 3 4 0 0\ncpu0 5 0 0 0 0 0 0 0 0 0\n'
  expect(parseMachineTicks(text)).toEqual({ total: 180, busy: 40 })
})

test('text without the line of the whole machine is refused', () => {
  expect(() => parseMachineTicks('cpu0 1 2 3 4 5 6 7 8\n')).toThrow('no line "cpu"')
})

test('a thread that began in between counts whole, one that ended not at all', () => {
  const before = new Map([
    [1, 1_000_000_000n],
    [2, 5_000_000_000n],
  ])
  const after = new Map([
    [1, 1_500_000_000n],
    [3, 250_000_000n],
  ])
  expect(secondsBetween(before, after)).toBe(0.75)
})

test('what is not ours is foreign, and never less than nothing', () => {
  const span = { before: { busy: 100, total: 0 }, after: { busy: 400, total: 0 } }
  expect(foreignCores(span, 1, 2)).toBe(1)
  expect(foreignCores(span, 4, 2)).toBe(0)
})

test('a process tree has the children, and its times only grow', async () => {
  const child = spawn('sh', ['-c', 'sleep 30 & wait'], { stdio: 'ignore' })
  try {
    const pid = child.pid ?? 0
    await expect.poll(async () => (await processTree(pid)).length).toBe(2)
    const before = await readThreadTimes(pid)
    const after = await readThreadTimes(pid)
    expect(before.size).toBe(2)
    expect(secondsBetween(before, after)).toBeGreaterThanOrEqual(0)
    for (const process of (await processTree(pid)).slice(1)) globalThis.process.kill(process)
  } finally {
    child.kill('SIGKILL')
  }
})

test('a process that is gone has no times', async () => {
  const child = spawn('true')
  await new Promise((resolve) => child.once('exit', resolve))
  await expect(readThreadTimes(child.pid ?? 0)).rejects.toThrow('is gone')
})
