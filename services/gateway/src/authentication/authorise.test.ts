import { expect, test } from 'vitest'
import { mayDo, type Permission, requirePermission } from './authorise.ts'
import { type Identity, NOBODY, OPEN, type Policy } from './identity.ts'

const PERMISSIONS: readonly Permission[] = ['read', 'list', 'write', 'admin']

const user = (policy: Policy, buckets = ['team-*']): Identity => ({
  kind: 'user',
  user: { id: 'u', accessKey: 'AK', secretKey: 'secret-key', policy, buckets },
})

test.each([
  ['readonly', ['read', 'list']],
  ['readwrite', ['read', 'list', 'write']],
  ['admin', PERMISSIONS],
] as const)('%s may %j', (policy, allowed) => {
  expect(PERMISSIONS.filter((each) => mayDo(user(policy), each, ['team-a']))).toEqual(allowed)
})

test('a user has the buckets of the patterns, an admin all', () => {
  expect(mayDo(user('readwrite'), 'read', ['other'])).toBe(false)
  expect(mayDo(user('readwrite', []), 'read', ['other'])).toBe(false)
  expect(mayDo(user('readwrite'), 'read', ['other', 'team-alias'])).toBe(true)
  expect(mayDo(user('admin', []), 'write', ['other'])).toBe(true)
})

test('nobody may do nothing, in open mode everybody may do everything', () => {
  for (const permission of PERMISSIONS) {
    expect(mayDo(NOBODY, permission, ['a'])).toBe(false)
    expect(mayDo(NOBODY, permission)).toBe(false)
    expect(mayDo(OPEN, permission, ['a'])).toBe(true)
  }
  expect(() => requirePermission(NOBODY, 'read', ['a'])).toThrow('access denied')
})
