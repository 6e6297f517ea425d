import { Compile } from 'typebox/compile'
import { expect, test } from 'vitest'
import { checkArgs } from '../check-schema.ts'
import type { JsonObject } from '../job.ts'
import { jobKind } from './catalogue.ts'

const to = 'ais://other'
const link = 'https://data.example.org/a'

/** Arguments that fit the schema of their kind by themselves; what their combination is, is the question. */
const CASES: readonly (readonly [kind: string, accepted: boolean, args: JsonObject])[] = [
  ['prefetch', true, {}],
  ['prefetch', true, { keys: ['a'], latest: true }],
  ['prefetch', false, { keys: ['a'], prefix: 'a' }],
  ['evict', false, { template: 'a-{0..1}', prefix: 'a' }],
  ['delete', false, {}],
  ['delete', false, { all: false }],
  ['delete', true, { all: true }],
  ['delete', true, { prefix: 'a', all: false }],
  ['copy-bucket', true, { to, sync: true, prefix: 'a' }],
  ['copy-bucket', true, { to, sync: false, prepend: 'a' }],
  ['copy-bucket', false, { to, sync: true, prepend: 'a' }],
  ['copy-objects', true, { to, keys: ['a'], prepend: 'b/' }],
  ['copy-objects', false, { to, keys: ['a'], sync: true }],
  ['archive', true, { to, name: 'a.tgz', keys: ['a'] }],
  ['archive', true, { to, name: 'a.tar', append: true, format: 'tar' }],
  ['archive', true, { to, name: 'a.TAR', append: true }],
  ['archive', true, { to, name: 'a', append: true, format: 'tar' }],
  ['archive', true, { to, name: 'a-%06d.tar.lz4', append: false }],
  ['archive', true, { to, name: 'a', format: 'zip' }],
  ['archive', false, { to, name: 'a.zip', append: true, format: 'zip' }],
  ['archive', false, { to, name: 'a.tar.gz', append: true }],
  ['archive', false, { to, name: 'a', append: true }],
  ['archive', false, { to, name: 'tar' }],
  ['promote', false, { source: '/a', name: 'b', prepend: 'c' }],
  ['promote', true, { source: '/a', name: 'b' }],
  ['download', false, {}],
  ['download', true, { link, object: 'b' }],
  ['download', true, { link: 'http://0.example:80/a' }],
  ['download', true, { links: ['http://192.0.2.1/a', 'http://[2001:db8::1]:80/a'] }],
  ['download', true, { directory: 'http://host/a/' }],
  ['download', true, { directory: 'http://host/' }],
  ['download', false, { directory: 'http://host/a' }],
  ['download', false, { directory: 'http://host' }],
  ['download', false, { directory: 'http://0/a/' }],
  ['download', false, { links: { a: 'http://0/a' } }],
  ['download', false, { huggingFace: { model: 'a', endpoint: 'https://00/' } }],
  ['download', false, { links: [link], object: 'b' }],
  ['download', false, { link, directory: `${link}/` }],
  ['download', true, { huggingFace: { dataset: 'a/b', tokenEnv: 'TOKEN' } }],
  ['download', false, { huggingFace: { dataset: 'a/b', model: 'a/b' } }],
  ['download', false, { huggingFace: {} }],
  ['download', false, { huggingFace: { model: 'a', endpoint: link, tokenEnv: 'TOKEN' } }],
]

test.each(CASES)('the document and the code agree on %s (%s): %j', (name, accepted, args) => {
  const kind = jobKind(name)
  if (kind === undefined) throw new Error(`there is no kind ${name}`)
  const isTaken = (): boolean => {
    try {
      checkArgs(kind, args)
      return true
    } catch {
      return false
    }
  }
  expect([isTaken(), Compile(kind.accepts ?? kind.args).Check(args)]).toEqual([accepted, accepted])
})
