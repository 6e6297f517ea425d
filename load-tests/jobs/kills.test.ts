import { open, readdir, readFile, stat } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { FaultNode } from '../faults/fault-node.ts'
import { temporaryFolder } from '../testkit/servers.ts'
import { BUCKET, bytesOf, CountingOrigin, keyAt } from './counting-origin.ts'
import { isOver, JobApi } from './prefetch-run.ts'

/** SIGKILL of the node in the middle of a scrub and of a download: one node over both. */
const OBJECTS = 60
const OBJECT_BYTES = 64 * 1024
const FROM = `s3://${BUCKET}`

/** Before and behind the place of the kill. */
const DAMAGED = [3, 11, 40].map(keyAt)

const FILES = 90
const FILE_BYTES = 20_000
const ABSENT = ['f-020', 'f-061']

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let origin: CountingOrigin
let web: WebFiles
let node: FaultNode
let url: string
let api: JobApi

beforeAll(async () => {
  folder = await temporaryFolder('kills')
  origin = await CountingOrigin.start({ objects: OBJECTS, objectBytes: OBJECT_BYTES })
  web = await WebFiles.start()
  node = new FaultNode({
    ...{ dataDir: join(folder.path, 'node'), originUrl: origin.url },
    config: { jobs: { download: { allow: ['127.0.0.1'] } } },
  })
  await start()
})

afterAll(async () => {
  await node?.stop()
  await origin?.close()
  await web?.close()
  await folder?.remove()
})

async function start(): Promise<void> {
  url = (await node.start()).server.url
  api = new JobApi(url)
}

/** Spoils what the node has of objects of the origin, wherever it is; how many were found. */
async function spoilAll(keys: readonly string[]): Promise<number> {
  let spoilt = 0
  const root = join(folder.path, 'node', 'mountpath')
  for (const name of await readdir(root, { recursive: true })) {
    const path = join(root, name)
    if (!(await stat(path)).isFile()) continue
    const bytes = await readFile(path)
    for (const key of keys) {
      const at = bytes.indexOf(bytesOf(key, OBJECT_BYTES))
      if (at < 0) continue
      await overwrite(path, at + OBJECT_BYTES - 1000)
      spoilt += 1
    }
  }
  return spoilt
}

async function overwrite(path: string, at: number): Promise<void> {
  const file = await open(path, 'r+')
  try {
    await file.write(Buffer.alloc(100), 0, 100, at)
  } finally {
    await file.close()
  }
}

test('a scrub whose node is killed midway reads the rest, and tells all that was damaged', async () => {
  const { id: prefetch } = await api.start({ kind: 'prefetch', bucket: FROM })
  expect(await api.until(prefetch, isOver)).toMatchObject({ state: 'finished' })
  expect(await spoilAll(DAMAGED)).toBe(DAMAGED.length)
  const args = { bytesPerSecond: OBJECT_BYTES * 25 }
  const { id } = await api.start({ kind: 'scrub', bucket: FROM, args })
  // Both of the first that are damaged were found and dropped by then.
  for (;;) {
    const { pass } = await scrubStatus()
    if ((pass?.objects ?? 0) > 20) break
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  await node.kill()
  await start()
  const ended = await api.until(id, isOver)
  expect(ended).toMatchObject({
    state: 'finished',
    counters: { done: 1, failed: 0 },
    result: { objects: OBJECTS, damaged: DAMAGED.length, repaired: DAMAGED.length },
  })
  const { findings } = await scrubStatus()
  expect(findings.map(({ key }) => key)).toEqual(DAMAGED)
}, 60_000)

async function scrubStatus(): Promise<{
  readonly pass: { readonly objects: number } | null
  readonly findings: readonly { readonly key?: string }[]
}> {
  return JSON.parse(await (await fetch(`${url}/v1/forebay/scrub?findings=true`)).text())
}

test('a download whose node is killed midway fetches nothing again that was whole', async () => {
  await fetch(`${url}/v1/buckets/files`, {
    method: 'POST',
    body: JSON.stringify({ action: 'create-bck' }),
  })
  const { id } = await api.start({
    ...{ kind: 'download', bucket: 'ais://files', limits: { concurrency: 1 } },
    args: { directory: `${web.url}/set/`, stallSeconds: 5 },
  })
  const places = [25, 60]
  for (const place of places) {
    await web.untilServed(place)
    await node.kill()
    await start()
  }
  const ended = await api.until(id, isOver)
  expect(ended).toMatchObject({
    state: 'failed',
    listing: { items: FILES, complete: true },
    counters: { done: FILES - ABSENT.length, skipped: 0, failed: ABSENT.length },
  })
  expect(await api.failures(id)).toEqual(ABSENT)
  const served = web.names.filter((name) => !ABSENT.includes(name))
  for (const name of served) {
    const answer = await fetch(`${url}/s3/files/${name}`)
    expect(Buffer.from(await answer.arrayBuffer()).equals(web.bytesOf(name)), name).toBe(true)
  }
  const again = served.map((name) => (web.reads.get(name) ?? 0) - 1)
  expect(again.every((count) => count >= 0)).toBe(true)
  // The one in flight at each kill.
  expect(again.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(places.length)
}, 60_000)

/** A directory of files, told with its index page; two of its names have no file. */
class WebFiles {
  readonly url: string
  readonly names = Array.from({ length: FILES }, (_, at) => `f-${String(at).padStart(3, '0')}`)
  /** Files that were answered with all bytes, by name. */
  readonly reads = new Map<string, number>()
  readonly #server: Server

  private constructor(server: Server, port: number) {
    this.#server = server
    this.url = `http://127.0.0.1:${port}`
  }

  static async start(): Promise<WebFiles> {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    if (typeof address !== 'object' || address === null) throw new Error('there is no port')
    const files = new WebFiles(server, address.port)
    server.on('request', (request, response) => {
      const name = (request.url ?? '').replace('/set/', '')
      if (name === '') {
        const links = files.names.map((one) => `<a href="${one}">${one}</a>`).join('\n')
        const head = '<html><head><title>Index of /set/</title></head><body><h1>Index of /set/</h1>'
        response.writeHead(200, { 'content-type': 'text/html' })
        response.end(`${head}<pre><a href="../">../</a>\n${links}</pre></body></html>`)
      } else if (ABSENT.includes(name)) {
        response.writeHead(404).end()
      } else {
        response.end(files.bytesOf(name))
        files.reads.set(name, (files.reads.get(name) ?? 0) + 1)
      }
    })
    return files
  }

  bytesOf(name: string): Buffer {
    return Buffer.alloc(FILE_BYTES, `${name} `)
  }

  async untilServed(count: number): Promise<void> {
    while (this.reads.size < count) await new Promise((resolve) => setTimeout(resolve, 2))
  }

  close(): Promise<void> {
    this.#server.closeAllConnections()
    return new Promise((resolve) => this.#server.close(() => resolve()))
  }
}
