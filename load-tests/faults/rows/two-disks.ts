import { mkdir, open, readdir, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { runCommand } from '../../testkit/run-command.ts'
import { temporaryFolder } from '../../testkit/servers.ts'
import { makeBody } from '../bodies.ts'
import { FaultNode, NATIVE, type NodeChanges, REMOTE, type Running } from '../fault-node.ts'
import { LoopDisk } from '../loop-disk.ts'
import { isDone, type S3Client } from '../s3-client.ts'
import { S3Origin } from '../s3-origin.ts'

const DISK_BYTES = 64 * 1024 ** 2

/** Of each bucket; about half of them are on either mountpath. */
const OBJECTS = 60

const BODY_BYTES = 100_000

/** A node with a mountpath on a disk of its own, which is about to fail, and a sound one. */
export type TwoDisks = Running & {
  /** From now on its disk reads nothing and writes nothing (EIO). */
  readonly breakDisk: () => Promise<void>
  /** The mountpath on it. */
  readonly failing: string
  /** The other mountpath. */
  readonly sound: string
  /** Objects on that mountpath, as paths of the S3 API; on disk, and not in memory. */
  readonly natives: readonly string[]
  readonly copies: readonly string[]
  /** Objects on the other. */
  readonly others: readonly string[]
}

/** What every object of a scene holds. */
export function bodyOf(path: string): Buffer {
  return makeBody({ seed: 5, key: path, version: 1, sizeBytes: BODY_BYTES })
}

/** Root alone can mount a disk. */
export function cannotMount(): boolean {
  return process.getuid?.() !== 0
}

/** Settings by which a disk that fails is found in seconds. */
const WATCHFUL = [
  ...['--set', 'mountpathHealth.checkInterval=1s', '--set', 'mountpathHealth.probeTimeout=1s'],
  ...['--set', 'mountpathHealth.returnsMax=0'],
]

/** Plays with a node whose objects are on two disks. */
export async function onTwoDisks<T>(
  changes: Pick<NodeChanges, 'env'>,
  play: (scene: TwoDisks) => Promise<T>,
): Promise<T> {
  const folder = await temporaryFolder('two-disks')
  const origin = await S3Origin.start()
  const shell = join(folder.path, 'shell')
  await mkdir(shell)
  await runCommand('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs', shell])
  const disk = await LoopDisk.create(shell, DISK_BYTES)
  const [sound, failing] = [join(folder.path, 'sound'), join(disk.path, 'mountpath')]
  for (const path of [sound, failing]) await mkdir(path)
  const args = ['--mountpath', sound, '--mountpath', failing]
  const node = new FaultNode({
    dataDir: join(folder.path, 'node'),
    originUrl: origin.url,
    args: [...args, '--set', `store.indexDir=${join(folder.path, 'index')}`, ...WATCHFUL],
    env: { ...changes.env, FAILING_DISK: failing },
  })
  try {
    const running = await node.start()
    const places = await fill(running.client, failing)
    await forgetAll(failing, sound)
    const breakDisk = (): Promise<void> => cutImage(shell)
    return await play({ ...running, ...places, breakDisk, failing, sound })
  } finally {
    await node.kill()
    await origin.close()
    await disk.remove()
    await runCommand('umount', [shell])
    await folder.remove()
  }
}

/**
 * Cuts the image of a disk to nothing, and leaves no room to write it: an image that grew again would
 * have zeros where it had objects.
 */
async function cutImage(shell: string): Promise<void> {
  await truncate(join(shell, 'disk.image'), 0)
  const filler = await open(join(shell, 'filler'), 'w')
  try {
    const block = Buffer.alloc(1024 ** 2)
    for (;;) await filler.write(block)
  } catch {
    // The shell is full, as it should be.
  } finally {
    await filler.close()
  }
}

async function fill(
  client: S3Client,
  failing: string,
): Promise<Pick<TwoDisks, 'natives' | 'copies' | 'others'>> {
  await client.changeBucket(NATIVE, { action: 'create-bck', value: null })
  const paths = [NATIVE, REMOTE].flatMap((bucket) =>
    Array.from({ length: OBJECTS }, (_, at) => `${bucket}/object-${at}`),
  )
  for (const path of paths) {
    if (!isDone(await client.put(path, bodyOf(path)))) throw new Error(`${path} was not written`)
  }
  const files = (await readdir(failing, { recursive: true })).filter((name) =>
    /object-\d+$/.test(name),
  )
  const here = (path: string): boolean => {
    const [bucket, key] = path.split('/')
    return files.some((file) => file.endsWith(`/${key}`) && file.includes(`/${bucket}.`))
  }
  const of = (bucket: string): readonly string[] =>
    paths.filter((path) => path.startsWith(`${bucket}/`) && here(path))
  return {
    natives: of(NATIVE),
    copies: of(REMOTE),
    others: paths.filter((path) => !here(path)),
  }
}

/** Drops objects from memory: the next read of each is one of the disk. @param roots mountpaths */
export async function forgetAll(...roots: readonly string[]): Promise<void> {
  for (const root of roots) {
    await runCommand('sync', ['-f', root])
    const names = await readdir(root, { recursive: true })
    for (const name of names.filter((each) => /object-\d+$/.test(each))) {
      const options = ['oflag=nocache', 'conv=notrunc,fdatasync', 'count=0', 'status=none']
      await runCommand('dd', [`of=${join(root, name)}`, ...options])
    }
  }
}

/** State of a mountpath as the node tells it. */
export async function stateOf(client: S3Client, mountpath: string): Promise<string> {
  const answer = await client.ask({ method: 'GET', target: '/v1/forebay/status' })
  const { mountpaths }: { mountpaths: readonly { path: string; state: string }[] } = JSON.parse(
    String(answer?.body ?? '{"mountpaths":[]}'),
  )
  return mountpaths.find(({ path }) => path === mountpath)?.state ?? 'unknown'
}
