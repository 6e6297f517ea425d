/**
 * Two epochs of a data loader: workers share the objects, each of which is read once an epoch, in an
 * order of its own. Against a bucket with a store behind it, the first epoch is the cold one.
 */
import { scenario } from 'k6/execution'
import { get, OBJECTS, prepare } from './s3.ts'

const EPOCHS = Number(__ENV['EPOCHS'] ?? '2')

export const options = {
  scenarios: {
    epoch: {
      executor: 'shared-iterations',
      vus: Number(__ENV['WORKERS'] ?? '8'),
      iterations: OBJECTS * EPOCHS,
      maxDuration: '10m',
    },
  },
  thresholds: {
    checks: ['rate==1'],
    'http_req_duration{kind:get}': ['p(99)<1000'],
  },
}

export function setup(): void {
  // The objects of a bucket that is there already are read as they are.
  if (__ENV['PREPARE'] !== 'false') prepare()
}

/** A factor without a common divisor with the count walks through all of them, in steps. */
export default function epoch(): void {
  const turn = scenario.iterationInTest
  const at = turn % OBJECTS
  get((at * stepOf(Math.floor(turn / OBJECTS))) % OBJECTS)
}

function stepOf(epochIndex: number): number {
  let step = 7919 + epochIndex * 104
  while (divisor(step, OBJECTS) !== 1) step += 1
  return step
}

function divisor(one: number, other: number): number {
  return other === 0 ? one : divisor(other, one % other)
}
