import { expect, test } from 'vitest'
import { isLoopback } from './checks.ts'
import { loadSettings } from './load.ts'
import type { Settings } from './schema.ts'

const GOOD = 'q8Zk2mVx7LpN'

interface User {
  readonly id?: string
  readonly accessKey?: string
  readonly secretKey?: string
}

function users(...given: readonly User[]): string {
  const full = given.map((user, at) => ({
    id: `user${at}`,
    accessKey: `AKUSER${at}`,
    secretKey: `${GOOD}${at}`,
    policy: 'readwrite',
    ...user,
  }))
  return `auth.users=${JSON.stringify(full)}`
}

async function load(
  set: readonly string[],
  files: Readonly<Record<string, string>> = {},
): Promise<Settings> {
  const held = new Map(Object.entries(files))
  const loaded = await loadSettings({
    flags: { set },
    environment: { variables: {}, home: '/home/user' },
    readFile: async (path) => held.get(path),
  })
  return loaded.settings
}

const refusal = (why: string | RegExp): object =>
  expect.objectContaining({ code: 'setting-invalid', message: expect.stringMatching(why) })

test.each(['127.0.0.1', '127.1.2.3', '::1', 'localhost', 'LOCALHOST'])(
  '%s is reached by this machine only',
  (address) => {
    expect(isLoopback(address)).toBe(true)
  },
)

test.each(['0.0.0.0', '::', '10.0.0.1', '127.0.0.1.evil.example', 'example.com', '128.0.0.1'])(
  '%s is reached by others',
  (address) => {
    expect(isLoopback(address)).toBe(false)
  },
)

test.each(['0.0.0.0', '::', '192.168.0.5'])('open mode on %s is refused', async (address) => {
  const listen = `listen=[{"port":1},{"address":"${address}","port":80}]`
  await expect(load([listen])).rejects.toEqual(refusal(/open, but listen\[1\].*--insecure/))
})

test('open mode on every address is allowed when somebody says so', async () => {
  const settings = await load(['listen=[{"address":"::","port":80}]', 'auth.insecure=true'])
  expect(settings.auth.mode).toBe('open')
})

test('users alone close a node that others reach', async () => {
  const settings = await load(['listen=[{"address":"::","port":80}]', users({})])
  expect(settings.auth.mode).toBe('users')
  expect(settings.auth.users[0]).toEqual({
    id: 'user0',
    displayName: undefined,
    accessKey: 'AKUSER0',
    secretKey: `${GOOD}0`,
    policy: 'readwrite',
    buckets: ['*'],
  })
})

test('mode users without users, and mode open with users, are refused', async () => {
  await expect(load(['auth.mode=users'])).rejects.toEqual(refusal(/nobody could use/))
  await expect(load(['auth.mode=open', users({})])).rejects.toEqual(
    refusal(/open, but auth\.users/),
  )
})

test('two users with one access key or one id are refused', async () => {
  await expect(load([users({ accessKey: 'SAME' }, { accessKey: 'SAME' })])).rejects.toEqual(
    refusal(/users\[1\]\.accessKey/),
  )
  await expect(load([users({ id: 'same' }, { id: 'same' })])).rejects.toEqual(
    refusal(/users\[1\]\.id/),
  )
})

test.each([
  ['', /empty/],
  ['seven77', /8\.\.256/],
  ['minioadmin', /well-known/],
  ['MinioAdmin', /well-known/],
  ['password', /well-known/],
  ['testtest', /well-known/],
  ['wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY', /well-known/],
  ['aaaaaaaaaaaa', /different characters/],
])('the secret %j is refused', async (secretKey, why) => {
  await expect(load([users({ secretKey })])).rejects.toEqual(refusal(why))
})

test('an access key that is its own secret is refused, and an empty access key', async () => {
  await expect(load([users({ accessKey: 'AKabcdefgh', secretKey: 'akABCDEFGH' })])).rejects.toEqual(
    refusal(/same as the access key/),
  )
  await expect(load([users({ accessKey: '' })])).rejects.toEqual(refusal(/accessKey/))
})

test('a secret of 8 characters is allowed; weak ones only with auth.insecure', async () => {
  await expect(load([users({ secretKey: 'q8Zk2mVx' })])).resolves.toBeDefined()
  const insecure = [users({ secretKey: 'minioadmin' }), 'auth.insecure=true']
  await expect(load(insecure)).resolves.toBeDefined()
})

test('watermarks stand in order, equal ones allowed', async () => {
  const marks = (...[low, high, out]: readonly number[]): string[] => [
    `space.lowWatermark=${low}`,
    `space.highWatermark=${high}`,
    `space.outOfSpace=${out}`,
  ]
  await expect(load(marks(50, 50, 50))).resolves.toBeDefined()
  await expect(load(marks(2, 3, 99))).resolves.toBeDefined()
  await expect(load(marks(61, 60, 70))).rejects.toEqual(refusal(/lowWatermark \(61\)/))
  await expect(load(marks(50, 71, 70))).rejects.toEqual(refusal(/highWatermark \(71\)/))
  await expect(load(marks(0, 60, 70))).rejects.toEqual(refusal(/out of range/))
  await expect(load(marks(50, 60, 100))).rejects.toEqual(refusal(/out of range/))
})

test('the files of a TLS listener must be there and be PEM', async () => {
  const listen = 'listen=[{"port":1,"tls":{"cert":"/c.pem","key":"/k.pem"}}]'
  const pem = '-----BEGIN CERTIFICATE-----\n'
  const settings = await load([listen], { '/c.pem': pem, '/k.pem': pem })
  expect(settings.listen[0]?.tls).toEqual({ cert: '/c.pem', key: '/k.pem' })
  await expect(load([listen], { '/c.pem': pem })).rejects.toEqual(refusal(/tls\.key.*no file/))
  await expect(load([listen], { '/c.pem': 'x', '/k.pem': pem })).rejects.toEqual(
    refusal(/tls\.cert.*not a PEM/),
  )
  await expect(load(['listen=[{"port":1,"tls":{"cert":"/c.pem"}}]'])).rejects.toEqual(
    refusal(/listen\[0\]\.tls\.key.*missing/),
  )
})
