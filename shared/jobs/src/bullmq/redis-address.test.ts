import { expect, test } from 'vitest'
import { describeRedis, parseRedisUrl } from './redis-address.ts'

test('a single server has a port, a database and a login, each with its default', () => {
  expect(parseRedisUrl('redis://localhost')).toEqual({
    kind: 'single',
    hosts: [{ host: 'localhost', port: 6379 }],
    database: 0,
  })
  expect(parseRedisUrl('rediss://ann:p%40ss%3Aword@10.0.0.1:6380/3')).toEqual({
    kind: 'single',
    hosts: [{ host: '10.0.0.1', port: 6380 }],
    username: 'ann',
    password: 'p@ss:word',
    tls: {},
    database: 3,
  })
  expect(parseRedisUrl('redis://:secret@[::1]:7000').hosts).toEqual([{ host: '::1', port: 7000 }])
})

test('Sentinels come with the name of their master, a cluster with any of its nodes', () => {
  expect(parseRedisUrl('redis+sentinel://:pw@a:26379,b/mymaster/2')).toEqual({
    kind: 'sentinel',
    hosts: [
      { host: 'a', port: 26_379 },
      { host: 'b', port: 26_379 },
    ],
    password: 'pw',
    masterName: 'mymaster',
    database: 2,
  })
  expect(parseRedisUrl('rediss+cluster://a:7001,b:7002')).toMatchObject({
    kind: 'cluster',
    hosts: [
      { host: 'a', port: 7001 },
      { host: 'b', port: 7002 },
    ],
  })
})

test.each([
  ['http://host', 'form'],
  ['redis://', 'form'],
  ['redis://a,b', 'several'],
  ['redis://a:0', 'port'],
  ['redis://a:65536', 'port'],
  ['redis://a/x', 'database'],
  ['redis+sentinel://a:1', 'master'],
  ['redis+cluster://a:1/2', 'databases'],
  ['redis://a b', 'host'],
  [`redis+cluster://${Array.from({ length: 33 }, (_, at) => `h${at}`).join(',')}`, 'more than 32'],
])('%s is refused', (url, why) => {
  expect(() => parseRedisUrl(url)).toThrow(why)
})

test('a URL that is refused, and one that is described, keep their password to themselves', () => {
  for (const url of ['redis://u:hunter2@a:0', 'redis://u:hunter2@a/x', 'nope://u:hunter2@a']) {
    let message = ''
    try {
      parseRedisUrl(url)
    } catch (error) {
      message = `${error} ${JSON.stringify(error)}`
    }
    expect(message).toContain('URL of Redis')
    expect(message).not.toContain('hunter2')
  }
  const address = parseRedisUrl('rediss+sentinel://ann:hunter2@a:1,[::1]:2/set')
  expect(describeRedis(address)).toBe('rediss+sentinel://a:1,[::1]:2/set')
})
