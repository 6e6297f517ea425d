/** Ten times the usual rate within a second, and back: nothing fails, and the usual times return. */
import { get, OBJECTS, prepare } from './s3.ts'

const RATE = Number(__ENV['RATE'] ?? '50')

const arrivals = {
  executor: 'constant-arrival-rate',
  timeUnit: '1s',
  preAllocatedVUs: 50,
  maxVUs: 500,
} as const

export const options = {
  scenarios: {
    before: { ...arrivals, rate: RATE, duration: '5s' },
    spike: { ...arrivals, rate: RATE * 10, duration: '5s', startTime: '5s' },
    after: { ...arrivals, rate: RATE, duration: '5s', startTime: '11s' },
  },
  thresholds: {
    checks: ['rate==1'],
    'http_req_duration{scenario:before}': ['p(95)<200'],
    'http_req_duration{scenario:spike}': ['p(95)<2000'],
    'http_req_duration{scenario:after}': ['p(95)<200'],
  },
}

export function setup(): void {
  prepare()
}

export default function spike(): void {
  get(Math.floor(Math.random() * OBJECTS))
}
