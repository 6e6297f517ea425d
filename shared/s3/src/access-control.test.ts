import { expect, test } from 'vitest'
import {
  checkAclDocument,
  checkAclHeaders,
  parseOwnership,
  parseOwnershipHeader,
  renderAcl,
  renderOwnership,
} from './access-control.ts'

const OWNER = { id: 'me', displayName: 'Me' }
const failsAs = (code: string) => expect.objectContaining({ code })

test('lists that mean the owner alone pass, others are refused', () => {
  expect(checkAclHeaders({})).toBe(false)
  for (const acl of ['private', 'bucket-owner-full-control', 'bucket-owner-read']) {
    expect(checkAclHeaders({ 'x-amz-acl': acl })).toBe(true)
  }
  for (const acl of ['public-read', 'public-read-write', 'authenticated-read']) {
    expect(() => checkAclHeaders({ 'x-amz-acl': acl })).toThrow(failsAs('acl-unsupported'))
  }
  expect(() => checkAclHeaders({ 'x-amz-acl': 'x' })).toThrow(failsAs('argument-invalid'))
  expect(() => checkAclHeaders({ 'x-amz-grant-read': 'id=me' })).toThrow(failsAs('acl-unsupported'))
})

test('a document that gives the owner everything is what GetBucketAcl answers', () => {
  checkAclDocument(Buffer.from(renderAcl(OWNER)), OWNER)
  const read = renderAcl(OWNER).replace('FULL_CONTROL', 'READ')
  const other = renderAcl({ id: 'other', displayName: 'Other' })
  for (const document of [read, other]) {
    expect(() => checkAclDocument(Buffer.from(document), OWNER)).toThrow(failsAs('acl-unsupported'))
  }
  expect(() => checkAclDocument(Buffer.from('<AccessControlPolicy/>'), OWNER)).toThrow(
    failsAs('xml-malformed'),
  )
})

test('ownership is one of three words, in a document or in a header', () => {
  for (const word of ['BucketOwnerEnforced', 'BucketOwnerPreferred', 'ObjectWriter'] as const) {
    expect(parseOwnership(Buffer.from(renderOwnership(word)))).toBe(word)
    expect(parseOwnershipHeader({ 'x-amz-object-ownership': word })).toBe(word)
  }
  const rule = '<Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule>'
  for (const inner of ['', rule + rule, rule.replace('ObjectWriter', 'x')]) {
    const body = Buffer.from(`<OwnershipControls>${inner}</OwnershipControls>`)
    expect(() => parseOwnership(body)).toThrow(failsAs('xml-malformed'))
  }
  expect(parseOwnershipHeader({})).toBeUndefined()
  expect(parseOwnershipHeader({ 'x-amz-acl': 'bucket-owner-full-control' })).toBeUndefined()
  const both = { 'x-amz-acl': 'private', 'x-amz-object-ownership': 'BucketOwnerEnforced' }
  expect(parseOwnershipHeader(both)).toBe('BucketOwnerEnforced')
  expect(parseOwnershipHeader({ 'x-amz-acl': 'private' })).toBe('BucketOwnerPreferred')
  expect(() => parseOwnershipHeader({ 'x-amz-object-ownership': 'x' })).toThrow(
    failsAs('argument-invalid'),
  )
})
