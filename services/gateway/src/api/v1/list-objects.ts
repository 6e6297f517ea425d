import { newNodeId } from '@forebay/base/ids'
import { LIST_PAGE_MAX } from '@forebay/base/limits'
import type { BucketRecord } from '@forebay/model/bucket'
import { compareKeys } from '@forebay/model/key'
import type { ListAnswer, ListRequest } from '@forebay/peer/target-port'
import { type ActionMessage, valueFields } from '@forebay/wire/action'
import { Fields } from '@forebay/wire/fields'
import {
  decodeListMessage,
  encodeListJson,
  encodeListMsgpack,
  LIST_FLAGS,
  type ListEntry,
  type ListMessage,
  type ListPage,
} from '@forebay/wire/list-objects'
import { listMembers, type OpenedPage } from '../../archives/list-members.ts'
import { openBucket } from './address.ts'
import type { Exchange } from './exchange.ts'

/** Fields of the list message that the query may state instead: browsers' fetch sends no GET body. */
const QUERY_FIELDS = [
  'prefix',
  'start_after',
  'continuation_token',
  'pagesize',
  'props',
  'flags',
  'uuid',
] as const

/** `GET /v1/buckets/{bucket}` with `list`: one page of names. */
export async function listObjects(
  exchange: Exchange,
  rawName: string,
  message: ActionMessage | undefined,
): Promise<void> {
  const record = await openBucket(exchange, rawName, 'list')
  const wanted = decodeListMessage(
    message === undefined ? queryFields(exchange) : valueFields(message),
  )
  const has = (flag: number): boolean => (wanted.flags & flag) !== 0
  const request: ListRequest = {
    bucket: record,
    prefix: wanted.prefix,
    delimiter: has(LIST_FLAGS.noRecursion) ? '/' : undefined,
    after: wanted.startAfter,
    token: wanted.continuationToken,
    pageMax: wanted.pageSize === 0 ? LIST_PAGE_MAX : Math.min(wanted.pageSize, LIST_PAGE_MAX),
    cachedOnly: has(LIST_FLAGS.cached),
    inventory: wantsInventory(exchange, record, wanted),
    signal: exchange.signal,
  }
  const cached = record.backend === undefined || has(LIST_FLAGS.cached)
  const { target } = exchange.context
  const page = has(LIST_FLAGS.archives)
    ? openedPageOf(await listMembers(target, request), wanted, cached)
    : pageOf(await target.list(request), wanted, cached)
  sendPage(exchange, page, wanted)
}

/** By AIStore's header or flag, or as the bucket has it; without an inventory the store is asked. */
function wantsInventory(
  exchange: Exchange,
  { properties }: BucketRecord,
  { flags }: ListMessage,
): boolean {
  if ((flags & LIST_FLAGS.inventory) !== 0) return true
  if (exchange.header('ais-bucket-inventory') === 'true') return true
  return properties.listFrom === 'inventory'
}

function pageOf(answer: ListAnswer, wanted: ListMessage, cached: boolean): ListPage {
  const objects = answer.objects.map(
    (object): ListEntry => ({
      name: object.key,
      directory: false,
      sizeBytes: object.sizeBytes,
      cached,
      etag: object.etag,
      lastModifiedMs: object.lastModifiedMs,
    }),
  )
  const directories = (wanted.flags & LIST_FLAGS.noDirectories) === 0 ? answer.commonPrefixes : []
  const entries = [...objects, ...directories.map(directoryEntry)]
  if (directories.length > 0) entries.sort((a, b) => compareKeys(a.name, b.name))
  return {
    uuid: wanted.uuid === '' ? newNodeId() : wanted.uuid,
    continuationToken: answer.nextToken ?? '',
    entries,
  }
}

/** A member is there only where its archive is. */
function openedPageOf(opened: OpenedPage, wanted: ListMessage, cached: boolean): ListPage {
  const hasFolders = (wanted.flags & LIST_FLAGS.noDirectories) === 0
  return {
    uuid: wanted.uuid === '' ? newNodeId() : wanted.uuid,
    continuationToken: opened.nextToken ?? '',
    entries: opened.entries.flatMap(({ kind, name, sizeBytes, object }): readonly ListEntry[] => {
      if (kind === 'folder') return hasFolders ? [directoryEntry(name)] : []
      const isMember = kind === 'member'
      const { etag, lastModifiedMs } = object ?? {}
      const of = kind === 'object' ? undefined : kind
      return [
        { name, directory: false, of, sizeBytes, cached: cached || isMember, etag, lastModifiedMs },
      ]
    }),
  }
}

function directoryEntry(name: string): ListEntry {
  return {
    name,
    directory: true,
    sizeBytes: 0,
    cached: false,
    etag: undefined,
    lastModifiedMs: undefined,
  }
}

function sendPage(exchange: Exchange, page: ListPage, wanted: ListMessage): void {
  if (exchange.header('accept') === 'application/msgpack') {
    exchange.sendBytes(encodeListMsgpack(page, wanted), 'application/msgpack')
  } else exchange.sendJson(encodeListJson(page, wanted))
}

function queryFields(exchange: Exchange): Fields {
  const { query } = exchange
  return new Fields(
    Object.fromEntries(
      QUERY_FIELDS.flatMap((name) => {
        const value = query.get(name)
        return value === undefined ? [] : [[name, value] as const]
      }),
    ),
  )
}
