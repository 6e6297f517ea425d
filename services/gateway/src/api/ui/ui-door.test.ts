import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { CONSOLE_BYTES_MAX } from './read-console.ts'
import { UiDoor } from './ui-door.ts'

let folder: string
let server: Server
let url: string
let reports: unknown[]
let operations: string[]

beforeEach(async () => {
  folder = join(await mkdtemp(join(tmpdir(), 'forebay-ui-')), 'dist')
  reports = []
  operations = []
  const door = new UiDoor({
    folder,
    session: { mode: 'users', region: 'eu-west-3' },
    onAnswer: ({ operation, status }) => operations.push(`${operation} ${status}`),
    report: (error) => reports.push(error),
  })
  server = createServer((request, response) => void door.serve(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('the server has no port')
  url = `http://127.0.0.1:${address.port}`
})

afterEach(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  await rm(join(folder, '..'), { recursive: true, force: true })
})

async function buildPage(text: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'index.html'), text)
}

test('a console that is not built is said to be so, and is there once it is', async () => {
  const before = await fetch(`${url}/ui/`)
  expect([before.status, await before.text()]).toEqual([503, expect.stringContaining('not built')])
  await buildPage('<p>built</p>')
  expect(await (await fetch(`${url}/ui/`)).text()).toBe('<p>built</p>')
  expect(reports).toEqual([])
  expect(operations).toEqual(['ui 503', 'ui 200'])
})

test('files come from memory: what changes on disk is not seen', async () => {
  await buildPage('first')
  const first = await fetch(`${url}/ui/`)
  await buildPage('second')
  const second = await fetch(`${url}/ui/`)
  expect(await second.text()).toBe(await first.text())
  expect(second.headers.get('etag')).toBe(first.headers.get('etag'))
})

test('a folder that holds more than a console can have is not read into memory', async () => {
  await buildPage('page')
  await writeFile(join(folder, 'large.js'), Buffer.alloc(CONSOLE_BYTES_MAX))
  const { status } = await fetch(`${url}/ui/`)
  expect(status).toBe(500)
  expect(reports).toHaveLength(1)
})

test('what is no kind of file of a console is not served', async () => {
  await buildPage('page')
  await writeFile(join(folder, 'inputs.json'), '{}')
  expect((await fetch(`${url}/ui/inputs.json`)).status).toBe(404)
})

test('whoever asks is told how to sign in, and no cache keeps it', async () => {
  const response = await fetch(`${url}/ui/session.json`)
  expect(response.headers.get('cache-control')).toBe('no-store')
  expect(await response.json()).toEqual({ mode: 'users', region: 'eu-west-3' })
})
