import { once } from 'node:events'
import { closeSync, constants, openSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { afterAll, afterEach, expect, test } from 'vitest'
import { cachedBucket, NATIVE, pattern, Rig } from './testing/rig.ts'

/** The system opens a directory and refuses to read it, as a disk refuses a bad sector. */
const unreadable = openSync(tmpdir(), constants.O_RDONLY | constants.O_DIRECTORY)
afterAll(() => closeSync(unreadable))

const BYTES = pattern(300_000)
const signal = new AbortController().signal

let rig: Rig | undefined
afterEach(async () => {
  await rig?.close()
  rig = undefined
})

/** What a client gets of the object when its file cannot be read; undefined when the answer breaks off. */
async function getOverHttp(
  opened: Rig,
  bucket = opened.bucket,
  range?: { readonly first: number; readonly last: number },
): Promise<Buffer | undefined> {
  const server = createServer((_, response) => {
    void opened.target
      .read({
        bucket,
        key: 'a',
        conditions: {},
        signal,
        range: range === undefined ? undefined : { kind: 'from-to', ...range },
      })
      .then((answer) => {
        if (answer.kind !== 'found') throw new Error(answer.kind)
        response.setHeader('content-length', answer.body.lengthBytes)
        return answer.body.sendTo(response)
      })
      .catch(() => response.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/`)
    return Buffer.from(await answer.arrayBuffer())
  } catch {
    return undefined
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

async function openBroken(bucket = cachedBucket()): Promise<Rig> {
  rig = await Rig.open(bucket)
  await rig.put('a', BYTES, { bucket })
  const { store } = rig.context
  const { open } = store
  store.open = () => {
    store.open = open
    return { fd: unreadable, offset: 0, release: () => undefined }
  }
  return rig
}

test('a copy that cannot be read is answered from the backend, given up, and fetched anew', async () => {
  const opened = await openBroken()
  expect(await getOverHttp(opened)).toEqual(BYTES)
  expect(opened.context.store.get(opened.bucket.id, 'a')).toBeUndefined()
  expect(opened.warnings).toContain('a corrupt entry was dropped')
  expect(await getOverHttp(opened)).toEqual(BYTES)
  expect(opened.reads.at(-1)).toBe('miss')
})

test('of a range the backend is asked for the range alone', async () => {
  const opened = await openBroken()
  const range = { first: 70_000, last: 219_999 }
  expect(await getOverHttp(opened, opened.bucket, range)).toEqual(BYTES.subarray(70_000, 220_000))
})

test('a native object that cannot be read breaks off, and stays', async () => {
  const opened = await openBroken(NATIVE)
  expect(await getOverHttp(opened, NATIVE)).toBeUndefined()
  expect(opened.context.store.get(NATIVE.id, 'a')).toBeDefined()
})

test('when the backend has another version by now, the answer breaks off', async () => {
  const opened = await openBroken()
  opened.remote.put('remote', 'a', pattern(300_000, 2))
  expect(await getOverHttp(opened)).toBeUndefined()
})
