import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { childEnvironment, runCommand } from '../testkit/run-command.ts'
import { temporaryFolder } from '../testkit/servers.ts'
import { requireTool } from '../testkit/tools.ts'
import { awsEnvironment, type Client, type Digest, type Endpoint, REGION } from './client.ts'
import { describeFile } from './dataset.ts'

const COMMAND_TIMEOUT_MS = 5 * 60_000

type Where = { readonly endpoint: Endpoint; readonly bucket: string }

/** The aws command line, with the high-level commands where it has them. */
export function awsCliClient({ endpoint, bucket }: Where): Client {
  const env = childEnvironment(awsEnvironment(endpoint))
  const aws = (...args: readonly string[]) =>
    runCommand(requireTool('awscli'), args, { env, timeoutMs: COMMAND_TIMEOUT_MS })
  const url = (key: string) => `s3://${bucket}/${key}`
  return {
    name: 'aws cli',
    list: async (prefix) => {
      const { stdout } = await aws(
        ...['s3api', 'list-objects-v2', '--bucket', bucket, '--prefix', prefix, '--output', 'json'],
      )
      const { Contents: items = [] } = JSON.parse(stdout || '{}')
      return items.map((item: { readonly Key: string; readonly Size: number }) => ({
        key: item.Key,
        sizeBytes: item.Size,
      }))
    },
    read: (keys) =>
      readToFolder(keys, async (folder) => {
        const names = keys.flatMap((key) => ['--include', key])
        await aws('s3', 'cp', '--recursive', '--quiet', url(''), folder, '--exclude', '*', ...names)
      }),
    write: async (path, key) => void (await aws('s3', 'cp', '--quiet', path, url(key))),
    copy: async (source, target) =>
      void (await aws('s3', 'cp', '--quiet', url(source), url(target))),
    remove: async (key) => void (await aws('s3', 'rm', '--quiet', url(key))),
  }
}

/** rclone with an S3 remote that it knows nothing special about. */
export function rcloneClient({ endpoint, bucket }: Where): Client {
  const env = childEnvironment({
    RCLONE_CONFIG: '/dev/null',
    RCLONE_CONFIG_CACHE_TYPE: 's3',
    RCLONE_CONFIG_CACHE_PROVIDER: 'Other',
    RCLONE_CONFIG_CACHE_ENDPOINT: endpoint.url,
    RCLONE_CONFIG_CACHE_ACCESS_KEY_ID: endpoint.accessKey,
    RCLONE_CONFIG_CACHE_SECRET_ACCESS_KEY: endpoint.secretKey,
    RCLONE_CONFIG_CACHE_REGION: REGION,
  })
  const rclone = (...args: readonly string[]) =>
    runCommand(requireTool('rclone'), args, { env, timeoutMs: COMMAND_TIMEOUT_MS })
  const remote = (key: string) => `cache:${bucket}/${key}`
  return {
    name: 'rclone',
    list: async (prefix) => {
      const { stdout } = await rclone('lsjson', '--recursive', '--files-only', remote(prefix))
      return JSON.parse(stdout).map((item: { readonly Path: string; readonly Size: number }) => ({
        key: `${prefix}${item.Path}`,
        sizeBytes: item.Size,
      }))
    },
    read: (keys) =>
      readToFolder(keys, async (folder) => {
        const names = keys.flatMap((key) => ['--include', `/${key}`])
        await rclone('copy', remote(''), folder, ...names)
      }),
    write: async (path, key) => void (await rclone('copyto', path, remote(key))),
    copy: async (source, target) => void (await rclone('copyto', remote(source), remote(target))),
    remove: async (key) => void (await rclone('deletefile', remote(key))),
  }
}

/** Lets a client download into a folder of its own and hashes what lies there then. */
async function readToFolder(
  keys: readonly string[],
  download: (folder: string) => Promise<void>,
): Promise<Readonly<Record<string, Digest>>> {
  const folder = await temporaryFolder('download')
  try {
    await Promise.all(
      keys.map((key) => mkdir(join(folder.path, dirname(key)), { recursive: true })),
    )
    await download(folder.path)
    const digests = keys.map((key) => {
      const { sizeBytes, sha256 } = describeFile(key, join(folder.path, key))
      return [key, { sizeBytes, sha256 }] as const
    })
    return Object.fromEntries(digests)
  } finally {
    await folder.remove()
  }
}
