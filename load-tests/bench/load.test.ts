import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { temporaryFolder } from '../testkit/servers.ts'
import { buildClient } from './build-client.ts'
import { type Load, runLoad } from './load.ts'
import { type Request, renderHead, writeHeads } from './requests.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let client: string
let server: Server
let port: number
let seen: { readonly method: string; readonly url: string; readonly bodyBytes: number }[] = []

beforeAll(async () => {
  folder = await temporaryFolder('bench-load')
  client = await buildClient()
  // A server of a few lines: `/<status>/<bytes>` is answered so.
  server = createServer((request, response) => {
    let bodyBytes = 0
    request.on('data', (chunk: Buffer) => {
      bodyBytes += chunk.length
    })
    request.on('end', () => {
      const { method = '', url = '' } = request
      seen.push({ method, url, bodyBytes })
      const [, status, bytes] = url.split('/')
      response.writeHead(Number(status), { 'content-length': Number(bytes) })
      response.end(method === 'HEAD' ? undefined : Buffer.alloc(Number(bytes)))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port // A TCP server has no other kind of address.
})

afterAll(async () => {
  server?.closeAllConnections()
  server?.close()
  await folder?.remove()
})

beforeEach(() => {
  seen = []
})

async function load(list: readonly Request[], part: Partial<Load>) {
  const requests = join(folder.path, 'requests')
  const heads = list.map((request) => renderHead(request, { host: `127.0.0.1:${port}` }))
  await writeHeads(requests, heads)
  return runLoad({ client, port, requests, connections: 1, anyCore: true, ...part })
}

test('requests are sent in turn and every byte of the bodies is counted', async () => {
  const list = [1, 300_000, 0].map((bytes) => ({
    method: 'GET' as const,
    target: `/200/${bytes}`,
  }))
  const result = await load(list, { count: 6 })
  expect(result).toMatchObject({ operations: 6, failures: 0, bytes: 600_002, reconnects: 0 })
  expect(seen.map(({ url }) => url)).toEqual([1, 300_000, 0, 1, 300_000, 0].map((n) => `/200/${n}`))
  expect(result.p50Us).toBeGreaterThan(0)
  expect(result.maxUs).toBeGreaterThanOrEqual(result.p99Us)
})

test('the answer to HEAD has a length and no body', async () => {
  const list = [{ method: 'HEAD' as const, target: '/200/5000' }]
  const result = await load(list, { count: 3, expectBytes: 5000 })
  expect(result).toMatchObject({ operations: 3, bytes: 0 })
})

test('a body goes out whole, on many connections at once', async () => {
  const headers = { 'content-length': '1000000' }
  const list = [{ method: 'PUT' as const, target: '/200/0', headers }]
  await load(list, { count: 20, connections: 8, bodyBytes: 1_000_000 })
  expect(seen.map(({ bodyBytes }) => bodyBytes)).toEqual(new Array(20).fill(1_000_000))
})

test('an answer other than 2xx ends the run with that answer', async () => {
  const list = [{ method: 'GET' as const, target: '/404/0' }]
  await expect(load(list, { count: 1 })).rejects.toThrow('404 Not Found')
})

test('answers other than 2xx are counted apart when they are expected', async () => {
  const list = ['/404/0', '/200/1'].map((target) => ({ method: 'GET' as const, target }))
  const result = await load(list, { count: 4, allowErrors: true })
  expect(result).toMatchObject({ operations: 2, failures: 2, bytes: 2 })
})

test('an answer of another length than stated ends the run', async () => {
  const list = [{ method: 'GET' as const, target: '/200/4095' }]
  await expect(load(list, { count: 1, expectBytes: 4096 })).rejects.toThrow('another length')
})

test('a limited reader still gets every byte', async () => {
  const list = [{ method: 'GET' as const, target: '/200/2000000' }]
  const result = await load(list, { count: 1, readRateBytes: 16_000_000 })
  expect(result.bytes).toBe(2_000_000)
})
