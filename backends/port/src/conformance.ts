/**
 * The promises of `Backend`, as cases that every adapter and every wrapper passes.
 *
 * A runner turns each case into a test of its own:
 * `for (const { title, run } of conformanceCases(harness)) test(title, run)`.
 */
import type {
  ConformanceCase,
  ConformanceHarness,
  OpenStore,
  Scenario,
} from './conformance/case.ts'
import { LIST_SCENARIOS } from './conformance/lists.ts'
import { MULTIPART_SCENARIOS } from './conformance/multipart.ts'
import { READ_SCENARIOS } from './conformance/reads.ts'
import { TAG_SCENARIOS } from './conformance/tags.ts'
import { WRITE_SCENARIOS } from './conformance/writes.ts'

/** The cases that apply to this store; each runs in an empty bucket of its own. */
export function conformanceCases(harness: ConformanceHarness): readonly ConformanceCase[] {
  return [
    ...READ_SCENARIOS,
    ...WRITE_SCENARIOS,
    ...LIST_SCENARIOS,
    ...MULTIPART_SCENARIOS,
    ...TAG_SCENARIOS,
  ]
    .filter(({ needs }) => needs === undefined || needs(harness))
    .map((scenario) => ({ title: scenario.title, run: () => runIn(harness, scenario) }))
}

async function runIn(harness: ConformanceHarness, scenario: Scenario): Promise<void> {
  const store: OpenStore = await harness.open()
  try {
    await scenario.play(store, harness)
  } finally {
    await store.close()
  }
}
