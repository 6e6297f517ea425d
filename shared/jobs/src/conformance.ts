/**
 * The promises of `JobEngine`, as cases that every engine passes.
 *
 * A runner turns each case into a test of its own:
 * `for (const { title, run } of jobEngineCases(harness)) test(title, run)`.
 */
import type { JobEngineCase, JobEngineHarness, Scenario } from './conformance/case.ts'

const SCENARIOS: readonly Scenario[] = []

/** The cases that apply to this engine; each runs on an empty store of its own. */
export function jobEngineCases(harness: JobEngineHarness): readonly JobEngineCase[] {
  return SCENARIOS.filter(({ engines = 1 }) => engines <= harness.enginesMax).map((scenario) => ({
    title: scenario.title,
    run: () => runIn(harness, scenario),
  }))
}

async function runIn(harness: JobEngineHarness, scenario: Scenario): Promise<void> {
  const store = await harness.openStore()
  try {
    await scenario.play(store)
  } finally {
    await store.close()
  }
}
