import { openWeb } from '@forebay/backend-http/web'
import type { Clock } from '@forebay/base/clock'
import { Failure } from '@forebay/base/failure'
import { readEnvironment } from '@forebay/config/environment'
import type { Settings } from '@forebay/config/schema'
import type { BucketTable } from '@forebay/control/bucket-table'
import type { JobCaller } from '@forebay/gateway/jobs/job-caller'
import { JobService } from '@forebay/gateway/jobs/job-service'
import type { JobRecord } from '@forebay/jobs/job'
import type { Rates } from '@forebay/jobs/rates'
import { type BucketRecord, formatBucket } from '@forebay/model/bucket'
import { JobMetrics } from '@forebay/observe/job-metrics'
import type { Logger } from '@forebay/observe/logger'
import type { Metrics } from '@forebay/observe/metrics'
import type { TargetPort } from '@forebay/peer/target-port'
import type { Inventories } from '@forebay/target/inventory/inventories'
import { JobLimiter } from '@forebay/target/jobs/job-limits'
import { JobPace } from '@forebay/target/jobs/job-pace'
import { NodeJobWorker } from '@forebay/target/jobs/job-worker'
import type { HubAccess, JobContext, OwnStore } from '@forebay/target/jobs/kind-work'
import { KIND_WORKS } from '@forebay/target/jobs/kind-works'
import type { UserLoad } from '@forebay/target/jobs/user-load'
import { watchLoop } from '@forebay/target/objects/fetch-pace'
import { type NodeEngine, openEngine } from './open-engine.ts'

/** HuggingFace's own. */
const HUB_ENDPOINT = 'https://huggingface.co'

export interface JobParts {
  readonly nodeId: string
  readonly clusterId: string
  readonly clock: Clock
  /** Whose reads are not taken for users'. */
  readonly target: TargetPort
  readonly users: UserLoad
  readonly inventories: Inventories
  readonly table: BucketTable
  readonly own: OwnStore
  readonly metrics: Metrics
  readonly logger: Logger
}

/** The jobs of a node. */
export interface NodeJobs {
  readonly service: JobService
  /**
   * Begins to work, and goes on with what the last process left; once the node answers.
   *
   * @param callerOf who a user is now, by whose rights schedules order
   */
  open(callerOf: (user: string | undefined) => JobCaller): Promise<void>
  /** Ends what is under way, to go on with it after the next start. */
  close(): Promise<void>
}

/** Opens what keeps the jobs; nothing is worked on yet. */
export async function openJobs(settings: Settings, parts: JobParts): Promise<NodeJobs> {
  const opened = await openEngine(settings, parts)
  try {
    return jobsOn(opened, settings, parts)
  } catch (error) {
    // Else a server of this node would outlive it.
    await opened.close()
    throw error
  }
}

function jobsOn({ engine, close }: NodeEngine, settings: Settings, parts: JobParts): NodeJobs {
  const { clock, logger } = parts
  const web = openWeb({
    connectTimeoutMs: settings.backends.limits.connectTimeoutMs,
    nodeId: parts.nodeId,
    clock,
    allow: settings.jobs.download.allow,
  })
  const context = contextOf(settings, parts, web)
  const worker = createWorker(settings, { ...parts, rates: engine.rates }, context)
  const service = new JobService({
    engine,
    clock,
    report: (error) => logger.error({ err: error }, 'something about jobs failed'),
    vet: (kind, args) => KIND_WORKS.find(({ name }) => name === kind)?.vet?.(context, args),
  })
  return {
    service,
    open: (callerOf) =>
      engine.work(worker, async (schedule) => {
        const { id, order } = schedule
        const refusal = await service.refusalOf(schedule, callerOf(order.user))
        if (refusal !== undefined) {
          const { user, kind } = order
          logger.warn({ schedule: id, user, kind, err: refusal }, 'a schedule was refused')
        }
        return refusal
      }),
    close: async () => {
      await service.close()
      await close()
      await web.close()
    },
  }
}

function createWorker(
  settings: Settings,
  parts: JobParts & { readonly rates: Rates | undefined },
  context: JobContext,
): NodeJobWorker {
  const { metrics, logger, clock, users, rates } = parts
  const { pagesAtOnce, itemsAtOnce } = settings.jobs
  const pace = new JobPace({
    clock,
    users,
    itemsMax: itemsAtOnce,
    // A watch of its own: asking moves the window.
    loopBusyShare: watchLoop(),
  })
  const counters = new JobMetrics(metrics.registry, {
    itemsRunning: () => pace.running,
    itemsMax: () => pace.limit,
  })
  return new NodeJobWorker({
    context,
    works: KIND_WORKS,
    pace,
    limiter: new JobLimiter(clock, rates),
    pagesAtOnce,
    observer: {
      item: (kind, outcome, bytes) => counters.item(kind, outcome, bytes),
      pages: (kind, change) => counters.pages(kind, change),
      warn: (event, { error, ...facts }) => logger.warn({ ...facts, err: error }, event),
    },
  })
}

function contextOf(
  settings: Settings,
  { nodeId, target, inventories, table, clock, own }: JobParts,
  web: JobContext['web'],
): JobContext {
  return {
    nodeId,
    target,
    inventories,
    buckets: table,
    clock,
    web,
    own,
    hub: hubOf(settings),
    promoteFolders: settings.jobs.promote.folders,
    bucketOf: (job) => bucketOf(table, job),
    // One node owns everything.
    ownerOf: () => nodeId,
  }
}

function hubOf({ jobs }: Settings): HubAccess {
  const { endpoint = HUB_ENDPOINT, tokenVariables } = jobs.hub
  return {
    endpoint,
    tokenOf: (variable) =>
      tokenVariables.includes(variable) ? readEnvironment().variables[variable] : undefined,
  }
}

function bucketOf(table: BucketTable, job: JobRecord): BucketRecord {
  if (job.bucket === undefined) {
    throw new Failure('argument-invalid', `a job of kind ${job.kind} needs a bucket`)
  }
  const bucket = table.find(job.bucket)
  if (bucket !== undefined) return bucket
  throw new Failure('bucket-not-found', `there is no bucket ${formatBucket(job.bucket)} any more`)
}
