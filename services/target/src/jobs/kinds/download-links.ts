/** Downloads whose files are named one by one: a link, a list of them, a template. */

import { Failure } from '@forebay/base/failure'
import { PAGE_ITEMS_MAX } from '@forebay/jobs/engine'
import type { DownloadArgs } from '@forebay/jobs/kinds/download'
import { parseTemplate } from '@forebay/jobs/template'
import type { Finding, FoundPage } from './download-found.ts'

/**
 * The next page of the files that a download names, by their position.
 *
 * @throws Failure `argument-invalid` for a bad template, a link that ends in no name, or two of one key
 */
export function listLinks(args: DownloadArgs, at: string | undefined): FoundPage {
  const files = known.get(args) ?? namedFiles(args)
  known.set(args, files)
  const { count, findingAt } = files
  const from = at === undefined ? 0 : Number(at)
  if (!Number.isSafeInteger(from) || from < 0) throw invalid(`"${at}" is no position of a list`)
  const end = Math.min(count, from + PAGE_ITEMS_MAX)
  const findings: Finding[] = []
  for (let position = from; position < end; position++) findings.push(findingAt(position))
  return { findings, at: end < count ? String(end) : undefined }
}

/** Of each copy of arguments, whose 100,000 links are a hundred pages. */
const known = new WeakMap<DownloadArgs, NamedFiles>()

interface NamedFiles {
  readonly count: number
  findingAt(position: number): Finding
}

function namedFiles({ link, object, links, template }: DownloadArgs): NamedFiles {
  if (link !== undefined) return listOf([{ name: object ?? lastName(link), url: link }])
  if (template !== undefined) return filesOfTemplate(template)
  if (!Array.isArray(links)) {
    return listOf(Object.entries(links ?? {}).map(([name, url]) => ({ name, url })))
  }
  const findings = links.map((url) => ({ name: lastName(url), url }))
  const names = new Set<string>()
  for (const { name } of findings) {
    if (names.has(name)) {
      throw invalid(`two links end in ${JSON.stringify(name)}: give links as {key: url}`)
    }
    names.add(name)
  }
  return listOf(findings)
}

function listOf(findings: readonly Finding[]): NamedFiles {
  return {
    count: findings.length,
    findingAt(position) {
      const finding = findings[position]
      if (finding === undefined) throw invalid(`the list has no position ${position}`)
      return finding
    },
  }
}

/** The key is what differs between the URLs, from the last slash before the first range on. */
function filesOfTemplate(template: string): NamedFiles {
  const parsed = parseTemplate(template)
  if (parsed.kind !== 'range') {
    throw invalid('the template has no range like {0001..0010}: give it as link')
  }
  const [first, last] = [parsed.keyAt(0), parsed.keyAt(parsed.count - 1)]
  let same = 0
  while (same < first.length && first[same] === last[same]) same += 1
  const from = first.lastIndexOf('/', parsed.count === 1 ? first.length : same) + 1
  return {
    count: parsed.count,
    findingAt(position) {
      const url = parsed.keyAt(position)
      return { name: decoded(url.slice(from)), url }
    },
  }
}

/** @throws Failure `argument-invalid` */
function lastName(link: string): string {
  const path = link.replace(/[?#].*$/s, '')
  const name = /^[^:]+:\/\/[^/]+\/(?:.*\/)?([^/]*)$/s.exec(path)?.[1] ?? ''
  if (name === '') throw invalid(`${path} does not end in the name of a file: name its key`)
  return decoded(name)
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name)
  } catch {
    // Not UTF-8, or a bare percent sign: the name as it stands.
    return name
  }
}

function invalid(message: string): Failure {
  return new Failure('argument-invalid', message)
}
