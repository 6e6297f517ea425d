/** Eight reads, one write and one listing in ten, at a rate that does not wait for answers. */
import { get, list, OBJECTS, prepare, put } from './s3.ts'

export const options = {
  scenarios: {
    mix: {
      executor: 'constant-arrival-rate',
      rate: Number(__ENV['RATE'] ?? '200'),
      timeUnit: '1s',
      duration: __ENV['DURATION'] ?? '30s',
      preAllocatedVUs: 20,
      maxVUs: 200,
    },
  },
  thresholds: {
    checks: ['rate>0.999'],
    'http_req_duration{kind:get}': ['p(99)<200'],
    'http_req_duration{kind:put}': ['p(99)<1000'],
    'http_req_duration{kind:list}': ['p(99)<500'],
    dropped_iterations: ['count==0'],
  },
}

export function setup(): void {
  prepare()
}

export default function mix(): void {
  const index = Math.floor(Math.random() * OBJECTS)
  const which = Math.random() * 10
  if (which < 8) get(index)
  else if (which < 9) put(index)
  else list()
}
