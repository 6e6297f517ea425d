import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { openFile, removeFile, versionOfPath } from './promoted-file.ts'

/** With the check by name alone one in fifty tries was led elsewhere. */
const TRIES = 1500

let folder: string
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'forebay-promoted-')))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  mkdirSync(join(folder, 'open/sub'), { recursive: true })
  mkdirSync(join(folder, 'elsewhere'))
  writeFileSync(join(folder, 'open/sub/c'), 'mine')
  writeFileSync(join(folder, 'elsewhere/c'), 'secret')
  symlinkSync(join(folder, 'elsewhere'), join(folder, 'open/link'))
})

/** Makes the directory a link and back again, over and over, as fast as it goes. */
const SWAPS = `
const { renameSync } = require('node:fs')
const { workerData } = require('node:worker_threads')
const [sub, link, aside] = ['sub', 'link', 'aside'].map((name) => workerData + '/open/' + name)
for (;;) {
  renameSync(sub, aside)
  renameSync(link, sub)
  renameSync(sub, link)
  renameSync(aside, sub)
}`

test.skipIf(process.platform !== 'linux')(
  'a directory that is a link every other moment leads nowhere else',
  async () => {
    const worker = new Worker(SWAPS, { eval: true, workerData: folder })
    const sizes = new Set<number>()
    try {
      for (let tries = 0; tries < TRIES; tries++) {
        const file = await openFile(join(folder, 'open/sub/c'))
        if (file === undefined) continue
        sizes.add(file.sizeBytes)
        await file.close()
      }
    } finally {
      await worker.terminate()
    }
    expect([...sizes]).toEqual(['mine'.length])
  },
)

test('a file is deleted in the version that was read, and not through a link', async () => {
  const path = join(folder, 'open/sub/c')
  const version = await versionOfPath(path)
  const secret = await versionOfPath(join(folder, 'elsewhere/c'))
  if (version === undefined || secret === undefined) throw new Error('they are not there')
  await removeFile(join(folder, 'open/link/c'), secret)
  await removeFile(path, secret)
  await removeFile(join(folder, 'open/none/c'), version)
  expect(await readdir(join(folder, 'elsewhere'))).toEqual(['c'])
  expect(await readdir(join(folder, 'open/sub'))).toEqual(['c'])
  await removeFile(path, version)
  expect(await readdir(join(folder, 'open/sub'))).toEqual([])
})
