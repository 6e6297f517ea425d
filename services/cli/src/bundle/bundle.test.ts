import { execFileSync } from 'node:child_process'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { runCli } from '../program.ts'
import { namesOfVariables, scrub } from './scrub.ts'
import { packTar } from './tar.ts'

let folder: string
let server: ReturnType<typeof createServer>
let endpoint: string
let answers: Readonly<Record<string, string>>

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'forebay-bundle-'))
  answers = {}
  server = createServer((request, response) => {
    const text = answers[request.url ?? '']
    response.statusCode = text === undefined ? 403 : 200
    response.end(text ?? '{"message":"not for you","code":"access-denied"}')
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

/** Runs the command and returns what tar finds in the file. */
async function bundle(variables: Readonly<Record<string, string>>, ...flags: string[]) {
  const path = join(folder, 'out.tar.gz')
  const out: string[] = []
  const stream = { write: (text: string | Uint8Array) => out.push(String(text)) > 0, once: () => 0 }
  const code = await runCli(['--json', 'debug', 'bundle', '--output', path, ...flags], {
    environment: { variables: { FOREBAY_ENDPOINT: endpoint, ...variables }, home: folder },
    stdout: stream,
    stderr: stream,
    signal: new AbortController().signal,
  })
  if (code !== 0) return { code, out: out.join(''), path, names: [], read: () => '' }
  const names = execFileSync('tar', ['tzf', path], { encoding: 'utf8' }).trim().split('\n')
  const read = (name: string): string =>
    execFileSync('tar', ['xzOf', path, '--wildcards', `*/${name}`], { encoding: 'utf8' })
  return { code, out: out.join(''), path, names, read }
}

const PLANTED = 'planted-4f9c2e'

/** Every sort of secret that may stand somewhere, each with the planted word in it. */
const SECRETS = {
  AWS_ACCESS_KEY_ID: `AKIA${PLANTED}`,
  AWS_SECRET_ACCESS_KEY: `aws/${PLANTED}+`,
  AWS_SESSION_TOKEN: `session-${PLANTED}`,
  AZURE_STORAGE_CONNECTION_STRING: `AccountName=a;AccountKey=${PLANTED}==`,
  AZURE_CLIENT_SECRET: `azure-${PLANTED}`,
  FOREBAY_SECRET_KEY: `client-${PLANTED}`,
  AIS_AUTHN_TOKEN: `ais-${PLANTED}`,
}

test('no planted secret of environment, settings, log or answers is in the bundle', async () => {
  const config = join(folder, 'config.json')
  const user = { id: 'u', accessKey: 'AKUSER', secretKey: `user-${PLANTED}`, policy: 'admin' }
  await writeFile(
    config,
    JSON.stringify({
      auth: { users: [user] },
      metrics: { token: `metrics-${PLANTED}` },
      backends: { aws: { endpoint: 'http://127.0.0.1:1' } },
    }),
  )
  const log = [
    `{"url":"http://o/b/k?X-Amz-Signature=${PLANTED}&X-Amz-Credential=${PLANTED}"}`,
    `{"url":"https://a.blob.core.windows.net/c?sv=1&sig=${PLANTED}"}`,
    `{"url":"http://somebody:${PLANTED}@proxy:3128/"}`,
    `{"authorization":"Bearer ${PLANTED}","secretKey":"${PLANTED}"}`,
    `{"err":"refused ${SECRETS.AWS_SECRET_ACCESS_KEY} and user-${PLANTED}"}`,
  ]
  answers = {
    '/v1/forebay/status': `{"version":"1","note":"${SECRETS.AWS_SESSION_TOKEN}"}`,
    '/v1/forebay/config': `[{"key":"x","value":"metrics-${PLANTED}","origin":"file"}]`,
    '/v1/forebay/buckets': '[]',
    '/v1/forebay/log': JSON.stringify({ lines: log }),
    '/metrics': `forebay_build_info{node="${encodeURIComponent(SECRETS.AWS_SECRET_ACCESS_KEY)}"} 1\n`,
  }
  const { code, names, read, path, out } = await bundle(SECRETS, '--config', config)
  expect([code, out.includes(PLANTED)]).toEqual([0, false])
  const everything = execFileSync('tar', ['xzOf', path], { encoding: 'utf8' })
  expect(everything).not.toContain(PLANTED)
  expect(names.map((name) => name.split('/')[1])).toEqual([
    'versions.json',
    'variables.json',
    'settings.json',
    'doctor.json',
    'node-status.json',
    'node-settings.json',
    'node-buckets.json',
    'node-metrics.txt',
    'node-log.jsonl',
  ])
  // What is of use is still there.
  expect(read('settings.json')).toContain('"key": "cache.revalidateTtl"')
  expect(read('settings.json')).toContain(`file ${config}`)
  expect(read('node-log.jsonl').split('\n').length).toBe(log.length + 1)
  expect(JSON.parse(read('variables.json'))).toContain('AWS_SECRET_ACCESS_KEY')
  expect(read('doctor.json')).toContain('environment AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY')
  expect((await stat(path)).mode & 0o777).toBe(0o600)
})

test('what a node does not answer is named, and the rest is there', async () => {
  const { names, read } = await bundle({ FOREBAY_LISTEN: 'nonsense' })
  expect(names.map((name) => name.split('/')[1])).toEqual([
    'versions.json',
    'variables.json',
    'doctor.json',
    'errors.txt',
  ])
  const errors = read('errors.txt')
  expect(errors).toContain('settings.json: forebay: bad value for listen')
  expect(errors).toContain('node-log.jsonl: forebay: not for you')
})

test('a file that is there already is left alone', async () => {
  await writeFile(join(folder, 'out.tar.gz'), 'mine')
  const { code, out } = await bundle({})
  expect(code).toBe(1)
  expect(out).toContain('EEXIST')
  expect(await readFile(join(folder, 'out.tar.gz'), 'utf8')).toBe('mine')
})

test('names of variables are told where they matter, and never their values', () => {
  const variables = { AWS_REGION: 'eu', PATH: '/bin', HTTP_PROXY: 'http://u:p@h', EMPTY: '' }
  expect(namesOfVariables({ variables, home: '/' })).toEqual(['AWS_REGION', 'HTTP_PROXY'])
})

test.each([
  ['{"key":"cache.capacity","value":"1"}'],
  ['http://127.0.0.1:8080/a@b'],
  ['forebay_cache_reads_total{bucket="aws://b",status="hit"} 3'],
  ['{"etag":"abc","token_count":3}'],
])('the harmless text %s stays as it is', (text) => {
  expect(scrub(text)).toBe(text)
})

test('an archive of files of all lengths around a block is read back by tar', async () => {
  const lengths = [0, 1, 511, 512, 513, 1024]
  const entries = lengths.map((length) => ({ name: `d/${length}`, text: 'é'.repeat(length) }))
  const path = join(folder, 'lengths.tar')
  await writeFile(path, packTar(entries, Date.UTC(2026, 0, 1)))
  for (const { name, text } of entries) {
    expect(execFileSync('tar', ['xOf', path, name], { encoding: 'utf8' })).toBe(text)
  }
  expect(() => packTar([{ name: 'x'.repeat(101), text: '' }], 0)).toThrow(RangeError)
})
