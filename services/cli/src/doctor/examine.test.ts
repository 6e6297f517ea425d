import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { examine } from './examine.ts'
import { type Finding, worstLevel } from './finding.ts'
import { type DirectoryFacts, type Machine, systemMachine } from './machine.ts'
import type { Origin } from './origins.ts'

const GIB = 1024 ** 3

const DISK: DirectoryFacts = {
  isDirectory: true,
  writable: true,
  device: 1,
  fileSystem: 'ext4',
  rotational: false,
  totalBytes: 100 * GIB,
  freeBytes: 50 * GIB,
  freeFiles: 1_000_000,
}

/** A machine on which everything is well. */
const SOUND: Machine = {
  nodeVersion: '26.10.0',
  platform: 'linux',
  architecture: 'x64',
  processors: 4,
  memoryBytes: 8 * GIB,
  openFilesLimit: 1_000_000,
  now: () => Date.UTC(2027, 0, 1),
  sendfileWorks: async () => true,
  look: async () => DISK,
  tryPort: async () => ({ free: true }),
  ask: async () => ({
    kind: 'answered',
    status: 403,
    headers: new Headers({ date: new Date().toUTCString() }),
    askedAtMs: Date.now(),
    tookMs: 1,
  }),
  lookAtRedis: async () => ({ kind: 'silent', where: 'redis://a:1', reason: 'ECONNREFUSED' }),
  readText: async () => undefined,
}

interface Situation {
  readonly machine?: Partial<Machine>
  readonly variables?: Readonly<Record<string, string>>
  readonly set?: readonly string[]
  readonly origins?: readonly Origin[]
  readonly readFile?: (path: string) => Promise<string | undefined>
}

function look(situation: Situation) {
  const { machine, variables = {}, set = [], origins = [] } = situation
  return examine({
    machine: { ...SOUND, ...machine },
    environment: { variables, home: '/home/somebody' },
    flags: { set },
    readFile: situation.readFile ?? (async () => undefined),
    bucketOrigins: async () => origins,
    signal: new AbortController().signal,
  })
}

/** The findings that ask for something. */
async function complaints(situation: Situation): Promise<readonly Finding[]> {
  const findings = await look(situation)
  return findings.filter(({ level }) => level === 'warning' || level === 'problem')
}

test('a sound machine has nothing to complain of', async () => {
  const findings = await look({})
  expect(worstLevel(findings)).toBe('note')
  const checks = new Set(findings.map(({ check }) => check))
  expect([...checks]).toEqual(['node', 'settings', 'limits', 'port', 'disk', 'credentials'])
})

const UNSOUND: readonly (readonly [string, Situation, Finding['level'], RegExp])[] = [
  ['an old Node', { machine: { nodeVersion: '25.9.0' } }, 'problem', /Node 26 is needed/],
  ['another system', { machine: { platform: 'darwin' } }, 'warning', /not tested/],
  ['few open files', { machine: { openFilesLimit: 4096 } }, 'warning', /connectionsMax.*1024/],
  ['little memory', { machine: { memoryBytes: 128 * 1024 ** 2 } }, 'warning', /128 MiB/],
  [
    'a port of root',
    { machine: { tryPort: async () => ({ free: false, code: 'EACCES' }) } },
    'problem',
    /not for this user/,
  ],
  [
    'an address of somebody else',
    { machine: { tryPort: async () => ({ free: false, code: 'EADDRNOTAVAIL' }) } },
    'problem',
    /EADDRNOTAVAIL/,
  ],
  [
    'a port that another program has',
    { machine: { tryPort: async () => ({ free: false, code: 'EADDRINUSE' }) } },
    'problem',
    /taken by another program/,
  ],
  [
    'everybody may come in',
    { set: ['auth.insecure=true', 'listen=[{"address":"0.0.0.0","port":1}]'] },
    'warning',
    /may read, write and delete/,
  ],
  [
    'a directory of another user',
    { machine: { look: async () => ({ ...DISK, writable: false }) }, set: ['mountpaths=["/a"]'] },
    'problem',
    /not writable/,
  ],
  [
    'a file where a directory should be',
    { machine: { look: async () => ({ ...DISK, isDirectory: false }) } },
    'problem',
    /cannot be a directory/,
  ],
  [
    'a full disk',
    { machine: { look: async () => ({ ...DISK, freeBytes: 0 }) } },
    'problem',
    /is full/,
  ],
  [
    'a capacity beyond the disk',
    { set: ['space.capacity=200GiB'] },
    'warning',
    /space.capacity is 200 GiB/,
  ],
  ['two mountpaths on one disk', { set: ['mountpaths=["/a","/b"]'] }, 'warning', /\/a, \/b share/],
  ['a bad setting', { set: ['cache.revalidateTtl=soon'] }, 'problem', /revalidateTtl.*soon/],
]

test.each(UNSOUND)('%s is told, with what to do', async (...row) => {
  const [, situation, level, message] = row
  const found = (await complaints(situation)).find((finding) => message.test(finding.message))
  expect(found).toMatchObject({ level, todo: expect.stringMatching(/\w/) })
})

test.each(['tmpfs', 'nfs', 'overlayfs'])('a disk of sort %s is warned of', async (fileSystem) => {
  const found = await complaints({ machine: { look: async () => ({ ...DISK, fileSystem }) } })
  expect(found.map(({ level }) => level)).toContain('warning')
  expect(found[0]?.message).toContain(fileSystem)
})

test('one byte under the least free space is warned of, the least is not', async () => {
  const withFree = (freeBytes: number) =>
    complaints({ machine: { look: async () => ({ ...DISK, freeBytes }) } })
  expect(await withFree(GIB)).toEqual([])
  expect(await withFree(GIB - 1)).not.toEqual([])
})

test('a directory that is not there yet is judged by the one in which it will be made', async () => {
  const asked: string[] = []
  const machine = {
    look: async (path: string) => {
      asked.push(path)
      return path === '/' ? DISK : undefined
    },
  }
  expect(await complaints({ machine, set: ['dataDir=/x/y', 'mountpaths=["/x/y"]'] })).toEqual([])
  expect(asked.slice(0, 3)).toEqual(['/x/y', '/x', '/'])
})

test('a port that a running node has is no complaint', async () => {
  const machine: Partial<Machine> = {
    tryPort: async () => ({ free: false, code: 'EADDRINUSE' }),
    ask: async (url) => ({
      kind: 'answered',
      status: 200,
      headers: new Headers(url.endsWith('/v1/health') ? { 'Ais-Node-Uptime': '1' } : {}),
      askedAtMs: 0,
      tookMs: 1,
    }),
  }
  expect(await complaints({ machine })).toEqual([])
})

const MINUTE_MS = 60_000

test.each([
  [0, undefined],
  [29_000, undefined],
  [31_000, 'warning'],
  [-31_000, 'warning'],
  [9 * MINUTE_MS, 'warning'],
  [11 * MINUTE_MS, 'problem'],
] as const)('a clock %d ms off is judged as %s', async (offMs, level) => {
  const nowMs = Date.UTC(2026, 0, 1)
  const machine: Partial<Machine> = {
    ask: async () => ({
      kind: 'answered',
      status: 200,
      headers: new Headers({ date: new Date(nowMs).toUTCString() }),
      askedAtMs: nowMs + offMs,
      tookMs: 1,
    }),
  }
  const found = await complaints({ machine, set: ['backends.aws.endpoint=http://192.0.2.1'] })
  expect(found.map((finding) => [finding.check, finding.level])).toEqual(
    level === undefined ? [] : [['clock', level]],
  )
})

test('origins of the settings and of buckets are asked, each address once', async () => {
  const asked: string[] = []
  const machine: Partial<Machine> = {
    ask: async (url) => {
      asked.push(url)
      return { kind: 'silent', reason: 'ECONNREFUSED' }
    },
  }
  const origin = (name: string, url: string): Origin => ({ name, url, stated: true })
  const found = await complaints({
    machine,
    set: ['backends.aws.endpoint=http://192.0.2.1:9000'],
    origins: [origin('bucket a', 'http://192.0.2.2'), origin('bucket b', 'http://192.0.2.2')],
  })
  expect(asked).toEqual(['http://192.0.2.1:9000', 'http://192.0.2.2'])
  expect(found.map(({ level, message }) => [level, message])).toEqual([
    ['problem', 'backends.aws: http://192.0.2.1:9000 does not answer: ECONNREFUSED'],
    ['problem', 'bucket a: http://192.0.2.2 does not answer: ECONNREFUSED'],
  ])
})

test('an origin that is this node itself is a problem, and is not asked', async () => {
  const machine: Partial<Machine> = { ask: () => Promise.reject(new Error('asked')) }
  const found = await complaints({
    machine,
    set: ['backends.aws.endpoint=http://127.0.0.1:8080'],
  })
  expect(found.map(({ message }) => message)).toEqual([expect.stringContaining('this node itself')])
})

test('AWS_ENDPOINT_URL is warned of unless it is this node, or the setting says it too', async () => {
  const warn = (url: string, set: readonly string[] = []) =>
    complaints({ variables: { AWS_ENDPOINT_URL: url }, set })
  expect((await warn('http://192.0.2.1:9000')).map(({ todo }) => todo)).toEqual([
    expect.stringContaining('FOREBAY_BACKENDS__AWS__ENDPOINT=http://192.0.2.1:9000'),
  ])
  expect(await warn('http://127.0.0.1:8080')).toEqual([])
  expect(await warn('http://192.0.2.1', ['backends.aws.endpoint=http://192.0.2.1'])).toEqual([])
})

const FILES: Readonly<Record<string, string>> = {
  '/home/somebody/.aws/credentials':
    '[default]\naws_access_key_id = PLANTED-ID\naws_secret_access_key = PLANTED-SECRET\n[half]\naws_access_key_id=PLANTED-ID\n',
  '/home/somebody/.aws/config': '[profile work]\nsso_session = corp\nregion = eu-central-1\n',
  '/keys/good.json': '{"type":"service_account","private_key":"PLANTED-SECRET"}',
  '/keys/bad.json': 'PLANTED-SECRET',
}

async function credentials(
  variables: Readonly<Record<string, string>>,
  set: readonly string[] = [],
): Promise<readonly string[]> {
  const machine = { readText: async (path: string) => FILES[path] }
  const findings = await look({ variables, set, machine })
  expect(JSON.stringify(findings)).not.toContain('PLANTED')
  return findings
    .filter(({ check }) => check === 'credentials')
    .map(({ level, message }) => `${level} ${message}`)
}

test('credentials are told by their source, never by value', async () => {
  const found = await credentials({
    AWS_ACCESS_KEY_ID: 'PLANTED-ID',
    AWS_SECRET_ACCESS_KEY: 'PLANTED-SECRET',
    GOOGLE_APPLICATION_CREDENTIALS: '/keys/good.json',
    AZURE_STORAGE_ACCOUNT: 'account',
    AZURE_STORAGE_KEY: 'PLANTED-SECRET',
  })
  expect(found).toEqual([
    'ok aws: environment AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY',
    'ok aws: profile "default" of /home/somebody/.aws/credentials (keys) (only when those above are not taken)',
    'ok gcs: environment GOOGLE_APPLICATION_CREDENTIALS (/keys/good.json)',
    'ok azure: environment AZURE_STORAGE_KEY',
  ])
})

test('a profile is found in either file, and one that is nowhere is a problem', async () => {
  expect((await credentials({ AWS_PROFILE: 'work' }))[0]).toContain('/.aws/config (single sign-on)')
  expect((await credentials({ AWS_PROFILE: 'gone' })).join()).toContain(
    'problem aws: profile "gone"',
  )
  const stated = await credentials(
    { AWS_ACCESS_KEY_ID: 'PLANTED-ID', AWS_SECRET_ACCESS_KEY: 'PLANTED-SECRET' },
    ['backends.aws.profile=work'],
  )
  expect(stated[0]).toContain('profile "work"')
})

test('credentials in the settings are told by the setting', async () => {
  const found = await credentials({}, [
    'backends.azure.account=account',
    'backends.azure.key=PLANTED-SECRET',
    'backends.gcp.credentialsFile=/keys/good.json',
  ])
  expect(found).toContain('ok azure: setting backends.azure.key')
  const joined = await credentials({}, [
    'backends.azure.connectionString=AccountName=a;AccountKey=UExBTlRFRA==',
  ])
  expect(joined).toContain('ok azure: setting backends.azure.connectionString')
  expect(found).toContain('ok gcs: setting backends.gcp.credentialsFile (/keys/good.json)')
})

test('a vendor is asked only by who has credentials for it, and silence is no complaint', async () => {
  const asked: string[] = []
  const machine: Partial<Machine> = {
    ask: async (url) => {
      asked.push(url)
      return { kind: 'silent', reason: 'ENOTFOUND' }
    },
  }
  expect(await complaints({ machine })).toEqual([])
  expect(asked).toEqual([])
  const variables = {
    AWS_ACCESS_KEY_ID: 'PLANTED-ID',
    AWS_SECRET_ACCESS_KEY: 'PLANTED-SECRET',
    AWS_REGION: 'eu-west-1',
    AZURE_STORAGE_ACCOUNT: 'account',
    AZURE_STORAGE_KEY: 'PLANTED-SECRET',
  }
  expect(await complaints({ machine, variables })).toEqual([])
  expect(asked).toEqual([
    'https://s3.eu-west-1.amazonaws.com',
    'https://account.blob.core.windows.net',
  ])
})

test.each([
  [{ AWS_ACCESS_KEY_ID: 'PLANTED-ID' }, 'AWS_SECRET_ACCESS_KEY is not set'],
  [{ AWS_PROFILE: 'half' }, 'aws_secret_access_key is not there'],
  [{ GOOGLE_APPLICATION_CREDENTIALS: '/keys/bad.json' }, 'is not JSON'],
  [{ GOOGLE_APPLICATION_CREDENTIALS: '/keys/gone.json' }, 'cannot be read'],
  [{ AZURE_STORAGE_KEY: 'PLANTED-SECRET' }, 'AZURE_STORAGE_ACCOUNT is set'],
  [{ AZURE_CLIENT_SECRET: 'PLANTED-SECRET', AZURE_CLIENT_ID: 'i' }, 'AZURE_TENANT_ID is not set'],
])('half of what a source needs is warned of: %o', async (variables, lacks) => {
  expect((await credentials(variables)).join('\n')).toMatch(new RegExp(`warning .*${lacks}`))
})

/** Of `localhost`, valid from 2026-11-21 to 2126-10-28. */
const PEM_FOLDER = join(import.meta.dirname, '../../../target/src/bodies/fixtures')
const CERT = join(PEM_FOLDER, 'localhost-cert.pem')
const KEY = join(PEM_FOLDER, 'localhost-key.pem')
const END_MS = Date.UTC(2126, 9, 28, 5, 7, 59)
const DAY_MS = 86_400_000

/** What is said of the certificate of a listener. */
async function certificate(tls: { cert: string; key: string }, machine: Partial<Machine> = {}) {
  const listen = JSON.stringify([{ address: '127.0.0.1', port: 1, tls }])
  const findings = await look({
    set: [`listen=${listen}`],
    machine: { readText: systemMachine.readText, ...machine },
    readFile: systemMachine.readText,
  })
  return findings.filter(({ check }) => check === 'certificate')
}

test.each([
  [Date.UTC(2026, 10, 20), 'problem', 'is not valid yet'],
  [Date.UTC(2027, 0, 1), 'ok', 'is valid until 2126-10-28'],
  [END_MS - 14 * DAY_MS, 'ok', 'is valid until'],
  [END_MS - 14 * DAY_MS + 1, 'warning', 'in 13 days'],
  [END_MS, 'warning', 'in 0 days'],
  [END_MS + 1, 'problem', 'ended on 2126-10-28'],
] as const)('at %d a certificate is judged: %s, %s', async (nowMs, level, message) => {
  expect(await certificate({ cert: CERT, key: KEY }, { now: () => nowMs })).toMatchObject([
    { level, message: expect.stringContaining(message) },
  ])
})

test('a key of another certificate, or what is no key, is a problem', async () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const other = join(folder, 'other.pem')
  await writeFile(other, privateKey.export({ type: 'pkcs8', format: 'pem' }))
  expect(await certificate({ cert: CERT, key: other })).toMatchObject([
    { level: 'problem', message: expect.stringContaining('is not the key of') },
  ])
  expect(await certificate({ cert: CERT, key: CERT })).toMatchObject([
    { level: 'problem', message: expect.stringContaining('in PEM') },
  ])
  const unreadable = { readText: async () => undefined }
  expect(await certificate({ cert: CERT, key: KEY }, unreadable)).toMatchObject([
    { level: 'problem', message: `${CERT} cannot be read` },
  ])
})

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'forebay-doctor-'))
})

afterEach(() => rm(folder, { recursive: true }))

test('the machine itself tells of directories, ports and answers', async () => {
  expect(await systemMachine.look(join(folder, 'gone'))).toBeUndefined()
  const facts = await systemMachine.look(folder)
  expect(facts).toMatchObject({ isDirectory: true, writable: true })
  expect(facts?.totalBytes).toBeGreaterThan(0)
  await writeFile(join(folder, 'file'), '')
  expect(await systemMachine.look(join(folder, 'file', 'below'))).toBeUndefined()

  const server = createServer((_request, response) => response.writeHead(403).end())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // It listens on an IP address.
  const signal = AbortSignal.timeout(10_000)
  expect(await systemMachine.tryPort('127.0.0.1', port)).toEqual({
    free: false,
    code: 'EADDRINUSE',
  })
  expect(await systemMachine.ask(`http://127.0.0.1:${port}/`, signal)).toMatchObject({
    kind: 'answered',
    status: 403,
  })
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  expect(await systemMachine.tryPort('127.0.0.1', port)).toEqual({ free: true })
  expect(await systemMachine.ask(`http://127.0.0.1:${port}/`, signal)).toEqual({
    kind: 'silent',
    reason: 'ECONNREFUSED',
  })
})
