import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { runCli } from './program.ts'

interface Outcome {
  readonly code: number
  readonly out: string
  readonly err: string
}

interface Seen {
  readonly line: string
  readonly body: string
}

let folder: string
let seen: Seen[]
let answer: (request: IncomingMessage, response: ServerResponse) => void
let server: ReturnType<typeof createServer>
let endpoint: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'forebay-cli-'))
  seen = []
  answer = (_request, response) => void response.end()
  server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    seen.push({
      line: `${request.method} ${request.url}`,
      body: Buffer.concat(chunks).toString(),
    })
    answer(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  // Listening on an IP address, a server's address is never a pipe name.
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

afterEach(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  await rm(folder, { recursive: true })
})

async function forebay(...args: string[]): Promise<Outcome> {
  const out: Uint8Array[] = []
  const err: Uint8Array[] = []
  const output = (chunks: Uint8Array[]) => ({
    write: (text: string | Uint8Array): boolean => chunks.push(Buffer.from(text)) > 0,
    once: () => undefined,
  })
  const code = await runCli(args, {
    environment: { variables: { FOREBAY_ENDPOINT: endpoint }, home: folder },
    stdout: output(out),
    stderr: output(err),
    signal: new AbortController().signal,
  })
  return { code, out: Buffer.concat(out).toString(), err: Buffer.concat(err).toString() }
}

test('help names every command, the URLs and the exit codes', async () => {
  const { code, out } = await forebay('--help')
  expect(code).toBe(0)
  for (const word of ['up', 'status', 'bucket', 'explain', 's3://bucket/key', 'Exit codes:']) {
    expect(out).toContain(word)
  }
  const set = await forebay('bucket', 'set', '--help')
  expect(set.out).toContain('revalidate: ')
  expect(seen).toEqual([])
})

test('a command line that is wrong exits 2 and asks nobody', async () => {
  for (const args of [
    ['nonsense'],
    ['get'],
    ['get', 's3://b'],
    ['get', 'b/k'],
    ['get', 's3://b/k', 'f', '--range', 'x'],
    ['rm', '-r', 's3://b/p'],
    ['bucket', 'set', 's3://b', 'colour=red'],
    ['bucket', 'add', 'ais://b'],
    ['bucket', 'show', 's3://b/k'],
    ['ls', '--no-such-flag'],
    ['top', '--interval', 'soon'],
    ['top', '--interval', '99ms'],
    ['top', '--egress-price', 'much'],
    ['completion', 'tcsh'],
  ]) {
    const { code, err } = await forebay(...args)
    expect([args, code]).toEqual([args, 2])
    expect(err).not.toBe('')
  }
  expect(seen).toEqual([])
})

test('bucket add sends name, alias and where the store is', async () => {
  const { code, err } = await forebay(
    ...['bucket', 'add', 's3://data', '--as', 'pics', '--origin-endpoint', 'http://o:9000'],
    ...['--region', 'eu-1', '--profile', 'p'],
  )
  expect([code, err]).toEqual([0, 's3://data: added\n'])
  expect(seen[0]?.line).toBe('POST /v1/buckets/data?provider=aws')
  expect(JSON.parse(seen[0]?.body ?? '')).toEqual({
    action: 'create-bck',
    name: '',
    value: {
      extra: { aws: { cloud_region: 'eu-1', endpoint: 'http://o:9000', profile: 'p' } },
      forebay: { aliases: ['pics'] },
    },
  })
})

test('properties are sent by name; an empty value goes back to the default', async () => {
  await forebay('bucket', 'set', 's3://data', 'revalidate=after 1h', 'cache=', 'aliases=a,b')
  expect(JSON.parse(seen[0]?.body ?? '')).toMatchObject({
    action: 'set-bprops',
    value: { forebay: { revalidate: 'after 1h', cache: null, aliases: ['a', 'b'] } },
  })
})

test('get writes a file that appears whole, named as the key ends', async () => {
  answer = (_request, response) =>
    response
      .writeHead(200, {
        'Content-Length': '11',
        'Ais-Checksum-Type': 'xxhash2',
        'Ais-Checksum-Value': '45ab6734b21e6968',
        'Forebay-Cache': 'miss',
      })
      .end('hello world')
  const { code, err } = await forebay('get', 'ais://b/dir/o.txt', folder)
  expect([code, err]).toEqual([0, `ais://b/dir/o.txt -> ${folder}/o.txt: 11 B, miss\n`])
  expect(await readFile(join(folder, 'o.txt'), 'utf8')).toBe('hello world')
  expect(await readdir(folder)).toEqual(['o.txt'])
})

test('bytes of another checksum and bodies that break off leave no file', async () => {
  answer = (_request, response) =>
    response
      .writeHead(200, {
        'Content-Length': '11',
        'Ais-Checksum-Type': 'xxhash2',
        'Ais-Checksum-Value': '45ab6734b21e6969',
      })
      .end('hello world')
  const damaged = await forebay('get', 'ais://b/o', join(folder, 'o'))
  expect(damaged.code).toBe(1)
  expect(damaged.err).toContain('arrived damaged')
  answer = (_request, response) => {
    response.writeHead(200, { 'Content-Length': '100' }).write('hello')
    setTimeout(() => response.destroy(), 20)
  }
  const cut = await forebay('get', 'ais://b/o', join(folder, 'o'))
  expect(cut.code).toBe(1)
  expect(cut.err).toContain('broke off before its end')
  expect(await readdir(folder)).toEqual([])
})

test('put sends a file under its own name below a URL that ends in a slash', async () => {
  await writeFile(join(folder, 'f.bin'), 'abc')
  const { code, out } = await forebay('--json', 'put', join(folder, 'f.bin'), 's3://b/dir/')
  expect([code, JSON.parse(out)]).toEqual([0, { url: 's3://b/dir/f.bin', bytes: 3 }])
  expect(seen).toEqual([{ line: 'PUT /v1/objects/b/dir/f.bin?provider=aws', body: 'abc' }])
})

test('rm -r deletes what is listed and goes on after a failure, which it tells', async () => {
  answer = (request, response) => {
    if (request.method === 'GET') {
      response.end('{"uuid":"U","continuation_token":"","entries":[{"name":"a"},{"name":"b"}]}')
    } else if (request.url?.includes('/a') === true) {
      response.writeHead(503).end('{"message":"not now","code":"slow-down"}')
    } else response.end()
  }
  const { code, err } = await forebay('rm', '-r', '--yes', 's3://bk/')
  expect(code).toBe(1)
  expect(err).toContain('s3://bk/b: deleted')
  expect(err).toContain('not now')
})

test('what a server refuses is told on standard error, as JSON where that is asked for', async () => {
  answer = (_request, response) =>
    response
      .writeHead(404)
      .end('{"message":"bucket \\"ais://b\\" does not exist","code":"bucket-not-found"}')
  const told = await forebay('ls', 'ais://b', '--json')
  expect([told.code, told.out]).toEqual([3, ''])
  expect(JSON.parse(told.err)).toMatchObject({ error: { code: 'bucket-not-found', status: 404 } })
})

test('the settings of this machine are shown with their origins', async () => {
  const { code, out } = await forebay('config', 'show', '--origin')
  expect(code).toBe(0)
  expect(out).toMatch(/^SETTING +VALUE +ORIGIN\n/)
  expect(out).toMatch(/^auth\.mode +open +default$/m)
  expect(out).toContain(`${folder}/.local/state/forebay`)
})

test('config explain tells what a setting or a group means, and proposes for a misspelt one', async () => {
  const one = await forebay('config', 'explain', 'cache.revalidateTtl')
  expect(one.out).toMatch(/^cache\.revalidateTtl\n.*\n {2}type +duration\n {2}default +5m\n/)
  expect(one.out).toContain('FOREBAY_CACHE__REVALIDATE_TTL')
  const group = await forebay('--json', 'config', 'explain', 'shutdown')
  const keys = group.out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).key)
  expect(keys).toEqual(['shutdown.drainTimeout', 'shutdown.closeTimeout'])
  const wrong = await forebay('config', 'explain', 'cache.revalidateTtI')
  expect([wrong.code, wrong.err]).toEqual([
    2,
    expect.stringContaining('Did you mean cache.revalidateTtl?'),
  ])
})

const PINNED = [{ prefix: 'val/', until: '2999-01-01T00:00:00.000Z' }]

/** A node with one bucket; it takes whatever is set. */
function answerBucket(properties: object, more: object = {}): void {
  const bucket = {
    ...{ name: 'train', provider: 'aws', created: '2026-01-01T00:00:00Z', aliases: [] },
    backend: { provider: 'aws', bucket: 'train' },
    properties,
    space: { objectCount: 3, usedBytes: 5 * 1024 ** 3, reservedBytes: 0 },
    ...more,
  }
  answer = (request, response) =>
    void response.end(request.method === 'GET' ? JSON.stringify([bucket]) : '')
}

const pinsSet = (): unknown => JSON.parse(seen.at(-1)?.body ?? '').value.forebay.pins

test('a bucket is shown with what it takes of its quota', async () => {
  answerBucket({ quota: '10GiB' })
  const { out } = await forebay('bucket', 'show', 's3://train')
  expect(out).toMatch(/^used +5\.00 GiB in 3 objects, 50\.0 % of the quota$/m)
})

test('a bucket is shown with the age of its inventory, and when the next one comes', async () => {
  const asOf = new Date(Date.now() - 7_500_000).toISOString()
  const inventory = { objects: 1_000_000, changedKeys: 12, asOf, usable: true }
  answerBucket({}, { inventory: { ...inventory, nextRefresh: '2999-01-01T06:00:00.000Z' } })
  const { out } = await forebay('bucket', 'show', 's3://train')
  expect(out).toMatch(/^inventory +1,000,000 objects, 2h 5m old$/m)
  expect(out).toMatch(/^ +changed since +12 keys$/m)
  expect(out).toMatch(/^ +next +2999-01-01 06:00:00$/m)
  answerBucket({}, { inventory: { ...inventory, usable: false } })
  const old = (await forebay('bucket', 'show', 's3://train')).out
  expect(old).toMatch(/2h 5m old; not used: it is too old, or too much changed$/m)
  expect(old).toMatch(/next +no schedule makes one$/m)
  answerBucket({})
  expect((await forebay('bucket', 'show', 's3://train')).out).not.toContain('inventory')
})

test('a pin is added to those that are there, for ever or until a time', async () => {
  answerBucket({ pins: [...PINNED, { prefix: 'old/', until: '2020-01-01T00:00:00.000Z' }] })
  expect((await forebay('pin', 's3://train/hot/')).err).toContain('pinned for ever')
  expect(pinsSet()).toEqual([...PINNED, { prefix: 'hot/' }])
  await forebay('pin', 's3://train', '--until', '2998-12-01')
  expect(pinsSet()).toEqual([...PINNED, { prefix: '', until: '2998-12-01T00:00:00.000Z' }])
  await forebay('pin', 's3://train/val/', '--until', '7d')
  expect(pinsSet()).toEqual([{ prefix: 'val/', until: expect.stringMatching(/^20\d\d-/) }])
})

test('a pin is taken away, and one that is not there is an error of usage', async () => {
  answerBucket({ pins: PINNED })
  expect((await forebay('unpin', 's3://train/val/')).code).toBe(0)
  expect(pinsSet()).toBe('none')
  expect(await forebay('unpin', 's3://train/v')).toMatchObject({ code: 2 })
  expect(await forebay('pin', 's3://train/v', '--until', 'soon')).toMatchObject({ code: 2 })
})

test('pins are listed with their time', async () => {
  answerBucket({ pins: [...PINNED, { prefix: 'old/', until: '2020-01-01T00:00:00.000Z' }] })
  const { out } = await forebay('pins')
  expect(out).toContain('s3://train/val/')
  expect(out).toMatch(/until 2999-01-01 00:00:00\n/)
  expect(out).toMatch(/lapsed at 2020-01-01 00:00:00\n/)
  const json = await forebay('--json', 'pins', 's3://train')
  expect(JSON.parse(json.out.split('\n')[0] ?? '')).toEqual({
    url: 's3://train/val/',
    until: PINNED[0]?.until,
  })
})
