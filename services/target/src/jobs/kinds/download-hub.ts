/**
 * Files of a data set or a model of HuggingFace, by the hub's API: the commit that a revision is at the
 * start, then the pages of its tree. A revision that moves on meanwhile does not mix two versions.
 */

import { Failure } from '@forebay/base/failure'
import { PAGE_ITEMS_MAX } from '@forebay/jobs/engine'
import type { DownloadArgs } from '@forebay/jobs/kinds/download'
import type { Finding, FoundPage, ListContext } from './download-found.ts'

/** One page of the API: 1,000 files with long names take 0.5 MiB. */
const DOCUMENT_BYTES_MAX = 8 * 1024 ** 2

type Hub = NonNullable<DownloadArgs['huggingFace']>

/** Where a step begins: a page of the API, and how many of its files are listed. */
interface Place {
  readonly commit: string
  readonly page: string
  readonly skip: number
}

/** One entry of a tree, as far as it matters. */
interface TreeEntry {
  readonly type: string
  readonly path: string
  readonly size: number | undefined
  readonly sha256: string | undefined
}

/**
 * The next step of the list of a repository's files.
 *
 * @throws Failure `object-not-found` where the hub has no such repository or revision, `backend-denied`
 *   where it wants a token, `backend-corrupt` for an answer that is none of its API
 */
export async function listHub(
  context: ListContext,
  hub: Hub,
  at: string | undefined,
): Promise<FoundPage> {
  const base = context.web.checkUrl(hub.endpoint ?? context.hub.endpoint).href.replace(/\/+$/, '')
  const place = at === undefined ? await firstPlace(context, hub, base) : readPlace(at)
  const url = context.web.checkUrl(place.page)
  // The token goes with the request: what is stored of a job does not say where.
  if (url.origin !== new URL(base).origin) throw noPlace()
  const { text, next } = await readDocument(context, url)
  const files = readTree(text, url).filter(({ type }) => type === 'file')
  const end = Math.min(files.length, place.skip + PAGE_ITEMS_MAX)
  const findings = files
    .slice(place.skip, end)
    .map((file) => findingOf(file, { hub, base, commit: place.commit }))
  if (end < files.length) return { findings, at: JSON.stringify({ ...place, skip: end }) }
  if (next === undefined) return { findings, at: undefined }
  return { findings, at: JSON.stringify({ ...place, page: next.href, skip: 0 }) }
}

async function firstPlace(context: ListContext, hub: Hub, base: string): Promise<Place> {
  const revision = encodeURIComponent(hub.revision ?? 'main')
  const url = context.web.checkUrl(`${apiOf(hub, base)}/revision/${revision}`)
  const { text } = await readDocument(context, url)
  const commit = fieldOf(parseJson(text, url), 'sha')
  if (typeof commit !== 'string' || !/^[0-9a-f]{40,64}$/.test(commit)) {
    throw new Failure('backend-corrupt', `${url.origin}${url.pathname} names no commit`)
  }
  return { commit, page: `${apiOf(hub, base)}/tree/${commit}?recursive=true`, skip: 0 }
}

function apiOf({ dataset, model }: Hub, base: string): string {
  return dataset === undefined ? `${base}/api/models/${model}` : `${base}/api/datasets/${dataset}`
}

function findingOf(
  file: TreeEntry,
  from: { readonly hub: Hub; readonly base: string; readonly commit: string },
): Finding {
  const { dataset, model, revision = 'main' } = from.hub
  const repository = `${from.base}/${dataset === undefined ? model : `datasets/${dataset}`}`
  const path = file.path.split('/').map(encodeURIComponent).join('/')
  return {
    name: file.path,
    url: `${repository}/resolve/${from.commit}/${path}`,
    source: `${repository}/resolve/${encodeURIComponent(revision)}/${path}`,
    sizeBytes: file.size,
    sha256: file.sha256,
  }
}

function readDocument(
  { web, headers, signal }: ListContext,
  url: URL,
): Promise<{ readonly text: string; readonly next: URL | undefined }> {
  return web.readText({ url, headers, signal, bytesMax: DOCUMENT_BYTES_MAX })
}

function readTree(text: string, url: URL): readonly TreeEntry[] {
  const rows = parseJson(text, url)
  if (!Array.isArray(rows)) throw noTree(url)
  return rows.map((row) => {
    const [type, path, size] = [fieldOf(row, 'type'), fieldOf(row, 'path'), fieldOf(row, 'size')]
    if (typeof type !== 'string' || typeof path !== 'string' || !path.isWellFormed()) {
      throw noTree(url)
    }
    // Large files are kept by their SHA-256, small ones by Git's own name of them.
    const oid = fieldOf(fieldOf(row, 'lfs'), 'oid')
    return {
      type,
      path,
      size: typeof size === 'number' && Number.isSafeInteger(size) && size >= 0 ? size : undefined,
      sha256: typeof oid === 'string' && /^[0-9a-f]{64}$/.test(oid) ? oid : undefined,
    }
  })
}

function parseJson(text: string, url: URL): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    const message = `${url.origin}${url.pathname} answered no JSON`
    throw new Failure('backend-corrupt', message, { cause })
  }
}

function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined
  return Object.entries(value).find(([key]) => key === name)?.[1]
}

function noTree(url: URL): Failure {
  return new Failure('backend-corrupt', `${url.origin}${url.pathname} answered no list of files`)
}

function readPlace(text: string): Place {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    throw noPlace()
  }
  const [commit, page, skip] = ['commit', 'page', 'skip'].map((name) => fieldOf(parsed, name))
  if (typeof commit !== 'string' || typeof page !== 'string' || typeof skip !== 'number') {
    throw noPlace()
  }
  return { commit, page, skip }
}

function noPlace(): Failure {
  return new Failure('argument-invalid', 'no place in a list of the hub')
}
