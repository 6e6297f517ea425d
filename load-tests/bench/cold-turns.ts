/**
 * What a cold GET of 4 KiB costs this version and another one, turn by turn: on a machine whose speed
 * changes from minute to minute, only what was measured in the same seconds can be compared.
 */
import type { BenchContext } from './bench-context.ts'
import type { Figure } from './cold.ts'
import { CPU_BYTES, measureReads } from './cold-cpu.ts'
import { putAll, startNode } from './cold-setup.ts'
import { COLD_BUCKET, openColdStore, type StoreKind } from './cold-stores.ts'
import { objectName } from './requests.ts'
import { median, minimum } from './statistics.ts'

/** Objects that each version reads in a round. */
const OBJECTS = 1500

/** Rounds before the first that counts. */
const WARM_ROUNDS = 3

/** What a node does after its answers counts too. */
const SETTLE_MS = 300

const ORDER = ['own', 'other'] as const

export type ColdTurnsOptions = {
  readonly stores: readonly StoreKind[]
  /** Checkout of the other version, set up. */
  readonly against: string
  readonly rounds: number
}

export async function measureColdTurns(
  context: BenchContext,
  options: ColdTurnsOptions,
): Promise<readonly Figure[]> {
  const figures: Figure[] = []
  for (const kind of options.stores) figures.push(...(await measureStore(context, kind, options)))
  return figures
}

async function measureStore(
  context: BenchContext,
  kind: StoreKind,
  { against, rounds }: ColdTurnsOptions,
): Promise<readonly Figure[]> {
  const store = await openColdStore(context, kind)
  const { url } = store.server
  const other = await startNode(context, store, { name: `${kind}-other`, url, root: against })
  const own = await startNode(context, store, { name: `${kind}-own`, url })
  const costs = { own: [] as number[], other: [] as number[] }
  for (let round = 0; round < WARM_ROUNDS + rounds; round += 1) {
    const keys = Array.from({ length: OBJECTS }, (_, index) => `turn-${round}/${objectName(index)}`)
    await putAll(store, keys, CPU_BYTES)
    const targets = keys.map((key) => `/${COLD_BUCKET}/${key}`)
    // Who comes second finds the store warm: each is that in turn.
    for (const who of round % 2 === 0 ? ORDER : ORDER.toReversed()) {
      const cost = await measureReads(context, who === 'own' ? own : other, {
        targets,
        settleMs: SETTLE_MS,
      })
      if (round >= WARM_ROUNDS) costs[who].push(cost)
    }
    context.say(`${kind}: round ${round + 1} of ${WARM_ROUNDS + rounds}`)
  }
  for (const node of [own, other]) await node.server.stop()
  await store.server.stop()
  const ratios = costs.own.map((cost, at) => cost / (costs.other[at] ?? Number.NaN))
  const what = `${kind}, CPU for an absent object of 4 KiB`
  return [
    { what: `${what}, the other version, median`, value: median(costs.other), unit: 'us' },
    { what: `${what}, the other version, minimum`, value: minimum(costs.other), unit: 'us' },
    { what: `${what}, this version, median`, value: median(costs.own), unit: 'us' },
    { what: `${what}, this version, minimum`, value: minimum(costs.own), unit: 'us' },
    { what: `${what}, median of the ratios`, value: median(ratios), unit: 'x' },
  ]
}
