import { constants, readFileSync } from 'node:fs'
import { access, readFile, stat, statfs } from 'node:fs/promises'
import { createServer } from 'node:net'
import { availableParallelism, totalmem } from 'node:os'
import { systemClock } from '@forebay/base/clock'
import type { RedisLook } from '@forebay/jobs/bullmq/look-at-redis'
import type { RedisAddress } from '@forebay/jobs/bullmq/redis-address'
import { detectSendfile } from '@forebay/target/os/detect-sendfile'
import { openFilesLimit } from '@forebay/target/os/open-files'

/** What is known of a directory that exists. */
export interface DirectoryFacts {
  readonly isDirectory: boolean
  readonly writable: boolean
  /** Same number, same file system. */
  readonly device: number
  /** `ext4`, `tmpfs`, ...; `unknown (0x...)` for others. */
  readonly fileSystem: string
  /** True for disks that turn; undefined where the system does not say. */
  readonly rotational: boolean | undefined
  readonly totalBytes: number
  /** Bytes that this user may still write. */
  readonly freeBytes: number
  readonly freeFiles: number
}

/** Whether a port can be bound, and the system's code where it cannot. */
export type PortState = { readonly free: true } | { readonly free: false; readonly code: string }

/** An HTTP answer of any status, or why there was none. */
export type Answer =
  | {
      readonly kind: 'answered'
      readonly status: number
      readonly headers: Headers
      /** Milliseconds since 1970 at the middle of the exchange, by this machine's clock. */
      readonly askedAtMs: number
      readonly tookMs: number
    }
  | { readonly kind: 'silent'; readonly reason: string }

/** What `forebay doctor` asks of the machine; an argument, so that a test can play any machine. */
export interface Machine {
  readonly nodeVersion: string
  readonly platform: string
  readonly architecture: string
  readonly processors: number
  /** Bytes that this process may use, the container's limit included. */
  readonly memoryBytes: number
  readonly openFilesLimit: number
  /** Milliseconds since 1970. */
  now(): number
  sendfileWorks(): Promise<boolean>
  /** Undefined when there is nothing of that name. */
  look(path: string): Promise<DirectoryFacts | undefined>
  tryPort(address: string, port: number): Promise<PortState>
  ask(url: string, signal: AbortSignal): Promise<Answer>
  /** Never throws for a Redis that is not there. */
  lookAtRedis(address: RedisAddress): Promise<RedisLook>
  /** Undefined when the file is absent or may not be read. */
  readText(path: string): Promise<string | undefined>
}

/** The machine that this runs on. */
export const systemMachine: Machine = {
  nodeVersion: process.versions.node,
  platform: process.platform,
  architecture: process.arch,
  processors: availableParallelism(),
  // Without a limit of its own a process is told a number beyond all memory.
  memoryBytes: Math.min(process.constrainedMemory() || totalmem(), totalmem()),
  openFilesLimit: openFilesLimit(),
  now: Date.now,
  sendfileWorks: detectSendfile,
  look: lookAt,
  tryPort,
  ask,
  lookAtRedis: async (address) => {
    // Loaded only where one is set: half a second.
    const { lookAtRedis } = await import('@forebay/jobs/bullmq/look-at-redis')
    return lookAtRedis(address, systemClock)
  },
  readText: async (path) => {
    try {
      return await readFile(path, 'utf8')
    } catch {
      return undefined
    }
  },
}

/** `f_type` of statfs(2). */
const FILE_SYSTEMS: ReadonlyMap<number, string> = new Map([
  [0xef53, 'ext4'],
  [0x58465342, 'xfs'],
  [0x9123683e, 'btrfs'],
  [0x2fc12fc1, 'zfs'],
  [0xf2f52010, 'f2fs'],
  [0xca451a4e, 'bcachefs'],
  [0x01021994, 'tmpfs'],
  [0x858458f6, 'ramfs'],
  [0x794c7630, 'overlayfs'],
  [0x6969, 'nfs'],
  [0xff534d42, 'cifs'],
  [0xfe534d42, 'smb2'],
  [0x65735546, 'fuse'],
  [0x00c36400, 'ceph'],
  [0x01021997, '9p'],
])

async function lookAt(path: string): Promise<DirectoryFacts | undefined> {
  try {
    const [facts, system, writable] = await Promise.all([
      stat(path),
      statfs(path),
      isWritable(path),
    ])
    return {
      isDirectory: facts.isDirectory(),
      writable,
      device: facts.dev,
      fileSystem: FILE_SYSTEMS.get(system.type) ?? `unknown (0x${system.type.toString(16)})`,
      rotational: isRotational(facts.dev),
      totalBytes: system.blocks * system.bsize,
      freeBytes: system.bavail * system.bsize,
      freeFiles: system.ffree,
    }
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined
    throw error
  }
}

async function isWritable(path: string): Promise<boolean> {
  try {
    await access(path, constants.W_OK | constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** What sysfs says of the disk below a file system; of a partition its parent speaks. */
function isRotational(device: number): boolean | undefined {
  // As makedev(3) packs numbers that fit 32 bits.
  const major = (device >> 8) & 0xfff
  const minor = (device & 0xff) | ((device >> 12) & 0xfff00)
  for (const place of ['queue', '../queue']) {
    try {
      return readFileSync(`/sys/dev/block/${major}:${minor}/${place}/rotational`, 'utf8')[0] === '1'
    } catch {
      // Not here: a partition, or no block device at all.
    }
  }
  return undefined
}

function tryPort(address: string, port: number): Promise<PortState> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', (error) => resolve({ free: false, code: codeOf(error) ?? error.message }))
    probe.listen({ host: address, port, exclusive: true }, () =>
      probe.close(() => resolve({ free: true })),
    )
  })
}

async function ask(url: string, signal: AbortSignal): Promise<Answer> {
  const startedMs = performance.now()
  try {
    // A redirect is an answer; following it could lead anywhere.
    const response = await fetch(url, { redirect: 'manual', signal })
    const tookMs = performance.now() - startedMs
    const askedAtMs = Date.now() - tookMs / 2
    await response.body?.cancel()
    return {
      kind: 'answered',
      status: response.status,
      headers: response.headers,
      askedAtMs,
      tookMs,
    }
  } catch (error) {
    return { kind: 'silent', reason: reasonOf(error) }
  }
}

/** fetch hides why it failed in the cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.name === 'TimeoutError') return 'no answer in time'
  const { cause } = error
  if (cause instanceof AggregateError) return codeOf(cause) ?? 'no connection'
  if (cause instanceof Error) return codeOf(cause) ?? cause.message
  return error.message
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}
