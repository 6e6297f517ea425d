import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { childEnvironment, runCommand } from '../testkit/run-command.ts'
import { type Server, startForebay, temporaryFolder } from '../testkit/servers.ts'
import { isLeftOut, requireTool } from '../testkit/tools.ts'

/** The REST door of jobs on a whole node, asked by programs that are not ours. */
const SEED = 1

/** Requests that schemathesis makes up for each operation, by seed. */
const FUZZ_EXAMPLES = 2

/** Time for those that follow the document, of which there are 10,000, seconds; `--max-time 600` by hand. */
const COVERAGE_SECONDS = 15

const PYTHON = join(import.meta.dirname, 'python')

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let node: Server

beforeAll(async () => {
  folder = await temporaryFolder('jobs-rest')
  node = await startForebay({
    dataDir: join(folder.path, 'node'),
    // Nothing answers there; without it a bucket of Azure is refused by what it is.
    config: { backends: { azure: { account: 'anyaccount', endpoint: 'http://127.0.0.1:9' } } },
  })
})

afterAll(async () => {
  await node?.stop()
  await folder?.remove()
})

test.skipIf(isLeftOut('aistore'))(
  "AIStore's Python client starts, waits for and lists jobs",
  async () => {
    const script = join(PYTHON, 'aistore-jobs.py')
    const { stdout } = await runCommand(requireTool('aistore'), [script], {
      input: JSON.stringify({ endpoint: node.url }),
    })
    const copied = [0, 1, 2, 3, 4].map((number) => `c/k-${number}`)
    expect(JSON.parse(stdout)).toEqual({
      'copy-bucket': [[true], copied],
      details: [['copy-bck', 5, true]],
      delete: [[true], ['k-2', 'k-3', 'k-4']],
      'copy-objects': [[true], [...copied, 'g/k-2', 'g/k-3']],
      archive: [[true], ['a.tar', ...copied, 'g/k-2', 'g/k-3']],
      rename: [[true], ['jobs-renamed', 'jobs-target']],
      'status-all': 5,
      running: [],
      absent: 404,
      unbuilt: 501,
    })
  },
)

test.skipIf(isLeftOut('schemathesis'))(
  'every answer is what the OpenAPI document says',
  async () => {
    const fuzzed = await schemathesis('fuzzing', '--max-examples', String(FUZZ_EXAMPLES))
    const number = (text: RegExp): number => Number(text.exec(fuzzed)?.[1] ?? 0)
    expect(number(/Selected: (\d+)/)).toBeGreaterThan(30)
    expect(number(/Tested: (\d+)/)).toBe(number(/Selected: (\d+)/))
    expect(number(/(\d+) generated/)).toBeGreaterThan(number(/Tested: (\d+)/))
    // It fails by what it finds; how far it gets is a matter of how fast the machine is.
    await schemathesis('coverage', '--max-time', String(COVERAGE_SECONDS))
  },
)

/** What it says when every answer was as the document says. @throws where one was not */
async function schemathesis(phase: string, ...options: readonly string[]): Promise<string> {
  const { stdout } = await runCommand(
    requireTool('schemathesis'),
    [
      ...['--config-file', join(PYTHON, 'schemathesis.toml')],
      ...['run', `${node.url}/v1/openapi.json`, '--phases', phase],
      ...['--seed', String(SEED), ...options],
      // Streams of events do not end.
      ...['--exclude-path-regex', '/events$'],
      ...['--continue-on-failure', '--no-shrink', '--no-color', '--warnings', 'off'],
      ...['--request-timeout', '10', '--generation-database', 'none'],
    ],
    {
      cwd: folder.path,
      env: {
        ...childEnvironment(),
        SCHEMATHESIS_HOOKS: 'schemathesis-formats',
        PYTHONPATH: PYTHON,
        PYTHONDONTWRITEBYTECODE: '1',
      },
    },
  )
  return stdout
}
