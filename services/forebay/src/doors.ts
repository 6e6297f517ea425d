import type { IncomingMessage } from 'node:http'
import { isRefusedByCircuit } from '@forebay/backend-port/circuit'
import { isOwnRequest, VIA_HEADER } from '@forebay/backend-port/via'
import { systemClock } from '@forebay/base/clock'
import { Failure, isFailure } from '@forebay/base/failure'
import { newRequestId } from '@forebay/base/ids'
import { describeSettings } from '@forebay/config/describe'
import type { LoadedSettings } from '@forebay/config/load'
import { CONSOLE_FOLDER } from '@forebay/console/folder'
import type { BucketTable } from '@forebay/control/bucket-table'
import type { ClusterIdentity } from '@forebay/control/cluster-identity'
import { EventDesk } from '@forebay/gateway/api/events/event-desk'
import type { Answered, S3Context } from '@forebay/gateway/api/s3/context'
import { S3Door } from '@forebay/gateway/api/s3/s3-door'
import { UiDoor } from '@forebay/gateway/api/ui/ui-door'
import type { BucketSpace, NodeStatus, V1Context } from '@forebay/gateway/api/v1/context'
import { Exchange } from '@forebay/gateway/api/v1/exchange'
import type { MountpathControl } from '@forebay/gateway/api/v1/mountpaths'
import { openV1Router } from '@forebay/gateway/api/v1/open-router'
import { MemberIndexes } from '@forebay/gateway/archives/member-index'
import { Authenticator } from '@forebay/gateway/authentication/authenticator'
import { mayDo } from '@forebay/gateway/authentication/authorise'
import { identityOf } from '@forebay/gateway/authentication/identity'
import { PageGuard } from '@forebay/gateway/authentication/page-guard'
import { BucketResolver, type LookupProvider } from '@forebay/gateway/buckets/resolve-bucket'
import { FrontDoor } from '@forebay/gateway/front-door'
import type { JobCaller } from '@forebay/gateway/jobs/job-caller'
import type { JobService } from '@forebay/gateway/jobs/job-service'
import { callerOfUser } from '@forebay/gateway/jobs/user-caller'
import type { AccessLog } from '@forebay/observe/access-log'
import { EventMetrics } from '@forebay/observe/event-metrics'
import type { Logger } from '@forebay/observe/logger'
import { type Metrics, renderMetrics } from '@forebay/observe/metrics'
import type { RecentLines } from '@forebay/observe/recent-lines'
import type { Tracing } from '@forebay/observe/tracing'
import type { InventoryPort } from '@forebay/peer/inventory-port'
import type { ScrubPort } from '@forebay/peer/scrub-port'
import type { TargetPort } from '@forebay/peer/target-port'
import type { LocalObjectStore } from '@forebay/target/store/local-store'
import type { BackendPool } from './backend-pool.ts'
import type { Door } from './listeners.ts'
import type { CacheTotals } from './observers.ts'
import { traceDoor } from './trace-door.ts'
import { VERSION } from './version.ts'

/** What the doors open onto. */
export interface DoorParts {
  readonly loaded: LoadedSettings
  readonly logger: Logger
  readonly recent: RecentLines | undefined
  readonly identity: ClusterIdentity
  readonly target: TargetPort
  readonly table: BucketTable
  readonly pool: BackendPool
  readonly store: LocalObjectStore
  readonly scrubber: ScrubPort
  readonly jobs: JobService
  readonly inventories: InventoryPort
  readonly metrics: Metrics
  readonly accessLog: AccessLog | undefined
  readonly tracing: Tracing | undefined
  readonly totals: CacheTotals
  backendRequests(): number
  /** What is wrong although the node serves, one sentence each. */
  troubles(): readonly string[]
  isReady(): boolean
}

/** Connects both doors behind one front door. */
export async function openDoors(parts: DoorParts): Promise<{
  readonly door: Door
  /** A user while no request of theirs is there, as they may do things now. */
  callerOf(user: string | undefined): JobCaller
  close(): Promise<void>
}> {
  const { settings } = parts.loaded
  const authenticator = new Authenticator({
    mode: settings.auth.mode,
    users: settings.auth.users,
    region: settings.s3.region,
    clock: systemClock,
    allowUnsignedPayload: settings.s3.allowUnsignedPayload,
    allowSignatureV2: settings.s3.allowSignatureV2,
    signatureAgeMaxMs: settings.s3.signatureAgeMaxMs,
    metricsToken: settings.metrics.token,
    eventTokens: settings.events.tokens,
  })
  const resolver = new BucketResolver({
    table: parts.table,
    providers: lookupProviders(parts),
    allow: settings.buckets.allow,
    clock: systemClock,
    negativeTtlMs: settings.buckets.negativeTtlMs,
    negativeMax: settings.buckets.negativeMax,
  })
  const s3 = new S3Door(s3Context(parts, resolver))
  const v1 = v1Context(parts, { resolver, authenticator })
  const router = await openV1Router(v1)
  const frontDoor = new FrontDoor({
    authenticator,
    s3,
    ui: new UiDoor({
      folder: CONSOLE_FOLDER,
      session: { mode: settings.auth.mode, region: settings.s3.region },
      onAnswer: (answered) => countAnswer(parts, answered),
      report: (error, requestId) => report(parts.logger, error, requestId),
    }),
    pages: new PageGuard({
      open: settings.auth.mode === 'open',
      domains: settings.auth.insecure
        ? 'any'
        : settings.s3.baseDomains.map((domain) => domain.toLowerCase()),
    }),
    hostId: parts.identity.nodeId,
    native: router.handle,
    refuseNative: (error, request, response) =>
      refuseNative(parts, new Exchange(v1, request, response), error),
  })
  const door: Door = {
    onRequest: (request, response) => {
      if (!isOwnRequest(headerOf(request, VIA_HEADER), parts.identity.nodeId))
        frontDoor.handle(request, response)
      else
        s3.refuse(ownRequest(), {
          request,
          response,
          requestId: newRequestId(),
          awaitsContinue: false,
        })
    },
    onCheckContinue: frontDoor.handleContinue,
    onCheckExpectation: frontDoor.handleExpectation,
    onConnect: frontDoor.handleConnect,
    onClientError: frontDoor.handleClientError,
  }
  return {
    callerOf: (user) => callerOfUser(user, { ...settings.auth, table: parts.table, resolver }),
    close: router.close,
    door: traceDoor(door, parts.tracing),
  }
}

/** Refusals before the router are told of by nobody else. */
function refuseNative(parts: DoorParts, exchange: Exchange, error: unknown): void {
  exchange.fail(error)
  parts.tracing?.answered({
    requestId: exchange.requestId,
    operation: 'v1.refused',
    status: exchange.response.statusCode,
    errorCode: isFailure(error) ? error.code : 'internal',
    bucket: undefined,
    cache: undefined,
    bytesIn: 0,
    bytesOut: 0,
  })
}

function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name]
  return Array.isArray(value) ? value.join(',') : value
}

function ownRequest(): Failure {
  return new Failure('backend-is-self', 'the backend of this node leads back to this node', {
    hint: 'set the endpoint of the backend to the origin',
  })
}

function lookupProviders(parts: DoorParts): readonly LookupProvider[] {
  return parts.loaded.settings.buckets.lookup.map((provider) => ({
    provider,
    lookup: async (name, signal) => {
      try {
        return await parts.pool.lookup(provider, name, signal)
      } catch (error) {
        // Without credentials there is no such provider here: a name nobody has is just absent.
        if (isFailure(error, 'backend-denied')) return undefined
        throw error
      }
    },
  }))
}

function s3Context(parts: DoorParts, resolver: BucketResolver): S3Context {
  const { settings } = parts.loaded
  return {
    target: parts.target,
    table: parts.table,
    resolver,
    region: settings.s3.region,
    baseDomains: settings.s3.baseDomains.map((domain) => domain.toLowerCase()),
    hostId: parts.identity.nodeId,
    owner: { id: parts.identity.clusterId, displayName: 'forebay' },
    readStallTimeoutMs: settings.http.readStallTimeoutMs,
    onAnswer: (answered) => countAnswer(parts, answered),
    report: (error, requestId) => report(parts.logger, error, requestId),
  }
}

function countAnswer(parts: DoorParts, answered: Answered): void {
  parts.metrics.countRequest(answered.operation, answered.status, answered.durationMs / 1000)
  parts.accessLog?.add(answered)
  parts.tracing?.answered(answered)
}

function report(logger: Logger, error: unknown, requestId: string): void {
  const code = isFailure(error) ? error.code : 'internal'
  // That the store is away was said when it went; each request that it refuses would say it again.
  if (isRefusedByCircuit(error)) {
    logger.debug({ requestId, code }, 'a request needs a store that is away')
    return
  }
  logger.error({ requestId, code, err: error }, 'a request failed')
}

function v1Context(
  parts: DoorParts,
  doors: { readonly resolver: BucketResolver; readonly authenticator: Authenticator },
): V1Context {
  const { loaded, identity, target, table, pool, metrics, logger } = parts
  return {
    nodeId: identity.nodeId,
    clusterId: identity.clusterId,
    startedMs: Date.now(),
    target,
    buckets: table,
    memberIndexes: new MemberIndexes(),
    allows: (request, need, bucket) =>
      mayDo(identityOf(request), need, bucket === undefined ? undefined : [bucket]),
    resolveBucket: (wanted, request, signal) =>
      doors.resolver.resolve(
        { ...wanted, permission: wanted.need, identity: identityOf(request) },
        signal,
      ),
    checkBackend: (binding, signal) => pool.check(binding, signal),
    health: () => healthOf(parts),
    status: async () => statusOf(parts),
    spaceOf: ({ id }) => spaceOf(parts.store, id),
    scrub: parts.scrubber,
    jobs: parts.jobs,
    inventories: parts.inventories,
    mountpaths: controlOf(parts),
    config: () => describeSettings(loaded),
    mayReadMetrics: (request) => doors.authenticator.mayReadMetrics(request),
    events: new EventDesk({
      buckets: table,
      target,
      clock: systemClock,
      observer: new EventMetrics(metrics.registry),
    }),
    maySendEvents: (request) => {
      const caller = identityOf(request)
      if (caller.kind === 'user') return mayDo(caller, 'admin')
      return doors.authenticator.maySendEvents(request)
    },
    metrics: async () => (await renderMetrics(metrics)).text,
    recentLog: () => parts.recent?.list() ?? [],
    readStallTimeoutMs: loaded.settings.http.readStallTimeoutMs,
    userOf: (request) => {
      const caller = identityOf(request)
      return caller.kind === 'user' ? caller.user.id : undefined
    },
    onAnswer: (answered) => countAnswer(parts, answered),
    report: (error, requestId) => report(logger, error, requestId),
  }
}

/** What a bucket takes on this node. */
export function spaceOf({ context }: LocalObjectStore, bucketId: number): BucketSpace {
  const { usedBytes, reservedBytes } = context.quotas.roomOf(bucketId)
  return { objectCount: context.index.bucketTally(bucketId).objects, usedBytes, reservedBytes }
}

/** A disk that fails and that the node cannot be without makes it unfit; all else is told, and served. */
function healthOf(parts: DoorParts): ReturnType<V1Context['health']> {
  if (!parts.isReady()) return { ready: false, reasons: ['the node is starting or stopping'] }
  const failing = parts.store.health?.failing() ?? []
  return { ready: failing.length === 0, reasons: [...failing, ...parts.troubles()] }
}

function statusOf(parts: DoorParts): NodeStatus {
  const { store, totals } = parts
  const { objectCount, unsettledCount } = store.totals()
  return {
    version: VERSION,
    mountpaths: store.mountpaths.list(),
    cache: { ...totals, backendRequests: parts.backendRequests() },
    objectCount,
    unsettledCount,
  }
}

function controlOf({ store }: DoorParts): MountpathControl {
  const { health, mountpaths } = store
  return {
    list: () => mountpaths.list(),
    attach: (path) => mountpaths.attach(path),
    enable: (path) => mountpaths.enable(path),
    detach: (path, options) => mountpaths.detach(path, options),
    disable: (path, options) => mountpaths.disable(path, options),
    check: async (path) => {
      await health?.check(path)
      return mountpaths.list().find((mountpath) => mountpath.path === path) ?? gone(path)
    },
  }
}

function gone(path: string): never {
  throw new Failure('argument-invalid', `there is no mountpath ${path}`)
}
