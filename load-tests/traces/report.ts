import { POLICY_KINDS } from '@forebay/model/bucket-properties'
import { formatTable } from '../bench/statistics.ts'
import type { Check, TraceResult } from './compare.ts'
import type { PolicyCost } from './cost.ts'
import type { HitRatio } from './hit-ratio.ts'

/** Hit ratios, objects and bytes, of the optimum and each policy. */
export function formatTraces(results: readonly TraceResult[]): string {
  const show = ({ objects, bytes }: HitRatio): string => `${objects.toFixed(3)} ${bytes.toFixed(3)}`
  return formatTable([
    ['trace: objects bytes', 'optimum', ...POLICY_KINDS],
    ...results.map(({ name, optimum, policies }) => [
      name,
      show(optimum),
      ...POLICY_KINDS.map((kind) => show(policies[kind])),
    ]),
  ])
}

export function formatCosts(costs: readonly PolicyCost[]): string {
  return formatTable([
    [
      'policy',
      'stored ns',
      'touched ns',
      'chose ns',
      'removed ns',
      'longest ms',
      'bytes an object',
    ],
    ...costs.map((cost) => [
      cost.kind,
      cost.storedNs.toFixed(0),
      cost.touchedNs.toFixed(0),
      cost.choseNs.toFixed(0),
      cost.removedNs.toFixed(0),
      cost.longestMs.toFixed(1),
      cost.bytesPerObject.toFixed(1),
    ]),
  ])
}

/** What was not met, or that everything was. */
export function formatChecks(checks: readonly Check[]): string {
  const missed = checks.filter(({ met }) => !met)
  if (missed.length === 0) return `all ${checks.length} checks met`
  return missed
    .map(({ what, value, bar }) => `MISSED: ${what}: ${value.toFixed(4)}, bar ${bar}`)
    .join('\n')
}
