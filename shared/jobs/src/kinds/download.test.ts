import { describe, expect, test } from 'vitest'
import { checkArgs } from '../check-schema.ts'
import type { JsonObject } from '../job.ts'
import { checkDownloadKey, DOWNLOAD } from './download.ts'

const INVALID = { code: 'argument-invalid' }

function check(args: JsonObject): JsonObject {
  return checkArgs(DOWNLOAD, args)
}

describe('an order of a download', () => {
  test.each<JsonObject>([
    { link: 'http://host/a' },
    { link: 'HTTPS://host:8443/a?sig=x%20y', object: 'k' },
    { links: ['http://host/a', 'http://host/b'] },
    { links: { 'a/b': 'http://host/a' }, prepend: 'in/' },
    { template: 'http://host/shard-{0001..0010}.tar' },
    { template: 'http://host/shard-@100.tar' },
    { directory: 'http://host/', depth: 0, include: ['*.tar'], exclude: ['tmp/**'] },
    {
      huggingFace: {
        dataset: 'owner/name',
        revision: 'refs/convert/parquet',
        tokenEnv: 'HF_TOKEN',
      },
    },
    { huggingFace: { model: 'name', endpoint: 'https://mirror.example' } },
    { link: 'http://host/a', headers: { Authorization: 'Bearer x', 'x-key': '' } },
  ])('%j is taken', (args) => {
    expect(check(args)).toEqual(args)
  })

  test.each<JsonObject>([
    {},
    { link: 'http://host/a', template: 'http://host/{1..2}' },
    { link: 'file:///etc/passwd' },
    { link: 'ftp://host/a' },
    { link: 'data:text/plain,x' },
    { link: '//host/a' },
    { link: 'http:///a' },
    { link: 'http://user:pass@host/a' },
    { link: 'http://allowed#@evil/a' },
    { link: 'http://allowed\\@evil/a' },
    { link: 'http://host/a b' },
    { link: 'http://0' },
    { link: 'http://2130706433:80/a' },
    { links: ['http://host/a', 'HTTPS://0?a'] },
    { template: 'http://1:80/{1..3}' },
    { link: 'http://host/\r\nx' },
    { links: [] },
    { links: {} },
    { links: ['gopher://host/'] },
    { object: 'k', links: ['http://host/a'] },
    { directory: 'http://host/dir' },
    { directory: 'http://host/', depth: 65 },
    { huggingFace: {} },
    { huggingFace: { dataset: 'a/b', model: 'c' } },
    { huggingFace: { dataset: '../b' } },
    { huggingFace: { dataset: 'a/b', revision: 'a/../b' } },
    { huggingFace: { dataset: 'a/b', tokenEnv: 'path' } },
    { huggingFace: { dataset: 'a/b', tokenEnv: 'HF_TOKEN', endpoint: 'https://evil.example' } },
    { link: 'http://host/a', headers: { Host: 'other' } },
    { link: 'http://host/a', headers: { 'If-None-Match': '*' } },
    { link: 'http://host/a', headers: { Range: 'bytes=0-1' } },
    { link: 'http://host/a', headers: { 'x-a': 'b\r\nhost: evil' } },
    { link: 'http://host/a', headers: { 'x a': 'b' } },
    { link: 'http://host/a', unknown: 1 },
  ])('%j is refused', (args) => {
    expect(() => check(args)).toThrow(expect.objectContaining(INVALID))
  })

  test.each(['../x', '/abs', 'a/./b', 'a\\b', 'a\nb', 'a\0b', '', 'x'.repeat(1025)])(
    'the key %j is none that a download writes',
    (key) => {
      const code = expect.stringMatching(/^key-/)
      expect(() => checkDownloadKey(key)).toThrow(expect.objectContaining({ code }))
    },
  )

  test('keys that it names are checked', () => {
    const links = { '../../x': 'http://host/a' }
    const refused = expect.objectContaining({ code: 'key-invalid' })
    expect(() => check({ links })).toThrow(refused)
    expect(() => check({ link: 'http://host/a', object: '../x' })).toThrow(refused)
    expect(() => check({ link: 'http://host/a', prepend: '../' })).toThrow(refused)
  })

  test('is shown without its headers and without what stands behind a question mark', () => {
    const shown = DOWNLOAD.shown?.({
      link: 'http://host/a?X-Signature=secret',
      headers: { Authorization: 'Bearer secret' },
    })
    expect(shown).toEqual({ link: 'http://host/a?…', headers: { Authorization: '…' } })
    const many = DOWNLOAD.shown?.({ links: { k: 'http://host/a?secret', l: 'http://host/b' } })
    expect(many).toEqual({ links: { k: 'http://host/a?…', l: 'http://host/b' } })
    const list = DOWNLOAD.shown?.({ links: ['http://host/a?secret'], depth: 1 })
    expect(list).toEqual({ links: ['http://host/a?…'], depth: 1 })
  })
})
