import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: [
            '{shared,backends,services}/*/src/**/*.test.ts',
            'shared/testkit/tidy/*.test.ts',
          ],
          testTimeout: 30_000,
          pool: 'forks',
          // By default one core is left free: of two that would be half of the machine.
          maxWorkers: Math.max(2, availableParallelism()),
        },
      },
      {
        test: {
          name: 'system',
          include: ['load-tests/**/*.test.ts'],
          testTimeout: 600_000,
          hookTimeout: 600_000,
          pool: 'forks',
          // They wait for servers and clients half of the time, and measure nothing.
          maxWorkers: 2,
        },
      },
    ],
  },
})
