import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@forebay/base/clock'
import { Failure } from '@forebay/base/failure'
import { EmbeddedBucketTable } from '@forebay/control/embedded-bucket-table'
import type { InventoryPort } from '@forebay/peer/inventory-port'
import type { ScrubPort } from '@forebay/peer/scrub-port'
import { MemberIndexes } from '../../../archives/member-index.ts'
import type { JobService } from '../../../jobs/job-service.ts'
import { EventDesk } from '../../events/event-desk.ts'
import type { Answered } from '../../s3/context.ts'
import type { V1Context, V1Need } from '../context.ts'
import type { MountpathControl } from '../mountpaths.ts'
import { openV1Router } from '../open-router.ts'
import { MemoryTarget } from './memory-target.ts'

/** A native door on loopback over a target in memory. */
export interface TestDoor {
  readonly url: string
  readonly port: number
  readonly server: Server
  readonly target: MemoryTarget
  readonly buckets: EmbeddedBucketTable
  /** Every request that was answered, as the access log sees it. */
  readonly answered: Answered[]
  /** Failures that were reported as the server's own. */
  readonly reported: unknown[]
  close(): Promise<void>
}

export interface TestDoorOptions {
  readonly allows?:
    | ((need: V1Need, bucket: string | undefined, request: IncomingMessage) => boolean)
    | undefined
  readonly jobs?: JobService | undefined
  readonly inventories?: InventoryPort | undefined
  readonly userOf?: ((request: IncomingMessage) => string | undefined) | undefined
  readonly ready?: (() => boolean) | undefined
  readonly scrub?: ScrubPort | undefined
  readonly mountpaths?: MountpathControl | undefined
  readonly maySendEvents?: ((request: IncomingMessage) => boolean) | undefined
}

export async function openTestDoor(options: TestDoorOptions = {}): Promise<TestDoor> {
  const dataDir = await mkdtemp(join(tmpdir(), 'forebay-v1-'))
  const buckets = await EmbeddedBucketTable.open({
    dataDir,
    clusterId: 'CLUSTER00001',
    clock: systemClock,
  })
  const target = new MemoryTarget()
  const reported: unknown[] = []
  const answered: Answered[] = []
  const context = contextOf({ options, buckets, target, reported, answered })
  const router = await openV1Router(context)
  const server = createServer(router.handle)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  // Listening on an IP address, a server's address is never a pipe name.
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    server,
    target,
    buckets,
    answered,
    reported,
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await router.close()
      await rm(dataDir, { recursive: true })
    },
  }
}

/** Sends bytes as they are and returns all that comes back until the server closes or falls silent. */
export function sendRaw(port: number, text: string | Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    const chunks: Buffer[] = []
    const finish = (): void => {
      socket.destroy()
      resolve(Buffer.concat(chunks).toString('latin1'))
    }
    socket.setTimeout(2000, finish)
    socket.on('data', (chunk) => {
      chunks.push(Buffer.from(chunk))
      const seen = Buffer.concat(chunks).toString('latin1')
      const length = /^content-length: (\d+)/im.exec(seen)?.[1]
      const head = seen.indexOf('\r\n\r\n')
      if (head > 0 && length !== undefined && seen.length >= head + 4 + Number(length)) finish()
    })
    socket.once('end', finish)
    socket.once('error', reject)
    socket.write(text)
  })
}

function contextOf(parts: {
  readonly options: TestDoorOptions
  readonly buckets: EmbeddedBucketTable
  readonly target: MemoryTarget
  readonly reported: unknown[]
  readonly answered: Answered[]
}): V1Context {
  const { options, buckets, target, reported, answered } = parts
  return {
    nodeId: 'NODE00000001',
    clusterId: 'CLUSTER00001',
    startedMs: Date.now() - 5000,
    target,
    buckets,
    memberIndexes: new MemberIndexes(),
    scrub: options.scrub,
    mountpaths: options.mountpaths,
    jobs: options.jobs,
    inventories: options.inventories,
    userOf: (request) => options.userOf?.(request),
    allows: (request, need, bucket) => options.allows?.(need, bucket, request) ?? true,
    mayReadMetrics: () => options.allows === undefined,
    events: new EventDesk({ buckets, target, clock: systemClock }),
    maySendEvents: (request) => options.maySendEvents?.(request) ?? true,
    resolveBucket: async (wanted, request) => {
      if (options.allows?.(wanted.need, wanted.name, request) === false) {
        throw new Failure('access-denied', 'access denied')
      }
      const found = buckets.get(wanted.name, wanted.provider)[0]
      if (found !== undefined) return found
      throw new Failure('bucket-not-found', `no bucket ${wanted.name}`)
    },
    checkBackend: async (binding) => {
      if (binding.bucket === 'nowhere') throw new Failure('bucket-not-found', 'not at the backend')
    },
    health: () =>
      options.ready?.() === false
        ? { ready: false, reasons: ['the index is being read'] }
        : { ready: true, reasons: [] },
    status: async () => ({
      version: '0.1.0',
      mountpaths: [{ path: '/mp1', state: 'ok', usedBytes: 1, capacityBytes: 2 }],
      cache: {
        hits: 3,
        misses: 1,
        partial: 0,
        stale: 0,
        bytesFromCache: 10,
        bytesFromBackend: 5,
        backendRequests: 2,
      },
      objectCount: target.objects.size,
      unsettledCount: 0,
    }),
    spaceOf: () => ({ objectCount: target.objects.size, usedBytes: 4096, reservedBytes: 0 }),
    config: () => [{ key: 'dataDir', value: '/data', origin: 'default' }],
    metrics: async () => 'forebay_up 1\n',
    readStallTimeoutMs: 2000,
    onAnswer: (one) => {
      answered.push(one)
    },
    report: (error) => {
      reported.push(error)
    },
  }
}
