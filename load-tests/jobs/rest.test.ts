import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { childEnvironment, runCommand } from '../testkit/run-command.ts'
import { type Server, startForebay, temporaryFolder } from '../testkit/servers.ts'
import { isLeftOut, requireTool } from '../testkit/tools.ts'

/** The REST door of jobs on a whole node, asked by programs that are not ours. */
const SEED = 1

/** Time that schemathesis makes requests for, seconds; `--max-time 600` by hand for a long run. */
const FUZZ_SECONDS = 15

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
    const { stdout } = await runCommand(
      requireTool('schemathesis'),
      [
        ...['--config-file', join(PYTHON, 'schemathesis.toml')],
        ...['run', `${node.url}/v1/openapi.json`, '--phases', 'coverage,fuzzing'],
        ...['--seed', String(SEED), '--max-time', String(FUZZ_SECONDS), '--max-examples', '20'],
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
    // How many it gets to is a matter of how fast the machine is; that it did ask is what is checked here.
    const generated = Number(/(\d+) generated/.exec(stdout)?.[1] ?? 0)
    expect(generated).toBeGreaterThan(20)
  },
)
