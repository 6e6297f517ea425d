/** The loader against a node, and against servers that do wrong. */
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer, type Server as HttpServer } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Server, startForebay, temporaryFolder } from '../testkit/servers.ts'
import { parseLoaderOptions } from './options.ts'
import { renderPage } from './page.ts'
import { buildReport, exitCodeOf, formatReport, type Report } from './report.ts'
import { runLoader } from './run.ts'

let node: Server
let folder: Awaited<ReturnType<typeof temporaryFolder>>

beforeAll(async () => {
  folder = await temporaryFolder('loader')
  node = await startForebay({ dataDir: join(folder.path, 'node') })
})

afterAll(async () => {
  await node.stop()
  await folder.remove()
})

async function load(line: string, signal = new AbortController().signal): Promise<Report> {
  const options = parseLoaderOptions(line.split(' '))
  if (options === undefined) throw new Error('that asks for help')
  return buildReport(
    options,
    await runLoader(options, { identity: {}, say: () => undefined, signal }),
  )
}

const url = (): string => `127.0.0.1:${node.port}`

describe('a node', () => {
  test('under every operation over S3 gives no wrong byte, and leaves nothing behind', async () => {
    const report = await load(
      `-bucket mix -s3endpoint ${url()},localhost:${node.port} -duration 3s -warmup 300ms -numworkers 8 -objects 60 -sizes list:0*5,4k*50,100k*40,6m*5 -partsize 5m -pctput 25 -pctdelete 5 -pcthead 10 -pctlist 5 -verify -cleanup -seed 1`,
    )
    expect(report.mismatchesTold).toEqual([])
    expect(report.errors).toBe(0)
    expect(report.kinds.map(({ kind }) => kind)).toEqual(['get', 'put', 'head', 'list', 'delete'])
    for (const { operations } of report.kinds) expect(operations).toBeGreaterThan(0)
    expect(exitCodeOf(report)).toBe(0)
    expect((await fetch(`${node.url}/mix`)).status).toBe(404)
  })

  test('is read in parts, by AIStore’s API, at a rate of its own', async () => {
    const report = await load(
      `-bucket ais://parts -endpoint ${url()} -count 200 -rate 400 -objects 20 -minsize 1 -maxsize 50k -pctput 10 -pcthead 10 -pctlist 5 -pctdelete 5 -readoff random -readlen random -verify -cleanup -seed 2`,
    )
    expect(report.mismatchesTold).toEqual([])
    expect(report.errors).toBe(0)
    expect(report.operations).toBe(200)
    expect(report.lag).toBeDefined()
  })

  test('gives every object once an epoch, and objects that were there before', async () => {
    const prepared = `-bucket epochs -s3endpoint ${url()} -numworkers 4 -objects 50 -minsize 1k -seed 3`
    const epochs = await load(`${prepared} -num-epochs 2 -verify`)
    expect(epochs.epochs.map(({ operations, bytes }) => [operations, bytes])).toEqual([
      [50, 51_200],
      [50, 51_200],
    ])
    const again = await load(`${prepared} -prepare=false -verify -count 50`)
    expect([again.operations, again.errors]).toEqual([50, 0])
    const listed = await load(`-bucket epochs -s3endpoint ${url()} -existing -num-epochs 1`)
    expect([listed.operations, listed.errors]).toEqual([50, 0])
  })

  test('that holds another version than was written is found out', async () => {
    const line = `-bucket other -s3endpoint ${url()} -objects 5 -minsize 1k -seed 4 -verify`
    await load(`${line} -count 5`)
    await fetch(`${node.url}/other/load/00000003`, { method: 'PUT', body: Buffer.alloc(1024) })
    const report = await load(`${line} -prepare=false -num-epochs 1`)
    expect(report.mismatchesTold).toEqual(['load/00000003 is not version 1 from byte 0 on'])
    expect(exitCodeOf(report)).toBe(3)
    expect(formatReport(report)).toContain('WRONG: load/00000003')
  })

  test('is reported in a page that fetches nothing', async () => {
    const report = await load(`-bucket page -s3endpoint ${url()} -objects 5 -count 50 -minsize 1k`)
    const path = join(folder.path, 'report.html')
    await writeFile(path, renderPage(report))
    const page = await readFile(path, 'utf8')
    expect(page).toContain('Latency by percentile')
    expect(page).not.toMatch(/https?:|<script|<link|@import|url\(/)
  })

  test('that is interrupted is still reported, and cleaned up', async () => {
    const abort = new AbortController()
    const line = `-bucket stop -s3endpoint ${url()} -objects 5 -minsize 1k -duration 1m -cleanup`
    const running = load(line, abort.signal)
    while (!(await fetch(`${node.url}/stop/load/00000004`)).ok);
    abort.abort()
    const report = await running
    expect(report.isInterrupted).toBe(true)
    expect((await fetch(`${node.url}/stop`)).status).toBe(404)
  })
})

describe('a server', () => {
  const servers: HttpServer[] = []
  afterAll(() => {
    for (const server of servers) server.closeAllConnections()
    for (const server of servers) server.close()
  })

  /** Relays to the node, with a hand in the answers to reads. */
  async function startRelay(
    spoil: (body: Buffer, count: number) => Buffer | 'cut' | 'stall' | number,
  ): Promise<string> {
    let count = 0
    const server = createServer(async (request, answer) => {
      const parts: Buffer[] = []
      for await (const part of request) parts.push(part)
      const { method = 'GET', url: target } = request
      const init = method === 'PUT' ? { method, body: Buffer.concat(parts) } : { method }
      const response = await fetch(`${node.url}${target}`, init)
      const body = Buffer.from(await response.arrayBuffer())
      const isRead = method === 'GET' && target?.includes('/load/') === true
      if (isRead) count += 1
      const spoiled = isRead ? spoil(body, count) : body
      if (spoiled === 'stall') return
      if (typeof spoiled === 'number') {
        answer.writeHead(spoiled, { 'content-length': 0 }).end()
        return
      }
      const bytes = spoiled === 'cut' ? body.subarray(0, 100) : spoiled
      answer.writeHead(response.status, {
        'content-length': method === 'HEAD' ? 0 : spoiled === 'cut' ? body.length : bytes.length,
      })
      answer.end(method === 'HEAD' ? undefined : bytes)
      if (spoiled === 'cut') request.socket.destroySoon()
    })
    servers.push(server)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (typeof address !== 'object' || address === null) throw new Error('no address')
    return `127.0.0.1:${address.port}`
  }

  const kindsOf = (report: Report) => report.kinds.find(({ kind }) => kind === 'get')?.errors

  test('that flips one bit of one answer in ten is found out each time', async () => {
    const relay = await startRelay((body, count) => {
      if (count % 10 === 0) body[777] = (body[777] ?? 0) ^ 1
      return body
    })
    const report = await load(
      `-bucket flip -s3endpoint ${relay} -objects 10 -minsize 1k -count 100 -verify -seed 5`,
    )
    expect(kindsOf(report)).toEqual({ mismatch: 10 })
    expect(report.mismatchesTold).toHaveLength(10)
    expect(report.mismatchesTold[0]).toMatch(/is not version 1 from byte 777 on$/)
  })

  test('that refuses, cuts and stalls is told apart, and misses its thresholds', async () => {
    const faults = [503, 'cut', 'stall'] as const
    const relay = await startRelay((body, count) => faults[count % 10] ?? body)
    const report = await load(
      `-bucket faults -s3endpoint ${relay} -objects 10 -minsize 1k -count 40 -numworkers 4 -timeout 500ms -max-errors 5%`,
    )
    expect(kindsOf(report)).toEqual({ 'status 503': 4, reset: 4, timeout: 4 })
    expect(report.operations).toBe(28)
    expect(exitCodeOf(report)).toBe(1)
  })

  test('that stalls is charged for everybody who would have come meanwhile', async () => {
    const relay = await startRelay((body, count) => (count > 5 ? 'stall' : body))
    const report = await load(
      `-bucket stall -s3endpoint ${relay} -objects 5 -minsize 1k -count 60 -rate 200 -arrival constant -maxinflight 10 -timeout 1s`,
    )
    expect(kindsOf(report)).toEqual({ timeout: 10, overload: 45 })
  })
})
