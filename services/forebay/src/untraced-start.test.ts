import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'

/** Imports what a node consists of, and prints which packages were looked for. */
const PROGRAM = `
import { registerHooks } from 'node:module'
const wanted = new Set()
registerHooks({ resolve: (name, context, next) => (wanted.add(name), next(name, context)) })
const { openTracing } = await import('@forebay/observe/tracing')
await import(process.env.NODE_OF_THE_TEST)
await openTracing({ endpoint: process.env.ENDPOINT_OF_THE_TEST, sampleRatio: 1, serviceName: 's' })
console.log(JSON.stringify([...wanted]))
`

function packagesOf(endpoint?: string): readonly string[] {
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', '--input-type=module', '--eval', PROGRAM],
    {
      cwd: import.meta.dirname,
      encoding: 'utf8',
      env: {
        NODE_OF_THE_TEST: join(import.meta.dirname, 'node.ts'),
        ENDPOINT_OF_THE_TEST: endpoint,
      },
    },
  )
  expect(stderr).toBe('')
  const wanted: readonly string[] = JSON.parse(stdout)
  // prom-client brings the API itself along, for exemplars.
  return wanted.filter((name) => /^@opentelemetry\/(?!api$)/.test(name))
}

test('a node loads nothing of the SDK of OpenTelemetry until it is told to trace', () => {
  expect(packagesOf()).toEqual([])
  expect(packagesOf('http://127.0.0.1:4318')).toContain('@opentelemetry/sdk-trace')
})
