import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { parseRedisUrl } from './redis-address.ts'
import { RedisSecrets } from './redis-secrets.ts'

const URL = 'rediss://ada:p%40ss%20word@10.0.0.1:6379/0'
const secrets = new RedisSecrets({
  ...parseRedisUrl(URL),
  sentinelPassword: 'guard-word',
  tls: { key: '-----BEGIN KEY-----\nabc\n' },
})

test('a password is hidden in any form: as it is, in a URL, in JSON', () => {
  const text = `${URL} 'p@ss word' guard-word ${JSON.stringify({ key: '-----BEGIN KEY-----\nabc\n' })}`
  const hidden = secrets.hide(text)
  expect(hidden).toBe(
    'rediss://ada:(secret)@10.0.0.1:6379/0 \'(secret)\' (secret) {"key":"(secret)"}',
  )
})

test('an error keeps what it says, and loses the command that ioredis hangs on it', () => {
  const error = Object.assign(
    new Error("ERR unknown command 'AUTH', with args beginning with: 'ada' 'p@ss word'"),
    { name: 'ReplyError', code: 'EFAIL', command: { name: 'auth', args: ['ada', 'p@ss word'] } },
  )
  const clean = secrets.clean(error)
  expect(clean).toMatchObject({
    name: 'ReplyError',
    code: 'EFAIL',
    message: "ERR unknown command 'AUTH', with args beginning with: 'ada' '(secret)'",
  })
  expect(inspect(clean, { depth: 9, showHidden: true })).not.toContain('p@ss')
  expect(clean.stack).toContain('redis-secrets.test.ts')
})

test('what was thrown and is no error is hidden too', () => {
  expect(secrets.clean('p@ss word').message).toBe('(secret)')
})

test('a short password is hidden where it stands alone, and words stay words', () => {
  const short = new RedisSecrets(parseRedisUrl('redis://:a@host'))
  expect(short.hide("a word with 'a' in it")).toBe("(secret) word with '(secret)' in it")
})

test('without a password nothing changes', () => {
  expect(new RedisSecrets(parseRedisUrl('redis://host')).hide('redis://host')).toBe('redis://host')
})
