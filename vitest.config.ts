import { availableParallelism } from 'node:os'
import { join } from 'node:path'
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
          globalSetup: 'load-tests/testkit/temporary-root.ts',
          // For the programs that tests run: of what the start of one costs, more than half.
          env: { NODE_COMPILE_CACHE: join(import.meta.dirname, '.cache/compile') },
          pool: 'forks',
          // To read the modules anew for each of 300 files took a quarter of the time.
          isolate: false,
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
