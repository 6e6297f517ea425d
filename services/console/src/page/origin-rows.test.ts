import { MetricsText } from '@forebay/observe/metrics-text'
import { expect, test } from 'vitest'
import { costOf, originsOf } from './origin-rows.ts'

const ASKED = [
  'forebay_backend_requests_total{backend="s3",operation="get",outcome="ok"} 10',
  'forebay_backend_requests_total{backend="s3",operation="get",outcome="failed"} 2',
  'forebay_backend_requests_total{backend="s3",operation="head",outcome="timeout"} 1',
  'forebay_backend_bytes_total{backend="s3",operation="get",direction="received"} 4096',
]

function stateOf(...lines: readonly string[]): string | undefined {
  return originsOf(new MetricsText([...ASKED, ...lines].join('\n')), undefined)[0]?.state
}

test('an origin is counted over all its operations', () => {
  expect(originsOf(new MetricsText(ASKED.join('\n')), undefined)).toMatchObject([
    { name: 's3', requests: 13, failed: 2, timedOut: 1, throttled: 0, receivedBytes: 4096 },
  ])
})

test('an origin that cannot be reached, or just came back, is shown as that', () => {
  expect(stateOf()).toBe('good')
  expect(stateOf('forebay_backend_circuit{backend="s3"} 0')).toBe('good')
  expect(stateOf('forebay_backend_circuit{backend="s3"} 1')).toBe('recovering')
  expect(stateOf('forebay_backend_circuit{backend="s3"} 2')).toBe('down')
})

test('what was saved is worth its bytes and its requests', () => {
  const saved = { savedBytes: 2 * 1024 ** 3, savedRequests: 5000 }
  expect(costOf(saved, { perGib: 0.09, perThousandRequests: 0.0004 })).toBeCloseTo(0.182, 10)
  expect(costOf(saved, { perGib: 0, perThousandRequests: 0 })).toBe(0)
})
