/**
 * The promises of `JobEngine`, as cases that every engine passes.
 *
 * A runner turns each case into a test of its own:
 * `for (const { title, run } of jobEngineCases(harness)) test(title, run)`.
 */
import type { JobEngineCase, JobEngineHarness, Scenario } from './conformance/case.ts'
import { CONTROL_SCENARIOS } from './conformance/controls.ts'
import { DELIVERY_SCENARIOS } from './conformance/deliveries.ts'
import { FAILURE_SCENARIOS } from './conformance/failures.ts'
import { FAULT_SCENARIOS } from './conformance/faults.ts'
import { ORDER_SCENARIOS } from './conformance/orders.ts'
import { roundScenarios } from './conformance/rounds.ts'
import { SCHEDULE_SCENARIOS } from './conformance/schedules.ts'

const SCENARIOS: readonly Scenario[] = [
  ...ORDER_SCENARIOS,
  ...DELIVERY_SCENARIOS,
  ...FAILURE_SCENARIOS,
  ...CONTROL_SCENARIOS,
  ...SCHEDULE_SCENARIOS,
  ...FAULT_SCENARIOS,
]

const SEEDS = [1, 2, 3]

/** The cases that apply to this engine; each runs on an empty store of its own. */
export function jobEngineCases(harness: JobEngineHarness): readonly JobEngineCase[] {
  return [...SCENARIOS, ...roundScenarios(harness.seeds ?? SEEDS)]
    .filter(({ engines = 1 }) => engines <= harness.enginesMax)
    .map((scenario) => ({ title: scenario.title, run: () => runIn(harness, scenario) }))
}

async function runIn(harness: JobEngineHarness, scenario: Scenario): Promise<void> {
  const store = await harness.openStore()
  try {
    await scenario.play(store)
  } finally {
    await store.close()
  }
}
