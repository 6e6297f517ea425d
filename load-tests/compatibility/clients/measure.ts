import { existsSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { childEnvironment, runCommand } from '../../testkit/run-command.ts'
import { startForebay, startVersitygw, temporaryFolder } from '../../testkit/servers.ts'
import {
  findInVenv,
  installNpmProgram,
  installVenv,
  TOOLS_FOLDER,
} from '../../testkit/tool-install.ts'
import { COMMAND_CHECKS, type CommandWorld } from './command-checks.ts'

const PYTHON = join(import.meta.dirname, 'python')
const JAVASCRIPT = join(import.meta.dirname, 'javascript-checks.mjs')
const CHECKS_TIMEOUT_MS = 120_000

/** Clients in Python by their environment, whose pins exclude each other, and the script of each. */
const PYTHON_CLIENTS = [
  ['s3-boto-clients', 'aws-sdk-checks.py', ['boto3', 'smart_open', 'cloudpathlib', 's3path']],
  [
    's3-own-clients',
    'own-client-checks.py',
    [
      ...['minio-py', 'pyarrow', 'polars', 'duckdb', 'deltalake', 'obstore', 'opendal'],
      ...['tensorstore', 's3torchconnector'],
    ],
  ],
  [
    's3-async-clients',
    'asyncio-checks.py',
    ['s3fs', 'fsspec', 'zarr', 'universal_pathlib', 'aioboto3'],
  ],
] as const

const JAVASCRIPT_CLIENTS = ['@aws-sdk/client-s3 v3', 'aws-sdk v2 for JavaScript', 'minio-js']

/** Packages of npm, each in a folder of its own. */
const PACKAGES = {
  'lib-storage': '@aws-sdk/lib-storage@3.1169.0',
  'aws-sdk': 'aws-sdk@2.1693.0',
  minio: 'minio@8.0.7',
} as const

/** One check, with what it said on each bucket; nothing where it held. */
export type Result = {
  readonly client: string
  readonly what: string
  readonly native: string
  readonly behind: string
}

export type Measured = {
  readonly results: readonly Result[]
  /** The clients that an operation answered well. */
  readonly operations: ReadonlyMap<string, ReadonlySet<string>>
}

/** One check on one bucket. */
type Outcome = { readonly client: string; readonly what: string; readonly said: string }

type World = {
  readonly endpoint: string
  readonly bucket: string
  readonly folder: string
  readonly modules: string
}

/** Runs the checks of all clients, or of those named; each client has a user of its own. */
export async function measureClients(
  say: (line: string) => void,
  chosen: readonly string[],
): Promise<Measured> {
  const modules = JSON.stringify(await getTools(say))
  const folder = await temporaryFolder('clients')
  const accessFile = join(folder.path, 'access.log')
  const origin = await startVersitygw({ ...keysOf('origin'), dir: join(folder.path, 'origin') })
  const names = ['origin', ...allClients()]
  const forebay = await startForebay({
    dataDir: join(folder.path, 'forebay'),
    config: {
      auth: { users: names.map((id, at) => ({ id: `u${at}`, ...keysOf(id), policy: 'admin' })) },
      backends: { aws: { endpoint: origin.url } },
      log: { access: true, accessFile },
    },
    env: awsKeys('origin'),
  })
  try {
    await makeBucket(origin.url, 'behind')
    await makeBucket(forebay.url, 'native')
    const check = (bucket: string): Promise<readonly Outcome[]> =>
      checkBucket(
        { endpoint: forebay.url, bucket, folder: join(folder.path, bucket), modules },
        allClients().filter((one) => chosen.length === 0 || chosen.includes(one)),
      )
    const native = await check('native')
    const behind = await check('behind')
    await forebay.stop()
    return {
      results: native.map(({ client, what, said }, at) => ({
        ...{ client, what, native: said },
        behind: behind[at]?.said ?? 'it did not run',
      })),
      operations: readOperations(await readFile(accessFile, 'utf8'), names),
    }
  } finally {
    await forebay.kill9()
    await origin.stop()
    await folder.remove()
  }
}

function allClients(): readonly string[] {
  return [
    ...PYTHON_CLIENTS.flatMap(([, , clients]) => clients),
    ...JAVASCRIPT_CLIENTS,
    ...new Set(COMMAND_CHECKS.map(({ client }) => client)),
  ]
}

/** Keys made from the name of whoever has them. */
function keysOf(name: string): { readonly accessKey: string; readonly secretKey: string } {
  const word = name.replaceAll(/[^a-z0-9]+/gi, '-').padEnd(8, '-')
  return { accessKey: `access-${word}`, secretKey: `secret-key-of-${word}` }
}

function awsKeys(name: string): Readonly<Record<string, string>> {
  const { accessKey, secretKey } = keysOf(name)
  return {
    AWS_ACCESS_KEY_ID: accessKey,
    AWS_SECRET_ACCESS_KEY: secretKey,
    AWS_REGION: 'us-east-1',
  }
}

async function python(name: string): Promise<string> {
  const path = findInVenv(name, 'python')
  if (path === undefined) throw new Error(`the environment ${name} cannot be found`)
  return path
}

/** Gets what is absent; the folders of the packages of npm, by their short names. */
async function getTools(say: (line: string) => void): Promise<Readonly<Record<string, string>>> {
  for (const [name] of PYTHON_CLIENTS) {
    if (findInVenv(name, 'python') !== undefined) continue
    say(`getting ${name} ...`)
    await installVenv(name)
  }
  const folders: Record<string, string> = {}
  for (const [name, packageName] of Object.entries(PACKAGES)) {
    const folder = join(TOOLS_FOLDER, packageName.replaceAll(/[@/]/g, '-'))
    folders[name] = folder
    if (existsSync(folder)) continue
    say(`getting ${packageName} ...`)
    await installNpmProgram({ folder, packageName })
  }
  return folders
}

async function makeBucket(url: string, bucket: string): Promise<void> {
  const code = `import boto3; boto3.client('s3', endpoint_url='${url}', region_name='us-east-1').create_bucket(Bucket='${bucket}')`
  const env = childEnvironment(awsKeys('origin'))
  await runCommand(await python('s3-boto-clients'), ['-c', code], { env })
}

/** All checks against one bucket, one after the other. */
async function checkBucket(world: World, clients: readonly string[]): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = []
  for (const [venv, script, names] of PYTHON_CLIENTS) {
    for (const client of names.filter((one) => clients.includes(one))) {
      outcomes.push(...(await runScript(world, client, [await python(venv), join(PYTHON, script)])))
    }
  }
  for (const client of JAVASCRIPT_CLIENTS.filter((one) => clients.includes(one))) {
    outcomes.push(...(await runScript(world, client, [process.execPath, JAVASCRIPT])))
  }
  const programs = dirname(await python('s3-boto-clients'))
  await mkdir(world.folder)
  for (const { client, what, run } of COMMAND_CHECKS) {
    if (!clients.includes(client)) continue
    const own: CommandWorld = { ...world, ...keysOf(client), programs }
    const said = await run(own).then(
      () => '',
      (error: unknown) => String(error).replaceAll(/\s+/g, ' ').slice(0, 400),
    )
    outcomes.push({ client, what, said })
  }
  return outcomes
}

/** The lines of JSON that a script prints of the checks of one client. */
async function runScript(
  world: World,
  client: string,
  command: readonly [string, string],
): Promise<readonly Outcome[]> {
  const env = childEnvironment({
    ...awsKeys(client),
    AWS_EC2_METADATA_DISABLED: 'true',
    PYTHONDONTWRITEBYTECODE: '1',
    S3_ENDPOINT: world.endpoint,
    S3_BUCKET: world.bucket,
    S3_CLIENT: client,
    S3_MODULES: world.modules,
  })
  const [program, script] = command
  const { stdout } = await runCommand(program, [script], { env, timeoutMs: CHECKS_TIMEOUT_MS })
  return stdout
    .split('\n')
    .filter((line) => line.startsWith('{"client"'))
    .map((line) => JSON.parse(line))
}

/** Which clients were answered well, by operation. */
function readOperations(
  log: string,
  names: readonly string[],
): ReadonlyMap<string, ReadonlySet<string>> {
  const operations = new Map<string, Set<string>>()
  for (const line of log.split('\n')) {
    if (line === '') continue
    const entry: { readonly user?: string; readonly op: string; readonly status: number } =
      JSON.parse(line)
    const client = names[Number(entry.user?.slice(1))]
    if (client === undefined || client === 'origin' || entry.status >= 400) continue
    const by = operations.get(entry.op) ?? new Set()
    operations.set(entry.op, by.add(client))
  }
  return operations
}
