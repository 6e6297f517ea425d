import { expect, test, vi } from 'vitest'
import { LOOP_WINDOW_MS, type LoopDelay, LoopMonitor } from './loop-monitor.ts'

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

function block(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until) Math.sqrt(2)
}

test('a loop that was blocked shows it', async () => {
  const monitor = new LoopMonitor(1000, () => undefined)
  try {
    await sleep(50)
    block(120)
    await sleep(30)
    expect(monitor.delay.max).toBeGreaterThan(0.08)
    expect(monitor.delay.p50).toBeLessThanOrEqual(monitor.delay.p99)
    expect(monitor.delay.p99).toBeLessThanOrEqual(monitor.delay.max)
  } finally {
    monitor.stop()
  }
})

test('a window over the limit raises the alarm, one under it does not', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  const alarms: LoopDelay[] = []
  const strict = new LoopMonitor(40, (delay) => alarms.push(delay))
  const lax = new LoopMonitor(600_000, (delay) => alarms.push(delay))
  try {
    await sleep(20)
    block(150)
    await sleep(20)
    vi.advanceTimersByTime(LOOP_WINDOW_MS)
    expect(alarms).toHaveLength(1)
    expect(alarms[0]?.p99).toBeGreaterThan(0.04)
    expect(strict.delay).toEqual(alarms[0])
  } finally {
    strict.stop()
    lax.stop()
    vi.useRealTimers()
  }
})
