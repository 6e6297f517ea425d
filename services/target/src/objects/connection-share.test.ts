import { expect, test } from 'vitest'
import { ConnectionShare } from './connection-share.ts'

test('a share gives as many as there are, and again what came back', () => {
  const share = new ConnectionShare(2)
  expect([share.take(), share.take(), share.take()]).toEqual([true, true, false])
  share.give()
  expect(share.taken).toBe(1)
  expect(share.take()).toBe(true)
})
