import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { childEnvironment, runCommand } from '../../testkit/run-command.ts'
import { requireTool } from '../../testkit/tools.ts'

/** What the command-line clients are given. */
export type CommandWorld = {
  readonly endpoint: string
  readonly accessKey: string
  readonly secretKey: string
  readonly bucket: string
  /** A folder of their own. */
  readonly folder: string
  /** Where the environment of boto3 keeps its programs. */
  readonly programs: string
}

/** One check of a command-line client; it throws when something is not as it should be. */
export type CommandCheck = {
  readonly client: string
  readonly what: string
  readonly run: (world: CommandWorld) => Promise<void>
}

const MIB = 1024 ** 2

/** Three files, one of several parts, in a folder. */
async function makeTree(folder: string): Promise<void> {
  for (const [name, sizeBytes] of [
    ['a.txt', 5],
    ['deep/b c.bin', 100_000],
    ['deep/er/big.bin', 17 * MIB],
  ] as const) {
    await mkdir(dirname(join(folder, name)), { recursive: true })
    await writeFile(join(folder, name), Buffer.alloc(sizeBytes, name))
  }
}

async function sameTrees(one: string, other: string): Promise<void> {
  await runCommand('diff', ['-r', one, other])
}

function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(what)
}

function aws({ endpoint, accessKey, secretKey }: CommandWorld) {
  const env = childEnvironment({
    AWS_ACCESS_KEY_ID: accessKey,
    AWS_SECRET_ACCESS_KEY: secretKey,
    AWS_DEFAULT_REGION: 'us-east-1',
    AWS_ENDPOINT_URL: endpoint,
    AWS_CONFIG_FILE: '/dev/null',
    AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
  })
  return (...args: readonly string[]) => runCommand(requireTool('awscli'), args, { env })
}

function rclone(world: CommandWorld) {
  const env = childEnvironment({
    RCLONE_CONFIG: '/dev/null',
    RCLONE_CONFIG_S_TYPE: 's3',
    RCLONE_CONFIG_S_PROVIDER: 'Other',
    RCLONE_CONFIG_S_ENDPOINT: world.endpoint,
    RCLONE_CONFIG_S_ACCESS_KEY_ID: world.accessKey,
    RCLONE_CONFIG_S_SECRET_ACCESS_KEY: world.secretKey,
    RCLONE_CONFIG_S_REGION: 'us-east-1',
  })
  return (...args: readonly string[]) => runCommand(requireTool('rclone'), args, { env })
}

function s5cmd(world: CommandWorld) {
  const env = childEnvironment({
    AWS_ACCESS_KEY_ID: world.accessKey,
    AWS_SECRET_ACCESS_KEY: world.secretKey,
    AWS_REGION: 'us-east-1',
    S3_ENDPOINT_URL: world.endpoint,
  })
  const run = programOf(world, 's5cmd')
  return (...args: readonly string[]) => run(args, { env, cwd: world.folder })
}

/** A program of Python, by its interpreter: the path in its first line is that of its installation. */
function programOf({ programs }: CommandWorld, name: string) {
  const [interpreter, program] = [join(programs, 'python'), join(programs, name)]
  return (args: readonly string[], options?: Parameters<typeof runCommand>[2]) =>
    runCommand(interpreter, [program, ...args], options)
}

function s3cmd(world: CommandWorld, more: readonly string[] = []) {
  const host = new URL(world.endpoint).host
  const common = [
    ...['--config', '/dev/null', '--no-ssl', '--host', host, '--host-bucket', host],
    ...['--access_key', world.accessKey, '--secret_key', world.secretKey],
    ...['--region', 'us-east-1', '--multipart-chunk-size-mb', '5', '--quiet'],
    ...more,
  ]
  const run = programOf(world, 's3cmd')
  return (...args: readonly string[]) => run([...common, ...args])
}

export const COMMAND_CHECKS: readonly CommandCheck[] = [
  {
    client: 'aws cli',
    what: 's3 sync up and down, rm --recursive',
    run: async (world) => {
      const run = aws(world)
      const url = `s3://${world.bucket}/aws-cli`
      await makeTree(join(world.folder, 'up'))
      await run('s3', 'sync', '--quiet', join(world.folder, 'up'), url)
      await run('s3', 'sync', '--quiet', url, join(world.folder, 'down'))
      await sameTrees(join(world.folder, 'up'), join(world.folder, 'down'))
      await run('s3', 'rm', '--quiet', '--recursive', url)
      const { stdout } = await run(
        's3api',
        'list-objects-v2',
        '--bucket',
        world.bucket,
        '--prefix',
        'aws-cli',
      )
      must(!stdout.includes('Key'), 'something is left')
    },
  },
  {
    client: 'aws cli',
    what: 's3 presign, s3api conditions and attributes',
    run: async (world) => {
      const run = aws(world)
      const at = ['--bucket', world.bucket, '--key', 'aws-cli/one']
      const path = join(world.folder, 'one')
      await writeFile(path, 'hello')
      await run('s3api', 'put-object', ...at, '--body', path, '--if-none-match', '*')
      const { stdout: url } = await run('s3', 'presign', `s3://${world.bucket}/aws-cli/one`)
      const answer = await fetch(url.trim())
      must(
        answer.status === 200 && (await answer.text()) === 'hello',
        `presigned: ${answer.status}`,
      )
      const { stdout } = await run(
        ...['s3api', 'get-object-attributes', ...at, '--object-attributes', 'ObjectSize', 'ETag'],
      )
      must(JSON.parse(stdout).ObjectSize === 5, stdout)
    },
  },
  {
    client: 'rclone',
    what: 'sync, check --download, purge',
    run: async (world) => {
      const run = rclone(world)
      const up = join(world.folder, 'rclone')
      await makeTree(up)
      await run(
        'sync',
        '--s3-chunk-size',
        '5Mi',
        '--s3-upload-cutoff',
        '5Mi',
        up,
        `s:${world.bucket}/rclone`,
      )
      await run('check', '--download', up, `s:${world.bucket}/rclone`)
      await run('purge', `s:${world.bucket}/rclone`)
    },
  },
  {
    client: 'rclone',
    what: 'server-side copy and move, link, lsjson',
    run: async (world) => {
      const run = rclone(world)
      const path = join(world.folder, 'r.txt')
      await writeFile(path, 'words')
      const at = `s:${world.bucket}/rclone-2`
      await run('copyto', path, `${at}/a`)
      await run('copyto', `${at}/a`, `${at}/b`)
      await run('moveto', `${at}/b`, `${at}/c`)
      const { stdout } = await run('lsjson', at)
      const names = JSON.parse(stdout).map((one: { readonly Name: string }) => one.Name)
      must(names.join() === 'a,c', stdout)
      const { stdout: link } = await run('link', '--expire', '1m', `${at}/c`)
      must((await (await fetch(link.trim())).text()) === 'words', link)
    },
  },
  {
    client: 's5cmd',
    what: 'sync, cat, mv, rm with wildcards, pipe',
    run: async (world) => {
      const run = s5cmd(world)
      const url = `s3://${world.bucket}/s5cmd`
      await makeTree(join(world.folder, 's5'))
      await run('sync', '--part-size', '5', 's5/', `${url}/`)
      await run('cp', `${url}/*`, 's5-down/')
      await sameTrees(join(world.folder, 's5'), join(world.folder, 's5-down'))
      await run('mv', `${url}/a.txt`, `${url}/z.txt`)
      must((await run('cat', `${url}/z.txt`)).stdout === 'a.txt', 'cat after mv')
      await run('rm', `${url}/*`)
    },
  },
  {
    client: 's3cmd',
    what: 'put in parts, get, sync, ls, del',
    run: (world) => useS3cmd(world, 's3cmd', []),
  },
  {
    client: 's3cmd',
    what: 'the same with --signature-v2',
    run: (world) => useS3cmd(world, 's3cmd-v2', ['--signature-v2']),
  },
]

async function useS3cmd(world: CommandWorld, name: string, more: readonly string[]): Promise<void> {
  const run = s3cmd(world, more)
  const url = `s3://${world.bucket}/${name}`
  const up = join(world.folder, name)
  await makeTree(up)
  await run('sync', `${up}/`, `${url}/`)
  const down = join(world.folder, `${name}-down`)
  await mkdir(down)
  await run('sync', `${url}/`, `${down}/`)
  await sameTrees(up, down)
  await run('cp', `${url}/a.txt`, `${url}/copy.txt`)
  await run('get', `${url}/copy.txt`, join(world.folder, `${name}.txt`))
  must((await readFile(join(world.folder, `${name}.txt`), 'utf8')) === 'a.txt', 'the copy')
  await run('del', '--recursive', '--force', url)
}
