import { expect, test } from 'vitest'
import { checkServer, replicasOf } from './server-check.ts'

const info = (fields: Readonly<Record<string, string>>): string =>
  Object.entries(fields)
    .map(([name, value]) => `${name}:${value}`)
    .join('\r\n')

test('Redis 6.2 and newer that forgets nothing is taken', () => {
  for (const version of ['6.2.0', '7.0.15', '10.1.0']) {
    const text = info({ redis_version: version, maxmemory_policy: 'noeviction' })
    expect(() => checkServer(text, 'here')).not.toThrow()
  }
})

test('an older one is refused', () => {
  for (const version of ['6.0.16', '5.0.7', 'nonsense']) {
    const text = info({ redis_version: version, maxmemory_policy: 'noeviction' })
    expect(() => checkServer(text, 'redis://here')).toThrow('older than 6.2')
  }
})

test('one that may evict keys is refused, with its policy and what to do', () => {
  const text = info({ redis_version: '7.2.4', maxmemory_policy: 'allkeys-lru' })
  expect(() => checkServer(text, 'redis://here')).toThrow(
    expect.objectContaining({
      code: 'setting-invalid',
      message: expect.stringContaining('allkeys-lru'),
      hint: expect.stringContaining('noeviction'),
    }),
  )
})

test('replicas are those that are connected', () => {
  expect(replicasOf(info({ role: 'master', connected_slaves: '2' }))).toBe(2)
  expect(replicasOf('')).toBe(0)
})
