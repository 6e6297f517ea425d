import { mkdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { childEnvironment, outputOf } from '../../testkit/run-command.ts'
import { freePort, type S3Credentials, type Server, startServer } from '../../testkit/servers.ts'
import { requireTool } from '../../testkit/tools.ts'

/** Longest time of the whole suite against one server. */
const SUITE_TIMEOUT_MS = 300_000

/** Longest time of one case that is run alone. */
const CASE_TIMEOUT_MS = 60_000

/** What became of one case. */
export type CaseResult = { readonly passed: boolean; readonly said: string }

/** A server of the S3 API and the keys of its administrator. */
export type Endpoint = { readonly url: string; readonly credentials: S3Credentials }

/**
 * versitygw over a folder, with users of its own: the suite makes some, by a program `./versitygw`
 * in the folder that it runs in.
 */
export async function startReference(folder: string, credentials: S3Credentials): Promise<Server> {
  for (const name of ['iam', 'data']) await mkdir(join(folder, name), { recursive: true })
  const port = await freePort()
  return startServer({
    name: 'versitygw',
    command: requireTool('versitygw'),
    args: [
      ...['--port', `127.0.0.1:${port}`, '--iam-dir', join(folder, 'iam'), '--quiet'],
      ...['posix', join(folder, 'data')],
    ],
    env: childEnvironment({
      ROOT_ACCESS_KEY: credentials.accessKey,
      ROOT_SECRET_KEY: credentials.secretKey,
    }),
    port,
    readyPath: '/',
    isReady: (status) => status > 0,
  })
}

/** Runs the whole suite; names each case that began. */
export async function runSuite(
  folder: string,
  endpoint: Endpoint,
): Promise<ReadonlyMap<string, CaseResult>> {
  return parseOutput(await runProgram(folder, endpoint, ['full-flow', '--parallel']))
}

/**
 * Runs cases one by one, each by a program of its own: what failed among all others may have met
 * the leavings of another case.
 */
export async function runAlone(
  folder: string,
  endpoint: Endpoint,
  names: readonly string[],
): Promise<ReadonlyMap<string, CaseResult>> {
  const results = new Map<string, CaseResult>()
  for (const name of names) {
    const output = await runProgram(folder, endpoint, [name])
    results.set(name, parseOutput(output).get(name) ?? { passed: false, said: 'it did not run' })
  }
  return results
}

/** Puts the program where it is run; it calls itself as `./versitygw` to make users. */
export async function linkProgram(folder: string): Promise<void> {
  await symlink(requireTool('versitygw'), join(folder, 'versitygw'))
}

/** The output of the program, whatever its exit status: it exits with 1 when a case failed. */
function runProgram(
  folder: string,
  endpoint: Endpoint,
  command: readonly string[],
): Promise<string> {
  const { accessKey, secretKey } = endpoint.credentials
  return outputOf(
    './versitygw',
    ['test', '--access', accessKey, '--secret', secretKey, '--endpoint', endpoint.url, ...command],
    { cwd: folder, timeoutMs: command.length === 1 ? CASE_TIMEOUT_MS : SUITE_TIMEOUT_MS },
  )
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: the program colours its words.
const COLOUR = /\x1b\[[0-9;]*m/g

/** `RUN  name`, then `PASS name` or `FAIL name: why`, in any order. */
export function parseOutput(output: string): ReadonlyMap<string, CaseResult> {
  const results = new Map<string, CaseResult>()
  for (const line of output.replaceAll(COLOUR, '').split('\n')) {
    const [, word, name = '', said = ''] = /^(RUN|PASS|FAIL) +(\w+)(?:: (.*))?$/.exec(line) ?? []
    if (word === 'RUN' && !results.has(name)) {
      results.set(name, { passed: false, said: 'it began and did not end' })
    } else if (word === 'PASS' || word === 'FAIL') {
      results.set(name, { passed: word === 'PASS', said })
    }
  }
  return results
}
