import { expect, test } from 'vitest'
import { describeSchema, describeSettings, secretsOf } from './describe.ts'
import { OTHER_VARIABLES } from './environment.ts'
import { SETTING_KEYS, variableOf } from './keys.ts'
import { loadSettings } from './load.ts'

const SECRET = 'q8Zk2mVx7LpN'
const TOKEN = 'scrape-token-1'

const loaded = await loadSettings({
  flags: {
    set: [
      `auth.users=[{"id":"a","accessKey":"abc","secretKey":"${SECRET}","policy":"admin"}]`,
      `metrics.token=${TOKEN}`,
      'space.capacity=10GiB',
    ],
  },
  environment: { variables: { FOREBAY_HTTP__IDLE_TIMEOUT: '90s' }, home: '/home/user' },
  readFile: async () => undefined,
})

test('every setting is shown with its value as a file would have it and its origin', () => {
  const shown = new Map(describeSettings(loaded).map((each) => [each.key, each]))
  expect([...shown.keys()]).toEqual(SETTING_KEYS.map(({ key }) => key))
  expect(shown.get('http.idleTimeout')).toMatchObject({
    key: 'http.idleTimeout',
    value: '1m30s',
    origin: 'environment FOREBAY_HTTP__IDLE_TIMEOUT',
    doc: expect.stringMatching(/\.$/),
  })
  expect(shown.get('space.capacity')).toMatchObject({ value: '10GiB', origin: 'flag --set' })
  expect(shown.get('backends.aws.endpoint')).toMatchObject({ value: undefined, origin: 'default' })
})

test('secrets are redacted, what stands beside them is not', () => {
  const text = JSON.stringify(describeSettings(loaded))
  expect(text).not.toContain(SECRET)
  expect(text).not.toContain(TOKEN)
  expect(text).toContain('"accessKey":"abc","secretKey":"(secret)"')
})

test('the secrets are known, so that the log can keep them out', () => {
  expect(secretsOf(loaded)).toEqual([SECRET, TOKEN])
})

test('of a URL of Redis the password is a secret by itself, as written and as sent', async () => {
  const of = async (url: string) =>
    secretsOf(
      await loadSettings({
        flags: { redis: url },
        environment: { variables: {}, home: '/home/user' },
        readFile: async () => undefined,
      }),
    )
  const url = 'rediss://ada:p%40ss%3Aword@host:6380/1'
  expect(await of(url)).toEqual([url, 'p%40ss%3Aword', 'p@ss:word'])
  expect(await of('redis://:%zz@host')).toEqual(['redis://:%zz@host', '%zz'])
  expect(await of('redis://ada@host')).toEqual(['redis://ada@host'])
  expect(await of('auto')).toEqual(['auto'])
})

test('what is shown can be loaded again and means the same', async () => {
  const values = describeSettings(loaded).filter(
    ({ key, value }) => value !== undefined && key !== 'auth.users' && key !== 'metrics.token',
  )
  const set = values.map(({ key, value }) =>
    typeof value === 'string' ? `${key}=${value}` : `${key}=${JSON.stringify(value)}`,
  )
  const again = await loadSettings({
    flags: { set: set.filter((assignment) => !assignment.startsWith('auth.mode=')) },
    environment: { variables: {}, home: '/elsewhere' },
    readFile: async () => undefined,
  })
  const { auth: _, metrics: __, ...rest } = loaded.settings
  expect(again.settings).toMatchObject(rest)
})

test('every setting is documented by a sentence, and numbers have a unit or are counts', () => {
  for (const setting of describeSchema()) {
    expect(setting.doc, setting.key).toMatch(/^[A-Z`].*[.]$/)
    expect(setting.allowed, setting.key).not.toBe('')
    expect(setting.default, setting.key).not.toBe('')
    for (const field of setting.fields) expect(field.doc, setting.key).toMatch(/[.]$/)
  }
})

test('the default of every setting is a value that it takes', () => {
  for (const { key, setting } of SETTING_KEYS) {
    const written = setting.format(setting.default)
    if (written === undefined || written === '') continue
    expect(setting.parse(written), key).toEqual(setting.default)
  }
})

test('variables are the path in upper snake case, and no two are the same', () => {
  expect(variableOf('backends.aws.forcePathStyle')).toBe('FOREBAY_BACKENDS__AWS__FORCE_PATH_STYLE')
  expect(variableOf('dataDir')).toBe('FOREBAY_DATA_DIR')
  const all = [...SETTING_KEYS.map(({ variable }) => variable), ...Object.keys(OTHER_VARIABLES)]
  expect(new Set(all).size).toBe(all.length)
})
