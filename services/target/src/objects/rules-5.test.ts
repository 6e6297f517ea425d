import { createMemoryBackend } from '@forebay/backend-memory/memory-backend'
import { afterEach, expect, test } from 'vitest'
import type { ObjectContext } from './context.ts'
import { readObject } from './read.ts'
import { Rig } from './testing/rig.ts'

let rig: Rig
afterEach(() => rig.close())

const signal = new AbortController().signal

/** The rig with a backend that keeps every version: an old one can still be had by its id. */
function versioned(opened: Rig): ObjectContext {
  const store = opened.remote.createBucket('versioned', { versioned: true })
  const backend = createMemoryBackend(opened.remote, store.name)
  return { ...opened.context, backendOf: () => backend }
}

async function readText(
  context: ObjectContext,
  options: { readonly range?: { kind: 'from-to'; first: number; last: number } } = {},
): Promise<string> {
  const request = { bucket: rig.bucket, key: 'a', conditions: {}, signal, ...options }
  const answer = await readObject(context, request)
  if (answer.kind !== 'found') return answer.kind
  const chunks: Buffer[] = []
  await answer.body.pump((chunk) => void chunks.push(Buffer.from(chunk)), signal)
  return Buffer.concat(chunks).toString()
}

test('rule 5: an answer that was asked for earlier does not replace a later one', async () => {
  rig = await Rig.open()
  const context = versioned(rig)
  rig.remote.put('versioned', 'a', 'old')
  let later: string | undefined
  const act = async (): Promise<void> => {
    // The old version is named already; its reader hears of it when another has read the new one.
    rig.remote.put('versioned', 'a', 'new')
    later = await readText(context)
    await rig.idle()
  }
  rig.remote.addFault({ action: { kind: 'at', point: 'answer', act }, on: ['head'] })
  const range = { kind: 'from-to', first: 0, last: 2 } as const
  expect(await readText(context, { range })).toBe('new')
  expect(later).toBe('new')
  await rig.idle()
  expect(await readText(context)).toBe('new')
  expect(rig.context.store.get(rig.bucket.id, 'a')?.attributes.sizeBytes).toBe(3)
})
