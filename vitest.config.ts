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
        },
      },
      {
        test: {
          name: 'system',
          include: ['load-tests/**/*.test.ts'],
          testTimeout: 600_000,
          hookTimeout: 600_000,
          pool: 'forks',
          fileParallelism: false,
          maxWorkers: 1,
        },
      },
    ],
  },
})
