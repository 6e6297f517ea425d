import { join } from 'node:path'
import { childEnvironment, runCommand } from '../testkit/run-command.ts'
import { requireTool, type ToolName } from '../testkit/tools.ts'
import { awsEnvironment, type Client, type Endpoint, REGION } from './client.ts'

const STEPS_TIMEOUT_MS = 5 * 60_000

/** A Python client: its environment and its script in `python/`. */
type PythonClient = 'boto3' | 's3fs' | 'pyarrow' | 'webdataset' | 'tables'

export type Step = { readonly do: string } & Readonly<Record<string, unknown>>

/** Runs steps in one Python process, in order; returns the result of each, as the script made it. */
export async function runSteps(
  tool: PythonClient,
  where: { readonly endpoint: Endpoint; readonly bucket: string },
  steps: readonly Step[],
  // biome-ignore lint/suspicious/noExplicitAny: results differ by step; the test compares them whole.
): Promise<readonly any[]> {
  const { endpoint, bucket } = where
  const { url, accessKey, secretKey } = endpoint
  const job = { endpoint: url, accessKey, secretKey, region: REGION, bucket, steps }
  const aws = tool === 'webdataset' ? requireTool('awscli') : undefined
  const script = join(import.meta.dirname, 'python', `${tool}-client.py`)
  const { stdout } = await runCommand(requireTool(tool satisfies ToolName), [script], {
    input: JSON.stringify({ ...job, aws }),
    env: childEnvironment(awsEnvironment(endpoint)),
    timeoutMs: STEPS_TIMEOUT_MS,
  })
  return JSON.parse(stdout)
}

/** boto3, s3fs or pyarrow on one bucket. */
export function pythonClient(
  tool: 'boto3' | 's3fs' | 'pyarrow',
  where: { readonly endpoint: Endpoint; readonly bucket: string },
): Client {
  const run = async (step: Step) => (await runSteps(tool, where, [step]))[0]
  return {
    name: tool,
    list: (prefix) => run({ do: 'list', prefix }),
    read: (keys) => run({ do: 'read', keys }),
    write: (path, key) => run({ do: 'write', path, key }),
    copy: (source, target) => run({ do: 'copy', source, target }),
    remove: (key) => run({ do: 'remove', key }),
  }
}
