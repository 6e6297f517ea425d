import { openWeb } from '@forebay/backend-http/web'
import { systemClock } from '@forebay/base/clock'
import { isFailure } from '@forebay/base/failure'
import type { JobItem, JobRecord } from '@forebay/jobs/job'
import type { BucketRecord } from '@forebay/model/bucket'
import type { JobContext } from '@forebay/target/jobs/kind-work'
import { DOWNLOAD_WORK } from '@forebay/target/jobs/kinds/download'
import { JobRig } from '@forebay/target/jobs/testing/job-rig'
import {
  type OriginScript,
  type ScriptedOrigin,
  startOrigin,
} from '@forebay/testkit/origin/scripted-origin'

const TOKEN = 'hf_secret'

/** A context that reaches servers on loopback, and nothing else that is not public. */
export function withWeb(
  context: JobContext,
  hubEndpoint = 'http://hub.invalid',
): { readonly context: JobContext; close(): Promise<void> } {
  const web = openWeb({ allow: ['127.0.0.1'], nodeId: 'testnode', clock: systemClock })
  const tokenOf = (variable: string) => (variable === 'HF_TOKEN' ? TOKEN : undefined)
  const hub = { endpoint: hubEndpoint, tokenOf }
  return { context: { ...context, web, hub }, close: () => web.close() }
}

/** A node that downloads, and a server on loopback that does what its script says. */
export interface DownloadWorld {
  readonly rig: JobRig
  readonly bucket: BucketRecord
  readonly context: JobContext
  readonly origin: ScriptedOrigin
  close(): Promise<void>
}

export async function openWorld(script: OriginScript): Promise<DownloadWorld> {
  const rig = await JobRig.open()
  const origin = await startOrigin(script)
  const web = withWeb(rig.context, origin.url)
  const bucket = await rig.native('bucket')
  const close = async (): Promise<void> => {
    await web.close()
    await origin.close()
    await rig.close()
  }
  return { rig, bucket, context: web.context, origin, close }
}

const LEASE = { signal: new AbortController().signal, check: () => undefined }

/** Everything that the job lists, in its order. */
export async function listAll(context: JobContext, job: JobRecord): Promise<readonly JobItem[]> {
  const items: JobItem[] = []
  let cursor: string | undefined
  do {
    const listed = await DOWNLOAD_WORK.list(context, { job, cursor, lease: LEASE })
    for (const page of listed.pages) items.push(...page.items)
    cursor = listed.cursor
  } while (cursor !== undefined)
  return items
}

/** What becomes of one item that is tried once: `done`, why it was skipped, or the code of its failure. */
export async function applyOnce(
  context: JobContext,
  job: JobRecord,
  item: JobItem,
): Promise<string> {
  try {
    const result = await DOWNLOAD_WORK.apply(context, { job, item, lease: LEASE })
    return result.kind === 'done' ? 'done' : result.why
  } catch (error) {
    if (!isFailure(error)) throw error
    return error.code
  }
}

/** Lists, and then does everything, one after the other. */
export async function runOnce(
  context: JobContext,
  job: JobRecord,
): Promise<Readonly<Record<string, string>>> {
  const results: Record<string, string> = {}
  for (const item of await listAll(context, job)) {
    results[item.key] = await applyOnce(context, job, item)
  }
  return results
}
