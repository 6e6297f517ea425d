import { describe, expect, test } from 'vitest'
import type { SettingFlags } from './flags.ts'
import { formatOrigin, type LoadedSettings, loadSettings } from './load.ts'
import type { Settings } from './schema.ts'

interface Given {
  readonly flags?: SettingFlags
  readonly variables?: Readonly<Record<string, string>>
  readonly files?: Readonly<Record<string, string>>
}

function load(given: Given = {}): Promise<LoadedSettings> {
  const files = new Map(Object.entries(given.files ?? {}))
  return loadSettings({
    flags: given.flags ?? {},
    environment: { variables: given.variables ?? {}, home: '/home/user' },
    readFile: async (path) => files.get(path),
  })
}

async function settingsOf(given: Given): Promise<Settings> {
  return (await load(given)).settings
}

async function messageOf(given: Given): Promise<string> {
  const error: unknown = await load(given).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toMatchObject({ name: 'Failure', code: 'setting-invalid' })
  return error instanceof Error ? error.message : ''
}

const YAML = '/home/user/.config/forebay/config.yaml'

describe('without anything given', () => {
  test('a node listens on loopback, in open mode, below the state directory', async () => {
    const settings = await settingsOf({})
    expect(settings.listen).toEqual([{ address: '127.0.0.1', port: 8080, tls: undefined }])
    expect(settings.auth.mode).toBe('open')
    expect(settings.dataDir).toBe('/home/user/.local/state/forebay')
    expect(settings.mountpaths).toEqual(['/home/user/.local/state/forebay/mountpath'])
    expect(settings.s3.region).toBe('us-east-1')
  })

  test('XDG_STATE_HOME moves the data directory, unless it is relative', async () => {
    const moved = await settingsOf({ variables: { XDG_STATE_HOME: '/var/state' } })
    expect(moved.dataDir).toBe('/var/state/forebay')
    const ignored = await settingsOf({ variables: { XDG_STATE_HOME: 'state' } })
    expect(ignored.dataDir).toBe('/home/user/.local/state/forebay')
  })

  test("the vendors' variables count where nothing of ours says otherwise", async () => {
    const variables = { AZURE_STORAGE_ACCOUNT: 'theirs', AZURE_STORAGE_KEY: 'a2V5' }
    const { settings, origins } = await load({ variables })
    expect(settings.backends.azure).toMatchObject({ account: 'theirs', key: 'a2V5' })
    expect(origins.get('backends.azure.key')).toEqual({
      kind: 'environment',
      variable: 'AZURE_STORAGE_KEY',
    })
    const own = { ...variables, FOREBAY_BACKENDS__AZURE__ACCOUNT: 'ours' }
    expect((await settingsOf({ variables: own })).backends.azure.account).toBe('ours')
  })

  test('every setting comes from its default', async () => {
    const { origins } = await load()
    expect(new Set([...origins.values()].map(formatOrigin))).toEqual(new Set(['default']))
  })

  test('settings are frozen, lists and their objects too', async () => {
    const { settings } = await load()
    expect(Object.isFrozen(settings)).toBe(true)
    expect(Object.isFrozen(settings.backends.limits)).toBe(true)
    expect(Object.isFrozen(settings.listen)).toBe(true)
    expect(Object.isFrozen(settings.listen[0])).toBe(true)
  })
})

describe('the order of sources', () => {
  const files = { [YAML]: 'log: {level: debug, access: true}\nhttp: {idleTimeout: 10s}\n' }
  const variables = { FOREBAY_LOG__LEVEL: 'warn', FOREBAY_HTTP__IDLE_TIMEOUT: '20s' }

  test('the environment wins over the file, a flag over both', async () => {
    const flags = { set: ['http.idleTimeout=30s'] }
    const { settings, origins } = await load({ files, variables, flags })
    expect(settings.log).toMatchObject({ access: true, level: 'warn' })
    expect(settings.http.idleTimeoutMs).toBe(30_000)
    const shown = ['log.access', 'log.level', 'http.idleTimeout'].map((key) => {
      const origin = origins.get(key)
      return origin === undefined ? '' : formatOrigin(origin)
    })
    expect(shown).toEqual([`file ${YAML}`, 'environment FOREBAY_LOG__LEVEL', 'flag --set'])
  })

  test('--config replaces the file of the user', async () => {
    const settings = await settingsOf({
      files: { ...files, '/etc/f.json': '{"s3": {"region": "eu-west-1"}}' },
      flags: { config: '/etc/f.json' },
    })
    expect(settings.s3.region).toBe('eu-west-1')
    expect(settings.log.access).toBe(false)
  })

  test('XDG_CONFIG_HOME names the directory of the file', async () => {
    const settings = await settingsOf({
      files: { '/cfg/forebay/config.json': '{"log": {"access": true}}' },
      variables: { XDG_CONFIG_HOME: '/cfg' },
    })
    expect(settings.log.access).toBe(true)
  })

  test('two files in the place of one are refused', async () => {
    const json = '/home/user/.config/forebay/config.json'
    expect(await messageOf({ files: { [YAML]: '', [json]: '{}' } })).toContain('remove one')
  })

  test('a file of --config that is not there is refused', async () => {
    expect(await messageOf({ flags: { config: '/no/such' } })).toContain('/no/such')
  })

  test('an empty file and an empty group say nothing', async () => {
    await expect(settingsOf({ files: { [YAML]: '' } })).resolves.toBeDefined()
    const commented = await settingsOf({ files: { [YAML]: 's3:\n  # region: x\nlog:\n' } })
    expect(commented.s3.region).toBe('us-east-1')
  })
})

describe('flags', () => {
  test('--port, --data and --mountpath are shorthands', async () => {
    const settings = await settingsOf({
      flags: { port: '9000', data: '/d', mountpath: ['/m1', '/m2'] },
    })
    expect(settings.listen[0]).toMatchObject({ address: '127.0.0.1', port: 9000 })
    expect(settings.dataDir).toBe('/d')
    expect(settings.mountpaths).toEqual(['/m1', '/m2'])
  })

  test('--port keeps what else is said of the listeners', async () => {
    const listen = '[{"address":"::1","port":1},{"address":"127.0.0.1","port":2}]'
    const settings = await settingsOf({
      variables: { FOREBAY_LISTEN: listen },
      flags: { port: '9000' },
    })
    expect(settings.listen.map(({ address, port }) => [address, port])).toEqual([
      ['::1', 9000],
      ['127.0.0.1', 2],
    ])
  })

  test('--data moves the default mountpath too', async () => {
    expect((await settingsOf({ flags: { data: '/d' } })).mountpaths).toEqual(['/d/mountpath'])
  })

  test.each(['65536', '-1', 'http', '', '80.5'])('--port %j is refused', async (port) => {
    expect(await messageOf({ flags: { port } })).toContain('--port')
  })

  test('--set without = and --set twice for one key are refused', async () => {
    expect(await messageOf({ flags: { set: ['s3.region'] } })).toContain('KEY=VALUE')
    expect(await messageOf({ flags: { set: ['s3.region=a', 's3.region=b'] } })).toContain('twice')
  })

  test('a value of --set may have = in it', async () => {
    const { metrics } = await settingsOf({ flags: { set: ['metrics.token=abc=defgh'] } })
    expect(metrics.token).toBe('abc=defgh')
  })
})

describe('an unknown key stops the start and names the nearest', () => {
  test('in a file', async () => {
    const message = await messageOf({ files: { [YAML]: 's3: {regoin: eu-west-1}' } })
    expect(message).toBe(`setting s3.regoin (file ${YAML}) is not known; did you mean s3.region?`)
  })

  test('in the environment', async () => {
    const message = await messageOf({ variables: { FOREBAY_S3__REGOIN: 'eu-west-1' } })
    expect(message).toBe(
      'environment variable FOREBAY_S3__REGOIN is no setting; did you mean FOREBAY_S3__REGION?',
    )
  })

  test('in a flag, also without its group', async () => {
    expect(await messageOf({ flags: { set: ['idleTimeout=1s'] } })).toContain(
      'did you mean http.idleTimeout?',
    )
  })

  test('in a listener', async () => {
    const message = await messageOf({ files: { [YAML]: 'listen: [{adress: "::1", port: 1}]' } })
    expect(message).toContain('listen[0].adress')
    expect(message).toContain('not a known field')
  })

  test.each(['{"__proto__": {"admin": true}}', '{"constructor": 1}', '{"s3": {"toString": 1}}'])(
    'the file %s, and no prototype changes',
    async (text) => {
      expect(await messageOf({ files: { '/c.json': text }, flags: { config: '/c.json' } })).toMatch(
        /is not known/,
      )
      expect('admin' in {}).toBe(false)
    },
  )

  test('variables of clients and tests are no settings and are let through', async () => {
    const variables = {
      FOREBAY_ENDPOINT: 'http://127.0.0.1:1',
      FOREBAY_FAILPOINTS: '',
      FOREBAY_LOG: 'debug',
      FOREBAY_TEST_WITHOUT: 'k6',
      PATH: '/bin',
    }
    await expect(settingsOf({ variables })).resolves.toBeDefined()
  })
})

describe('a bad value stops the start and says what is allowed', () => {
  test.each([
    ['http.idleTimeout=99ms', /out of range.*100ms\.\.1h/],
    ['http.idleTimeout=61m', /out of range/],
    ['http.idleTimeout=5', /has no unit/],
    ['http.idleTimeout=-1h', /is negative/],
    ['backends.limits.concurrency=0', /out of range.*1\.\.10000/],
    ['backends.limits.concurrency=1.5', /not a whole number/],
    ['backends.limits.concurrency=1e3', /not a number/],
    ['backends.limits.retryBudget=1.1', /out of range/],
    ['space.capacity=15MiB', /out of range/],
    ['space.capacity=64M', /unknown unit "M"/],
    ['datapath.sendfile=yes', /one of auto, off/],
    ['log.access=1', /true or false/],
    ['log.level=', /one of/],
    ['s3.region=EU', /lower-case/],
    ['s3.baseDomains=s3.local', /not JSON/],
    ['s3.baseDomains=["a b"]', /s3\.baseDomains\[0\]/],
    ['buckets.lookup=["http"]', /one of aws/],
    ['backends.aws.endpoint=localhost:9000', /http/],
    ['backends.aws.endpoint=http://u:p@host', /credentials/],
    ['backends.aws.endpoint=http://host/?a=b', /query/],
    ['dataDir=~/forebay', /"~" is not expanded/],
    ['mountpaths={}', /not a list/],
    ['listen=[]', /at least one/],
    ['listen=[{"port":80.5}]', /listen\[0\]\.port.*whole number/],
    ['listen=[{"address":"127.0.0.1"}]', /listen\[0\]\.port.*missing/],
    ['listen=[{"port":70000}]', /0\.\.65535/],
    ['listen=[{"port":1},{"port":1}]', /127\.0\.0\.1:1 twice/],
    ['listen=[5]', /listen\[0\].*not an object/],
    ['space.capacity=1KB', /out of range/],
    ['mountpaths=["/a","/a"]', /\/a twice/],
    ['mountpaths=[]', /at least one/],
  ])('%s', async (assignment, why) => {
    const message = await messageOf({ flags: { set: [assignment] } })
    expect(message).toMatch(why)
    expect(message).toContain(assignment.split('=')[0])
  })

  test('a value of the wrong type in a file', async () => {
    for (const [text, why] of [
      ['log: {access: "true"}', /neither true nor false/],
      ['log: {access: null}', /neither true nor false/],
      ['backends: {limits: {concurrency: "8"}}', /not a number/],
      ['backends: {limits: {concurrency: .nan}}', /not a finite number/],
      ['backends: {limits: {bytesPerSecond: .inf}}', /not a finite number/],
      ['backends: {limits: {bytesPerSecond: -1}}', /negative/],
      ['http: {idleTimeout: 30}', /not text with a unit/],
      ['http: 30s', /setting http .* must be an object/],
      ['- a', /the top level .* must be an object/],
    ] as const) {
      expect(await messageOf({ files: { [YAML]: text } })).toMatch(why)
    }
  })

  test('text that is neither YAML nor JSON, telling the place', async () => {
    expect(await messageOf({ files: { [YAML]: 'a: 1\nb: [' } })).toMatch(/not YAML at line 2/)
    expect(await messageOf({ files: { [YAML]: 'log: {level: info}\nlog: {}' } })).toMatch(
      /not YAML at line 2 \(DUPLICATE_KEY\)/,
    )
    const json = { '/c.json': '{"a": }' }
    expect(await messageOf({ files: json, flags: { config: '/c.json' } })).toMatch(/not JSON/)
  })

  test('YAML aliases that multiply are refused, not expanded', async () => {
    const levels = Array.from(
      { length: 9 },
      (_, at) =>
        `a${at + 1}: &a${at + 1} [${Array.from({ length: 10 }, () => `*a${at}`).join(',')}]`,
    )
    const bomb = ['a0: &a0 x', ...levels].join('\n')
    expect(await messageOf({ files: { [YAML]: bomb } })).toContain('anchors')
  })
})

describe('secrets', () => {
  const user = '{"id":"a","accessKey":"abc","secretKey":"hunter2hunter2","policy":"admin"'

  test.each([
    [{ flags: { set: [`auth.users=[${user}]`] } }],
    [{ flags: { set: [`auth.users=[${user},"x":1}]`] } }],
    [{ variables: { FOREBAY_AUTH__USERS: `${user}}` } }],
    [{ variables: { FOREBAY_AUTH__USERS: `[${user},"policy":"boss"}]` } }],
    [{ files: { '/c.json': `{"auth":{"users":[${user}]}}` }, flags: { config: '/c.json' } }],
    [{ files: { [YAML]: `auth:\n  users: [${user}\n` } }],
    [{ flags: { set: ['metrics.token=hunter2 hunter2'] } }],
  ])('are not in the message of a bad value: %j', async (given) => {
    expect(await messageOf(given)).not.toContain('hunter2')
  })
})
