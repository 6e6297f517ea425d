import type { JobReport } from '@forebay/client/jobs'
import { byteRateText, countText, rateText } from './format.ts'

/** The bounds that a job was ordered with, by name, and what is reached of its rates while it runs. */
export function limitFacts({
  limits,
  rate,
  counters,
}: Pick<JobReport, 'limits' | 'rate' | 'counters'>): readonly (readonly [string, string])[] {
  return Object.entries(limits).map(([name, value]) => {
    if (typeof value !== 'number') return [name, String(value)]
    switch (name) {
      case 'bytesPerSecond':
        return ['Bytes a second', withNow(byteRateText, value, rate?.bytesPerSecond)]
      case 'itemsPerSecond':
        return ['Objects a second', withNow(rateText, value, rate?.itemsPerSecond)]
      case 'concurrency':
        return ['At once on a node', `at most ${countText(value)}`]
      case 'failuresMax':
        return ['Failures', `${countText(counters.failed)} of ${countText(value)} at most`]
      default:
        return [name, String(value)]
    }
  })
}

function withNow(
  text: (perSecond: number) => string,
  limit: number,
  now: number | undefined,
): string {
  return `at most ${text(limit)}${now === undefined ? '' : `, ${text(now)} now`}`
}
