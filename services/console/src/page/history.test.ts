import { MetricsText } from '@forebay/observe/metrics-text'
import { expect, test } from 'vitest'
import { columnsOf, HISTORY_MAX, NO_HISTORY, withScrape } from './history.ts'

function scrape(atSeconds: number, bytes: number) {
  const text = `forebay_uptime_seconds ${atSeconds}\nforebay_read_bytes_total{bucket="b",source="cache"} ${bytes}\n`
  return { atMs: atSeconds * 1000, metrics: new MetricsText(text) }
}

test('a frame is what happened between two scrapes', () => {
  const first = withScrape(NO_HISTORY, scrape(10, 100))
  expect(first.frames).toEqual([])
  const second = withScrape(first, scrape(12, 300))
  expect(second.frames).toMatchObject([{ outBytesPerSecond: 100, atMs: 12_000 }])
})

test('the history forgets its oldest frames', () => {
  let history = NO_HISTORY
  for (let at = 0; at <= HISTORY_MAX + 5; at++) history = withScrape(history, scrape(at, at))
  expect(history.frames.length).toBe(HISTORY_MAX)
  expect(history.frames.at(-1)?.atMs).toBe((HISTORY_MAX + 5) * 1000)
})

test('a chart leaves out what is not known', () => {
  const { frames } = withScrape(withScrape(NO_HISTORY, scrape(1, 0)), scrape(2, 5))
  expect(columnsOf(frames, [(f) => f.outBytesPerSecond, (f) => f.objectHitRatio])).toEqual([
    [2],
    [5],
    [null],
  ])
})
