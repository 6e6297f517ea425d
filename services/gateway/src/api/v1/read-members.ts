/**
 * Members of an archive that is an object, by AIStore's queries: one by its name (`archpath`), or a TAR of
 * those that `archregx` and `archmode` mean. Nothing is unpacked to disk; memory is bounded.
 */

import type { ArchiveMember } from '@forebay/archive/entry'
import type { ArchiveFormat } from '@forebay/archive/format'
import { memberNameProblem } from '@forebay/archive/member'
import { readArchive } from '@forebay/archive/reader'
import { openArchiveWriter } from '@forebay/archive/writer'
import { Failure } from '@forebay/base/failure'
import { KEY_BYTES_MAX } from '@forebay/base/limits'
import type { ObjectAttributes } from '@forebay/model/object'
import type { ObjectAddress, ReadRequest } from '@forebay/peer/target-port'
import { parseConditions } from '@forebay/s3/conditions'
import { parseQueryFlag } from '@forebay/wire/action'
import type { WireHeaders } from '@forebay/wire/object-headers'
import { ArchiveObject, formatOf, parseFormat } from '../../archives/archive-object.ts'
import { type MemberFilter, parseMemberFilter } from '../../archives/member-filter.ts'
import { ResponseSink } from '../../archives/response-sink.ts'
import { objectKey, openBucket, type RawAddress } from './address.ts'
import type { Exchange } from './exchange.ts'
import { cacheHeaders, refuse, sendBody } from './read-object.ts'

/** What of an archive is wanted. */
type Wanted =
  | { readonly kind: 'one'; readonly name: string }
  | { readonly kind: 'matches'; readonly filter: MemberFilter }

/** An archive in one version. */
interface Opened extends ObjectAddress {
  readonly attributes: ObjectAttributes
  readonly file: ArchiveObject
  readonly format: ArchiveFormat
  readonly headers: WireHeaders
}

/** True where a request asks for members; the client's empty values ask for nothing. */
export function wantsMembers({ query }: Exchange): boolean {
  return ['archpath', 'archregx', 'archmode'].some((name) => (query.get(name) ?? '') !== '')
}

/** `GET /v1/objects/{bucket}/{object}` with a query for members. */
export async function getMembers(exchange: Exchange, address: RawAddress): Promise<void> {
  const wanted = readWanted(exchange)
  const archive = await openArchive(exchange, address)
  if (archive === undefined) return
  if (wanted.kind === 'matches') await sendMatches(exchange, archive, wanted.filter)
  else if (archive.format === 'tar') await sendFromTar(exchange, archive, wanted.name)
  else await sendUnpacked(exchange, archive, wanted.name)
}

/** @throws Failure `argument-invalid` */
function readWanted(exchange: Exchange): Wanted {
  const { query } = exchange
  for (const name of ['etl_name', 'etl_pipeline']) {
    if ((query.get(name) ?? '') === '') continue
    throw new Failure('not-implemented', `reading with ${name} is not built yet`)
  }
  const path = query.get('archpath') ?? ''
  const text = query.get('archregx') ?? ''
  const mode = query.get('archmode') ?? ''
  if (exchange.header('range') !== undefined) {
    throw new Failure('argument-invalid', 'a range does not go with members of an archive')
  }
  if (path !== '' && (mode !== '' || text !== '')) {
    throw new Failure('argument-invalid', 'archpath does not go with archmode and archregx')
  }
  if (path === '') {
    if (mode === '') throw new Failure('argument-invalid', 'archregx needs archmode')
    return { kind: 'matches', filter: parseMemberFilter(mode, text) }
  }
  const problem = memberNameProblem(path, KEY_BYTES_MAX)
  if (problem !== undefined) throw new Failure('argument-invalid', `archpath: ${problem}`)
  return { kind: 'one', name: path }
}

/** @returns undefined where the answer was given already */
async function openArchive(exchange: Exchange, address: RawAddress): Promise<Opened | undefined> {
  const stated = parseFormat(exchange.query.get('archmime') ?? '')
  const key = objectKey(exchange, address.key)
  const bucket = await openBucket(exchange, address.bucket, 'read')
  const { target } = exchange.context
  const { signal } = exchange
  const request: ReadRequest = {
    ...{ bucket, key, signal, conditions: parseConditions(exchange.raw.headers) },
    latest: parseQueryFlag(exchange.query.get('latest-ver')),
  }
  const answer = await target.head(request)
  if (answer.kind !== 'found') {
    refuse(exchange, answer)
    return undefined
  }
  const { attributes, cachedBytes } = answer
  const file = new ArchiveObject({ target, bucket, key, attributes, signal })
  const format = stated ?? (await formatOf(key, file))
  // Headers of members lie everywhere in it; only a ZIP has a directory, at its end.
  if (cachedBytes < attributes.sizeBytes && format !== 'zip') {
    await target.warm({ bucket, key, signal })
  }
  return { bucket, key, attributes, file, format, headers: cacheHeaders(answer) }
}

/** A member of a TAR is a range of the object. */
async function sendFromTar(exchange: Exchange, archive: Opened, name: string): Promise<void> {
  const { bucket, key, attributes, file } = archive
  const { etag, sizeBytes, lastModifiedMs } = attributes
  const version = `${bucket.id}/${etag}/${sizeBytes}/${lastModifiedMs}/${key}`
  const place = await exchange.context.memberIndexes.find(version, file, name)
  if (place === undefined) throw absent(name)
  if (place.sizeBytes === 0) {
    sendHead(exchange, archive, 0).end()
    return
  }
  const body = await file.open(place.offsetBytes, place.sizeBytes)
  await sendBody(exchange, body, () => sendHead(exchange, archive, place.sizeBytes))
}

async function sendUnpacked(exchange: Exchange, archive: Opened, name: string): Promise<void> {
  for await (const entry of readArchive(archive.format, archive.file)) {
    if (entry.kind !== 'member' || entry.name !== name) continue
    await sendMember(exchange, archive, entry)
    return
  }
  throw absent(name)
}

/**
 * The last piece goes when the reader has found the whole member right: before, the client has not all.
 * What is wrong in a member of one piece is told before its head.
 */
async function sendMember(
  exchange: Exchange,
  archive: Opened,
  member: ArchiveMember,
): Promise<void> {
  const chunks = member.bytes()
  const next = async (): Promise<Buffer | undefined> => (await chunks.next()).value ?? undefined
  try {
    let held = await next()
    let behind = await next()
    const sink = new ResponseSink(sendHead(exchange, archive, member.sizeBytes))
    while (held !== undefined) {
      await sink.write(held)
      held = behind
      if (held !== undefined) behind = await next()
    }
    sink.end()
  } finally {
    await chunks.return(undefined)
  }
}

/** A TAR of the members that are meant, whatever they come from. */
async function sendMatches(
  exchange: Exchange,
  archive: Opened,
  filter: MemberFilter,
): Promise<void> {
  const sink = new ResponseSink(exchange.response)
  const writer = openArchiveWriter('tar', sink)
  for await (const entry of readArchive(archive.format, archive.file)) {
    exchange.signal.throwIfAborted()
    if (entry.kind !== 'member' || !(await filter.wants(entry.name, exchange.signal))) continue
    if (!exchange.response.headersSent) {
      exchange.writeHead(200, { ...archive.headers, 'Content-Type': 'application/x-tar' })
    }
    await writer.add(entry, async (write) => {
      for await (const chunk of entry.bytes()) await write(chunk)
    })
  }
  if (!exchange.response.headersSent) throw absent('what archregx means')
  await writer.end()
}

function sendHead(
  exchange: Exchange,
  { headers }: Opened,
  lengthBytes: number,
): Exchange['response'] {
  exchange.writeHead(200, {
    ...headers,
    'Content-Type': 'application/octet-stream',
    'Content-Length': String(lengthBytes),
  })
  return exchange.response
}

function absent(member: string): Failure {
  return new Failure('object-not-found', `${member} is not in the archive`, { facts: { member } })
}
