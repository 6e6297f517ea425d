import { expect, test } from 'vitest'
import { checkExpectedOwner, refuseUnsupportedHeaders } from './unsupported-headers.ts'

test.each([
  'x-amz-server-side-encryption',
  'x-amz-server-side-encryption-customer-algorithm',
  'x-amz-copy-source-server-side-encryption-customer-key',
  'x-amz-object-lock-mode',
  'x-amz-mfa',
  'x-amz-write-offset-bytes',
  'x-amz-if-match-size',
])('%s is refused', (name) => {
  expect(() => refuseUnsupportedHeaders({ [name]: 'x' })).toThrow('not implemented')
})

test('headers that state what holds anyway pass', () => {
  refuseUnsupportedHeaders({
    'x-amz-acl': 'private',
    'x-amz-bucket-object-lock-enabled': 'false',
    'x-amz-meta-x-amz-tagging': 'x',
    'x-amz-date': 'x',
    'x-amz-request-payer': 'requester',
  })
  for (const other of [{ 'x-amz-acl': 'public-read' }, { 'x-amz-grant-read': 'id=1' }]) {
    expect(() => refuseUnsupportedHeaders(other)).toThrow('access control')
  }
  expect(() => refuseUnsupportedHeaders({ 'x-amz-acl': 'nonsense' })).toThrow('canned')
})

test('who expects another owner is refused', () => {
  checkExpectedOwner({}, ['o'])
  checkExpectedOwner({ 'x-amz-expected-bucket-owner': 'o' }, ['o'])
  for (const name of ['x-amz-expected-bucket-owner', 'x-amz-source-expected-bucket-owner']) {
    expect(() => checkExpectedOwner({ [name]: 'other' }, ['o'])).toThrow('does not belong')
  }
})
