import { expect, test } from 'vitest'
import { ROWS } from './rows/all.ts'

/** A seed that found something stays here. */
const SEED = 20_261

test.concurrent.each(ROWS.filter(({ inTests }) => inTests !== false))(
  'row $number of the table of faults: $title',
  async (row) => {
    const { violations } = await row.run({ seed: SEED, scale: 'short' })
    expect(violations).toEqual([])
  },
)
