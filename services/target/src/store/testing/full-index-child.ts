/**
 * A process whose index has no room: stores objects until the index refuses, tells on standard output
 * what the store then does, and closes it.
 *
 * Arguments: mountpath. The caller limits the size of files.
 */
import { writeSync } from 'node:fs'
import { isFailure } from '@forebay/base/failure'
import { read } from './read-back.ts'
import { LAZY, NATIVE, openTestStore, put } from './store-fixture.ts'

const [root = ''] = process.argv.slice(2)
const { store } = await openTestStore([root])
// Long names fill the index sooner than the journal.
const keyOf = (at: number) => `${'k'.repeat(800)}${at}`
/** Puts after which the index is waited for. */
const KEPT_UP = 10
let acknowledged = 0
let refused: unknown
while (refused === undefined) {
  try {
    await put(store, { bucket: NATIVE, key: keyOf(acknowledged), text: `${acknowledged}` }, LAZY)
    acknowledged += 1
    // It is written behind the journal, which a busy machine would fill first.
    if (acknowledged % KEPT_UP === 0) await store.context.index.settled().catch(() => undefined)
  } catch (error) {
    refused = error
  }
}
const later = await put(store, { bucket: NATIVE, key: 'later', text: 'x' }, LAZY).catch(String)
const report = {
  acknowledged,
  refused: isFailure(refused) ? refused.code : String(refused),
  why: String(refused).includes('the index'),
  later: typeof later === 'string',
  read: read(store, 7, keyOf(0)),
}
await store.close()
writeSync(1, JSON.stringify(report))
process.exit(0)
