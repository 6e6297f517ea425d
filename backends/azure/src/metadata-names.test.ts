import { describe, expect, test } from 'vitest'
import { decodeMetadataName, encodeMetadataName } from './metadata-names.ts'

describe('a name of metadata', () => {
  test.each([
    ['owner', 'owner'],
    ['under_score', 'under_score'],
    ['a1', 'a1'],
    ['two-words', 'two_x002d_words'],
    ['s3cmd.attrs', 's3cmd_x002e_attrs'],
    ['1st', '_x0031_st'],
    ['_x002d_', '_x005f_x002d_'],
    ['a__b', 'a__b'],
    ['x_x002', 'x_x002'],
    [
      "!#$%&'*+-.^`|~",
      "!#$%&'*+-.^`|~".replace(/./g, (c) => `_x00${c.charCodeAt(0).toString(16)}_`),
    ],
  ])('%s is %s at Azure, and comes back', (name, atAzure) => {
    expect(encodeMetadataName(name)).toBe(atAzure)
    expect(atAzure).toMatch(/^[a-zA-Z_][a-zA-Z0-9_]*$/)
    expect(decodeMetadataName(atAzure)).toBe(name)
  })

  test('that other programs wrote with capitals is read in lower case', () => {
    expect(decodeMetadataName('CamelCase')).toBe('camelcase')
    expect(decodeMetadataName('two_x002D_words')).toBe('two-words')
  })
})
