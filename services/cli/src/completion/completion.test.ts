import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runCli } from '../program.ts'
import { splitLine } from './split-line.ts'

const BUCKETS = [
  { name: 'train', provider: 'aws', aliases: ['pics'], backend: { endpoint: 'http://o' } },
  { name: 'own', provider: 'ais', aliases: [], backend: null },
]

const KEYS = ['a b.bin', 'dir/', 'dir2/', 'odd\nname', 'zoe$1']

let server: ReturnType<typeof createServer>
let endpoint: string
const asked: string[] = []

beforeAll(async () => {
  server = createServer((request, response) => {
    asked.push(request.url ?? '')
    if (request.url?.startsWith('/v1/forebay/buckets') === true) {
      response.end(JSON.stringify(BUCKETS))
      return
    }
    const prefix = new URL(`http://h${request.url}`).searchParams.get('prefix') ?? ''
    const entries = KEYS.filter((key) => key.startsWith(prefix)).map((name) => ({
      name,
      flags: name.endsWith('/') ? 256 : 0,
    }))
    response.end(JSON.stringify({ uuid: 'U', continuation_token: '', entries }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  // Listening on an IP address, a server's address is never a pipe name.
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

afterAll(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

/** The answer to a shell: its kind, and the candidates without their descriptions. */
async function answer(shell: string, ...words: string[]) {
  const out: string[] = []
  const stream = { write: (text: string | Uint8Array) => out.push(String(text)) > 0, once: () => 0 }
  const code = await runCli(['__complete', shell, ...words], {
    environment: { variables: { FOREBAY_ENDPOINT: endpoint }, home: '/nowhere' },
    stdout: stream,
    stderr: { write: () => true, once: () => 0 },
    signal: new AbortController().signal,
  })
  expect(code).toBe(0)
  const [kind, ...lines] = out.join('').trimEnd().split('\n')
  return { kind, values: lines.map((line) => line.split('\t')[0]) }
}

test('commands are completed, and those below them', async () => {
  expect((await answer('zsh', 'doc')).values).toEqual(['doctor'])
  expect((await answer('zsh', '')).values).toContain('bucket')
  expect((await answer('zsh', 'bucket', 's')).values).toEqual(['show', 'set'])
  expect((await answer('zsh', 'completion', '')).values).toEqual(['bash', 'zsh', 'fish'])
})

test('the question itself is no command that one is told of', async () => {
  expect((await answer('zsh', '__')).values).toEqual([])
})

test('options are those of the command and of the program', async () => {
  const { values } = await answer('zsh', 'ls', '--')
  expect(values).toEqual(expect.arrayContaining(['--recursive', '--cached', '--json', '--help']))
  expect(values).not.toContain('--interval')
})

test('an option that wants a file leaves it to the shell, and another one wants nothing', async () => {
  expect((await answer('zsh', 'doctor', '--config', 'x')).kind).toBe('files')
  expect(await answer('zsh', 'bucket', 'add', 's3://b', '--region', '')).toEqual({
    kind: 'words',
    values: [],
  })
})

test('settings and properties are completed up to their value', async () => {
  expect(await answer('zsh', 'doctor', '--set', 'cache.rev')).toEqual({
    kind: 'open',
    values: ['cache.revalidateTtl='],
  })
  expect((await answer('zsh', 'doctor', '--set=cache.rev')).values).toEqual([
    '--set=cache.revalidateTtl=',
  ])
  expect((await answer('zsh', 'config', 'explain', 'cache.rev')).values).toEqual([
    'cache.revalidateTtl',
  ])
  expect((await answer('zsh', 'bucket', 'set', 's3://b', 'stale')).values).toEqual([
    'staleIfError=',
  ])
})

test('buckets are completed with their aliases, open for a key', async () => {
  expect(await answer('zsh', 'ls', '')).toEqual({
    kind: 'open',
    values: ['s3://train/', 'fb://pics/', 'ais://own/'],
  })
  expect((await answer('zsh', 'ls', 's3')).values).toEqual(['s3://train/'])
})

test('where a bucket alone is meant it ends the word', async () => {
  expect(await answer('zsh', 'bucket', 'rm', 'ais')).toEqual({
    kind: 'words',
    values: ['ais://own'],
  })
})

test('names below a prefix are completed, a directory stays open', async () => {
  expect(await answer('zsh', 'get', 's3://train/d')).toEqual({
    kind: 'open',
    values: ['s3://train/dir/', 's3://train/dir2/'],
  })
  expect(await answer('fish', 'get', 's3://train/')).toEqual({
    kind: 'words',
    // A name with a line break in it cannot be completed.
    values: ['s3://train/a b.bin', 's3://train/dir/', 's3://train/dir2/', 's3://train/zoe$1'],
  })
})

test('after the URL of get comes a file', async () => {
  expect((await answer('zsh', 'get', 's3://train/x', '')).kind).toBe('files')
  expect((await answer('zsh', 'put', '')).kind).toBe('files')
  expect((await answer('zsh', 'put', 'f', 'ais')).values).toEqual(['ais://own/'])
})

test('bash gets what follows its last word break, with special characters escaped', async () => {
  expect((await answer('bash', 'forebay ls s3://tr')).values).toEqual(['//train/'])
  expect((await answer('bash', 'forebay ls s3://train/a\\ ')).values).toEqual(['//train/a\\ b.bin'])
  expect((await answer('bash', 'forebay ls s3://train/z')).values).toEqual(['//train/zoe\\$1'])
  expect((await answer('bash', 'forebay ls "s3://train/a')).values).toEqual(['s3://train/a b.bin'])
  expect((await answer('bash', 'forebay doctor --set=log.l')).values).toEqual(['log.level='])
})

test('what bash would act on between quotes is not offered there', async () => {
  expect((await answer('bash', 'forebay ls "s3://train/z')).values).toEqual([])
  expect((await answer('bash', "forebay ls 's3://train/z")).values).toEqual([])
})

test('the endpoint on the line is asked, and one that does not answer has nothing', async () => {
  const before = asked.length
  const silent = await answer('zsh', '--endpoint', 'http://127.0.0.1:1', 'ls', '')
  expect(silent.values).toEqual([])
  expect(asked.length).toBe(before)
})

test.each([
  ['forebay ls s3', ['forebay', 'ls'], 's3'],
  ['forebay ls ', ['forebay', 'ls'], ''],
  ['forebay  "a b" c\\ d', ['forebay', 'a b'], 'c d'],
  ["forebay 'a\\b", ['forebay'], 'a\\b'],
  ['', [], ''],
] as const)('the line <%s> is cut as bash cuts it', (line, before, current) => {
  expect(splitLine(line)).toMatchObject({ before, current })
})
