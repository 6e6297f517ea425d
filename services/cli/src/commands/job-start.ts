import { formatObjectUrl, parseObjectUrl } from '@forebay/client/address'
import type { JobKindReport, JobOrder, JobReport } from '@forebay/client/jobs'
import { clientOf, note, print, type Run } from '../cli-context.ts'
import { EXIT_CODES, usageError } from '../exit-code.ts'
import { describeArgs, readJobArgs } from '../jobs/job-args.ts'
import { type OrderOptions, readOrderOptions } from '../jobs/order-options.ts'
import { waitForJobs } from '../jobs/wait-for-jobs.ts'
import { printable } from '../output/table.ts'

export interface StartOptions extends OrderOptions {
  /** `name=value`, each. */
  readonly arg?: readonly string[] | undefined
}

/** `forebay job start KIND [BUCKET]`. @returns the exit code */
export async function startJob(
  run: Run,
  { kind, bucket }: { readonly kind: string; readonly bucket: string | undefined },
  options: StartOptions,
): Promise<number> {
  return startOrders(run, [await readOrder(run, { kind, bucket }, options)], options)
}

/** `forebay job kinds [KIND]`: what kinds of jobs there are, and what they take. */
export async function showKinds(run: Run, name: string | undefined): Promise<void> {
  const kinds = await clientOf(run).jobs.kinds({ signal: run.context.signal })
  for (const kind of name === undefined ? kinds : [findKind(kinds, name)]) {
    if (run.options.json === true) print(run, JSON.stringify(kind.raw))
    else for (const line of kindLines(kind, name !== undefined)) print(run, line)
  }
}

/**
 * Starts jobs, one after the other. Without `wait` their ids are the result.
 *
 * @returns the exit code
 */
export async function startOrders(
  run: Run,
  orders: readonly JobOrder[],
  { wait }: { readonly wait?: boolean | undefined },
): Promise<number> {
  const { jobs } = clientOf(run)
  const started: JobReport[] = []
  try {
    for (const order of orders) {
      started.push(await jobs.start(order, { signal: run.context.signal }))
    }
  } finally {
    // Those that were started go on, whatever became of the others.
    if (wait !== true) for (const job of started) tellStarted(run, job)
  }
  if (wait !== true) return EXIT_CODES.ok
  const ids = started.map(({ id }) => id)
  return waitForJobs(run, ids)
}

/** An order of any kind. @throws ForebayError `usage` */
export async function readOrder(
  run: Run,
  { kind: name, bucket }: { readonly kind: string; readonly bucket: string | undefined },
  options: StartOptions,
): Promise<JobOrder> {
  const common = readOrderOptions(options)
  const where = bucket === undefined ? undefined : bucketText(bucket)
  const kinds = await clientOf(run).jobs.kinds({ signal: run.context.signal })
  const kind = findKind(kinds, name)
  if (kind.bucket === 'required' && where === undefined) {
    throw usageError(`${name} works on a bucket`, `forebay job start ${name} s3://bucket ...`)
  }
  return { kind: name, bucket: where, args: readJobArgs(kind, options.arg ?? []), ...common }
}

function tellStarted(run: Run, job: JobReport): void {
  if (run.options.json === true) {
    print(run, JSON.stringify(job.raw))
    return
  }
  print(run, job.id)
  note(run, `${job.kind} is ${job.state}: "forebay job wait ${job.id}" shows how far it is`)
}

function findKind(kinds: readonly JobKindReport[], name: string): JobKindReport {
  const kind = kinds.find((known) => known.name === name)
  if (kind !== undefined) return kind
  const known = kinds.map((each) => each.name).join(', ')
  throw usageError(`there is no kind of job "${name}"`, `There are ${known}.`)
}

function kindLines(kind: JobKindReport, withArgs: boolean): readonly string[] {
  const head = `${kind.name}: ${kind.doc}`
  return [head, ...(withArgs ? describeArgs(kind).map((line) => `  ${line}`) : [])].map(printable)
}

function bucketText(url: string): string {
  const { bucket, key } = parseObjectUrl(url)
  if (key === '') return formatObjectUrl(bucket)
  throw usageError(`${url} names more than a bucket`, 'Say which objects with --arg prefix=...')
}
