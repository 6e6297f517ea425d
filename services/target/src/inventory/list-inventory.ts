import { compareKeys } from '@forebay/model/key'
import type { ListedObject, ObjectAttributes } from '@forebay/model/object'
import type { ListAnswer, ListRequest } from '@forebay/peer/target-port'
import type { ObjectContext } from '../objects/context.ts'
import type { BucketInventory, Snapshot } from './bucket-inventory.ts'
import {
  ASKED_MAX,
  commonPrefixOf,
  type InventoryPage,
  type Position,
  scanInventory,
} from './scan-inventory.ts'

/** How often a page is read anew because what it stands on changed meanwhile. */
const TRIES_MAX = 5

/** Begins every token of a listing from an inventory. */
const TOKEN_MARK = '2.'

/**
 * One page from the bucket's inventory, with what changed since through this node.
 *
 * @returns undefined where there is none that may be used: the store is to be asked, for the names from
 *   `storeStart` on
 */
export async function listInventory(
  context: ObjectContext,
  request: ListRequest,
  from: Position | undefined,
): Promise<ListAnswer | undefined> {
  const inventory = context.inventories?.of(request.bucket.id)
  if (inventory === undefined) return undefined
  const { prefix, delimiter, after, pageMax } = request
  const start = from ?? (after === undefined ? undefined : positionOf(after, request))
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const snapshot = inventory.usable(context.clock.now())
    if (snapshot === undefined) return undefined
    const scan = { prefix, delimiter, from: start, pageMax }
    const page = await read(context, { inventory, snapshot }, scan)
    // A snapshot that was replaced meanwhile: the changes are those of the next one.
    if (page === undefined || inventory.usable(context.clock.now()) !== snapshot) continue
    if (page.unknown.length > ASKED_MAX) return undefined
    if (page.unknown.length === 0) return answerOf(page)
    await askStore(context, request, { inventory, keys: page.unknown })
  }
  return undefined
}

/** Where a store's listing begins that goes on behind a page of an inventory. */
export function storeStart({ name, kind }: Position): string {
  return kind === 'key' ? name : `${name}\u{10ffff}`
}

/** @returns undefined for a token that is not of a listing from an inventory */
export function readInventoryToken(token: string): Position | undefined {
  const kind = token.startsWith(`${TOKEN_MARK}k`) ? 'key' : 'prefix'
  const encoded = token.slice(TOKEN_MARK.length + 1)
  const position = { name: Buffer.from(encoded, 'base64url').toString('utf8'), kind } as const
  return position.name !== '' && makeToken(position) === token ? position : undefined
}

function makeToken({ name, kind }: Position): string {
  return `${TOKEN_MARK}${kind.slice(0, 1)}${Buffer.from(name, 'utf8').toString('base64url')}`
}

/** S3's clients go on behind a common prefix by its name. */
function positionOf(after: string, request: ListRequest): Position {
  const { prefix, delimiter } = request
  const isPrefix = commonPrefixOf(after, { prefix, delimiter }) === after
  return { name: after, kind: isPrefix ? 'prefix' : 'key' }
}

function answerOf({ objects, commonPrefixes, next }: InventoryPage): ListAnswer {
  return { objects, commonPrefixes, nextToken: next && makeToken(next) }
}

/** @returns undefined where a file could not be read: another snapshot may be there, or none */
async function read(
  context: ObjectContext,
  { inventory, snapshot }: { readonly inventory: BucketInventory; readonly snapshot: Snapshot },
  scan: Parameters<typeof scanInventory>[2],
): Promise<InventoryPage | undefined> {
  try {
    return await scanInventory(snapshot, inventory.changes, scan)
  } catch (error) {
    if (inventory.published === snapshot.build) {
      context.observer.warn('an inventory cannot be read', { build: snapshot.build, error })
      await inventory.giveUp()
    }
    return undefined
  }
}

async function askStore(
  context: ObjectContext,
  { bucket, signal }: ListRequest,
  { inventory, keys }: { readonly inventory: BucketInventory; readonly keys: readonly string[] },
): Promise<void> {
  const { changes } = inventory
  const backend = context.backendOf(bucket)
  await Promise.all(
    [...keys].sort(compareKeys).map(async (key) => {
      const moment = changes.momentOf(key)
      const answer = await backend.head({ key, signal })
      const now = answer.kind === 'absent' ? 'gone' : listedOf(key, answer.attributes)
      changes.learn(key, now, moment)
    }),
  )
}

/** What a list would tell of an object. */
export function listedOf(key: string, attributes: ObjectAttributes): ListedObject {
  const { sizeBytes, etag, lastModifiedMs, storageClass } = attributes
  return { key, sizeBytes, etag, lastModifiedMs, storageClass }
}
