import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startForebay, temporaryFolder } from '../../testkit/servers.ts'
import { plain, type Signing, signed, toBytes } from './raw-client.ts'
import { ADMIN, BadInputRig, READER, SECRETS } from './rig.ts'

let rig: BadInputRig

beforeAll(async () => {
  rig = await BadInputRig.start()
})
afterAll(() => rig.close())

const ask = (method: string, target: string, more: Partial<Signing> = {}) =>
  rig.send(toBytes(signed({ method, target, keys: ADMIN, host: rig.host, ...more })))

const post = (body: string, target = '/v1/buckets/f-bucket', type = 'application/json') =>
  ask('POST', target, { body, headers: { 'content-type': type } })

const bucketsNow = async (): Promise<string> => (await rig.ask('GET', '/')).body

describe('the native API with users', () => {
  test.each([
    ['F01 a message that is cut', '{"action":"create-bck"'],
    ['F02 a message nested 10,000 deep', `{"action":${'['.repeat(10_000)}${']'.repeat(10_000)}}`],
    ['F04 the action twice', '{"action":"create-bck","action":"destroy-bck"}'],
    ['F05 an unknown action', '{"action":"explode-bck"}'],
    ['F06 an action that is a number', '{"action":1}'],
    ['F06 an action that is a list', '{"action":["create-bck"]}'],
    ['F06 an action that is null', '{"action":null}'],
    ['F06 no object at all', '"create-bck"'],
  ])('%s is refused with a JSON error', async (_, body) => {
    const reply = await post(body)
    expect(reply.outcome).toMatch(/^400/)
    expect(JSON.parse(reply.body)).toMatchObject({ status: 400 })
    expect(await bucketsNow()).not.toContain('f-bucket')
  })

  test('F03: __proto__ and constructor reach no prototype', async () => {
    const reply = await post(
      '{"action":"create-bck","__proto__":{"admin":true},"constructor":{"prototype":{"admin":true}}}',
      '/v1/buckets/f-proto',
    )
    expect(reply.outcome).toMatch(/^(200|400)/)
    expect((await rig.send(plain('GET', '/v1/buckets/native/'))).outcome).toMatch(/^40[13]/)
  })

  test('F07: a body of 100 MB is refused before it is sent', async () => {
    const request = signed({
      ...{ method: 'POST', target: '/v1/buckets/f-bucket', keys: ADMIN, host: rig.host },
      payload: 'UNSIGNED-PAYLOAD',
    })
    const spoilt = { without: ['content-length'], more: [`content-length: ${100 * 1024 ** 2}`] }
    expect((await rig.send(toBytes(request, spoilt))).outcome).toMatch(/^413/)
  })

  test.each(['application/json\t; charset=x', 'application/json garbage', 'text/plain'])(
    'F08: content type %j is refused, or checked like any other',
    async (type) => {
      expect((await post('{"action":5}', '/v1/buckets/f-bucket', type)).outcome).toMatch(
        /^(400|415)/,
      )
    },
  )

  test.each([
    '/v1/objects/native/../../x',
    '/v1/objects/native/%2e%2e/x',
    '/v1/objects/native%2F..%2Fx/y',
    '/v1/objects/native/a%00b',
    `/v1/objects/native/${'k'.repeat(5000)}`,
    '/v1/objects/native/a?provider=evil',
    '/v1/objects/native/a?namespace=@..%2F..%2F%23x',
  ])('F09, F10: %s is refused', async (target) => {
    expect((await ask('PUT', target, { body: 'x' })).outcome).toMatch(/^400/)
    expect((await ask('GET', target)).outcome).toMatch(/^(400|404)/)
    expect(await rig.workFiles()).toEqual([])
  })

  test.each([
    '{"mirror":{"copies":1e9}}',
    '{"checksum":{"type":7}}',
    '{"space":{"lowwm":95,"highwm":5}}',
    '{"space":{"lowwm":-5}}',
    '{"write_policy":{"data":"sometimes"}}',
    '{"forebay":{"revalidate":"-1h"}}',
    '{"ec":{"objsize_limit":1e400}}',
  ])('F11: the properties %s are refused', async (value) => {
    const before = (await ask('HEAD', '/v1/buckets/native')).text.replace(
      /^.*(date|request-id).*$/gim,
      '',
    )
    const reply = await ask('PATCH', '/v1/buckets/native', {
      body: `{"action":"set-bprops","value":${value}}`,
      headers: { 'content-type': 'application/json' },
    })
    expect(reply.outcome).toMatch(/^(400|501)/)
    const after = (await ask('HEAD', '/v1/buckets/native')).text.replace(
      /^.*(date|request-id).*$/gim,
      '',
    )
    expect(after).toBe(before)
  })

  test.each([
    ['PUT', '/v1/objects/native/f13?pid=x&utm=1&proxied=true'],
    ['DELETE', '/v1/objects/native/f13'],
    ['POST', '/v1/buckets/f13'],
    ['PUT', '/v1/metasync'],
    ['PUT', '/v1/cluster/set-config'],
    ['PUT', '/v1/daemon'],
    ['GET', '/v1/cluster?what=config'],
  ])('F12, F13: %s %s with forged headers of the cluster is nobody', async (method, target) => {
    const headers = ['ais-caller-id: p1', 'ais-caller-name: proxy', 'ais-intra-cluster: true']
    const forged = await rig.send(plain(method, target, [...headers, 'Content-Length: 0']))
    expect(forged.outcome).toMatch(/^40[13]/)
    if (method === 'GET') return
    expect((await ask(method, target, { keys: READER })).outcome).toMatch(/^(400|403|404|405|501)/)
    expect(await rig.outcomes('native', 'f13')).toEqual(['404 NoSuchKey'])
    expect(await bucketsNow()).not.toContain('<Name>f13<')
  })

  test.each(['X-Forwarded-For: 127.0.0.1', 'X-Real-IP: 127.0.0.1', 'Forwarded: for=127.0.0.1'])(
    'F14: %s opens nothing',
    async (header) => {
      for (const target of ['/', '/metrics', '/v1/cluster?what=config', '/native']) {
        expect((await rig.send(plain('GET', target, [header]))).outcome).toMatch(/^40[13]/)
      }
    },
  )

  test.each([
    '/metrics',
    '/metrics/',
    '/debug/pprof/heap',
    '/debug/vars',
    '/v1/daemon?what=config',
  ])('F15: GET %s without a token tells nothing', async (target) => {
    const { outcome, body } = await rig.send(plain('GET', target))
    expect(outcome).toMatch(/^40[134]/)
    expect(body).not.toContain('forebay_')
    const wrong = ['Authorization: Bearer wrong-token-wrong-token']
    expect((await rig.send(plain('GET', target, wrong))).outcome).toMatch(/^40[0134]/)
  })
})

test.each([
  ['no secret', { id: 'a', accessKey: 'AKA', policy: 'admin' }],
  ['an empty secret', { id: 'a', accessKey: 'AKA', secretKey: '', policy: 'admin' }],
  ['admin/admin', { id: 'a', accessKey: 'admin', secretKey: 'admin', policy: 'admin' }],
  ['minioadmin', { id: 'a', accessKey: 'minioadmin', secretKey: 'minioadmin', policy: 'admin' }],
])('G13: a start with %s is refused', async (_, user) => {
  const folder = await temporaryFolder('g13')
  try {
    const start = startForebay({
      dataDir: `${folder.path}/data`,
      config: { auth: { users: [user] } },
    })
    const outcome = await start.then(
      async (server) => {
        await server.stop()
        return 'it started'
      },
      (error: unknown) => String(error),
    )
    expect(outcome).toContain('secretKey')
  } finally {
    await folder.remove()
  }
})

test('E05, G14: the server still answers and has told no secret', async () => {
  expect((await rig.ask('GET', '/native')).outcome).toBe('200')
  const said = await rig.said()
  for (const secret of SECRETS) expect(secret.exec(said)?.[0]).toBeUndefined()
})
