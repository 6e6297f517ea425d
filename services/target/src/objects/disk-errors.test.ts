import { closeSync, constants, openSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { afterAll, afterEach, expect, test } from 'vitest'
import { digestFile } from './file-digest.ts'
import { GatedUpload } from './gated-upload.ts'
import { bodyOf, NATIVE, pattern, Rig } from './testing/rig.ts'

/** The system opens a directory and refuses to read it, as a disk refuses a bad sector. */
const unreadable = openSync(tmpdir(), constants.O_RDONLY | constants.O_DIRECTORY)
afterAll(() => closeSync(unreadable))

let rig: Rig | undefined
afterEach(async () => {
  await rig?.close()
  rig = undefined
})

const signal = new AbortController().signal

/** From now on no file of an object can be read. */
function breakReads(opened: Rig): void {
  opened.context.store.open = () => ({ fd: unreadable, offset: 0, release: () => undefined })
}

test('a body whose work file cannot be read on its way to a backend fails as a disk does', async () => {
  const upload = new GatedUpload(unreadable, 10)
  upload.open()
  const taking = Array.fromAsync(upload.chunks())
  await expect(taking).rejects.toMatchObject({ code: 'disk-error' })
})

test('a copy whose source cannot be read fails as a disk does', async () => {
  rig = await Rig.open()
  await rig.put('a', 'bytes', { bucket: NATIVE })
  breakReads(rig)
  const copying = rig.target.copy({
    bucket: NATIVE,
    key: 'copy',
    source: { bucket: NATIVE, key: 'a' },
    sourceConditions: {},
    conditions: {},
    signal,
  })
  await expect(copying).rejects.toMatchObject({ code: 'disk-error' })
  expect(rig.context.store.get(NATIVE.id, 'copy')).toBeUndefined()
})

test('an upload whose part cannot be read is not completed, fails as a disk does, and can be tried again', async () => {
  rig = await Rig.open()
  const address = { bucket: NATIVE, key: 'a' }
  const { uploadId } = await rig.target.createUpload({
    ...address,
    headers: {},
    metadata: {},
    signal,
  })
  const written = await rig.target.writePart({
    ...address,
    uploadId,
    partNumber: 1,
    stated: [],
    body: bodyOf(pattern(1000)),
    signal,
  })
  const parts = [{ partNumber: 1, etag: written.etag, checksums: [] }]
  const complete = { ...address, uploadId, parts, conditions: {}, signal }
  const { open } = rig.context.store
  breakReads(rig)
  await expect(rig.target.completeUpload(complete)).rejects.toMatchObject({ code: 'disk-error' })
  rig.context.store.open = open
  await rig.target.completeUpload(complete)
  expect(await rig.get('a', { bucket: NATIVE })).toEqual(pattern(1000))
})

test('a file that cannot be read has no digest', async () => {
  const digesting = digestFile({ fd: unreadable, offset: 0 }, 10, ['md5'])
  await expect(digesting).rejects.toMatchObject({ code: 'disk-error' })
})
