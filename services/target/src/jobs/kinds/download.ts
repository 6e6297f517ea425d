/**
 * Files of web servers into a bucket: each step of the list finds some of them, by their names, by the
 * index pages of a directory or by HuggingFace's API; each item is one file.
 */

import { setImmediate as turn } from 'node:timers/promises'
import { Failure } from '@forebay/base/failure'
import { checkSchema } from '@forebay/jobs/check-schema'
import type { Lease, ListedStep } from '@forebay/jobs/engine'
import type { JobItem, JobRecord, JsonObject } from '@forebay/jobs/job'
import {
  DOWNLOAD,
  DOWNLOAD_OBJECTS_DEFAULT,
  DOWNLOAD_STALL_SECONDS_DEFAULT,
  type DownloadArgs,
} from '@forebay/jobs/kinds/download'
import { argsOf } from '../args-of.ts'
import type { ItemResult, JobContext, KindWork } from '../kind-work.ts'
import { splitByOwner } from '../select-items.ts'
import { listDirectory } from './download-crawl.ts'
import { downloadFile } from './download-file.ts'
import type { Finding, FoundPage } from './download-found.ts'
import { matchesGlob } from './download-glob.ts'
import { requestHeaders } from './download-headers.ts'
import { listHub } from './download-hub.ts'
import { listLinks } from './download-links.ts'
import { TransferWatch } from './download-watch.ts'

export const DOWNLOAD_WORK: KindWork = {
  name: 'download',
  flows: true,
  vet: vetDownload,
  list: listDownload,
  apply: applyDownload,
}

/** Where a list stands: what is found so far, and the place in the source. */
interface Cursor {
  readonly count: number
  readonly at: string
}

interface Step {
  readonly job: JobRecord
  readonly cursor: string | undefined
  readonly lease: Lease
}

/** An address that is refused at once is told at once; names are resolved when they are connected to. */
function vetDownload({ web, hub }: Pick<JobContext, 'web' | 'hub'>, order: JsonObject): void {
  const args = checkSchema(DOWNLOAD.args, order, 'args')
  const { directory, huggingFace, links } = args
  if (directory !== undefined) web.checkUrl(directory)
  if (huggingFace !== undefined) web.checkUrl(huggingFace.endpoint ?? hub.endpoint)
  // Of many links each server once: taking all of them apart would stop the node for a second.
  for (const origin of originsOf(Object.values(links ?? {}))) web.checkUrl(origin)
  if (directory !== undefined || huggingFace !== undefined) return
  for (const { url } of listLinks(args, undefined).findings) web.checkUrl(url)
}

function originsOf(urls: readonly string[]): ReadonlySet<string> {
  return new Set(urls.map((url) => `${/^[^:]*:\/\/[^/?]*/.exec(url)?.[0] ?? url}/`))
}

async function listDownload(context: JobContext, step: Step): Promise<ListedStep> {
  const args = argsOf(DOWNLOAD, step.job)
  const cursor = step.cursor === undefined ? undefined : readCursor(step.cursor)
  const { findings, at } = await listFiles(context, args, { lease: step.lease, at: cursor?.at })
  const wanted = await chooseWanted(args, findings, step.lease)
  const count = (cursor?.count ?? 0) + wanted.length
  const countMax = args.objectsMax ?? DOWNLOAD_OBJECTS_DEFAULT
  if (count > countMax) {
    throw new Failure('entity-too-large', `there are more than ${countMax} files to download`, {
      hint: 'raise objectsMax if they are meant',
    })
  }
  const items = wanted.map((finding) => itemOf(args, finding))
  return {
    pages: splitByOwner(context, context.bucketOf(step.job), items),
    cursor: at === undefined ? undefined : JSON.stringify({ count, at } satisfies Cursor),
  }
}

async function listFiles(
  context: JobContext,
  args: DownloadArgs,
  { lease, at }: { readonly lease: Lease; readonly at: string | undefined },
): Promise<FoundPage> {
  const { directory, huggingFace } = args
  if (directory === undefined && huggingFace === undefined) return listLinks(args, at)
  const { web, hub, clock } = context
  const watch = new TransferWatch(clock, 'the list of files', LIST_LIMITS)
  const headers = requestHeaders(context, args)
  const signal = AbortSignal.any([lease.signal, watch.signal])
  try {
    const listing = { web, hub, clock, headers, signal }
    if (huggingFace !== undefined) return await listHub(listing, huggingFace, at)
    return await listDirectory(listing, { ...args, directory: directory ?? '' }, at)
  } finally {
    watch.stop()
  }
}

/** Characters of names times those of patterns between two turns of the event loop: a few milliseconds. */
const MATCH_STEPS_PER_TURN = 100_000

/** One step is over before: nobody waits for an index page as long as for a large file. */
const LIST_LIMITS = {
  stallMs: DOWNLOAD_STALL_SECONDS_DEFAULT * 1000,
  totalMs: DOWNLOAD_STALL_SECONDS_DEFAULT * 1000,
} as const

async function chooseWanted(
  args: DownloadArgs,
  findings: readonly Finding[],
  lease: Lease,
): Promise<readonly Finding[]> {
  const { include, exclude = [] } = args
  if (include === undefined && exclude.length === 0) return findings
  const matcher = new PatientMatcher(lease)
  const wanted: Finding[] = []
  for (const finding of findings) {
    const { name, notRead } = finding
    if (await matcher.matchesAny(exclude, name)) continue
    // What lies in a directory that was not read, nobody knows.
    const isIncluded =
      notRead !== undefined || include === undefined || (await matcher.matchesAny(include, name))
    if (isIncluded) wanted.push(finding)
  }
  return wanted
}

/** Compares names with patterns, both as long as users make them, and lets others have their turn. */
class PatientMatcher {
  readonly #lease: Lease
  #steps = 0

  constructor(lease: Lease) {
    this.#lease = lease
  }

  async matchesAny(globs: readonly string[], name: string): Promise<boolean> {
    for (const glob of globs) {
      this.#steps += glob.length * name.length
      if (this.#steps > MATCH_STEPS_PER_TURN) {
        this.#steps = 0
        await turn()
        this.#lease.signal.throwIfAborted()
      }
      if (matchesGlob(glob, name)) return true
    }
    return false
  }
}

function itemOf({ prepend = '' }: DownloadArgs, finding: Finding): JobItem {
  const { name, url, source, sizeBytes, sha256, notRead } = finding
  const extra = { url, source, sha256, notRead }
  const given = Object.entries(extra).flatMap(([key, value]) =>
    value === undefined ? [] : [[key, value] as const],
  )
  return { key: `${prepend}${name}`, sizeBytes, extra: Object.fromEntries(given) }
}

async function applyDownload(
  context: JobContext,
  work: Parameters<KindWork['apply']>[1],
): Promise<ItemResult> {
  const notRead = work.item.extra?.['notRead']
  if (notRead !== undefined) throw new Failure('backend-refused', String(notRead))
  return downloadFile(context, work)
}

function readCursor(text: string): Cursor {
  const match = /^\{"count":(\d{1,15}),"at":/.exec(text)
  try {
    const parsed: unknown = JSON.parse(text)
    if (match !== null && typeof parsed === 'object' && parsed !== null && 'at' in parsed) {
      if (typeof parsed.at === 'string') return { count: Number(match[1]), at: parsed.at }
    }
  } catch (cause) {
    throw new Failure('argument-invalid', 'no place in a list of files', { cause })
  }
  throw new Failure('argument-invalid', 'no place in a list of files')
}
