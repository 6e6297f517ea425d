import { expect, test } from 'vitest'
import { createLogger } from './logger.ts'
import { RECENT_LINE_CHARACTERS_MAX, RECENT_LINES_MAX, RecentLines } from './recent-lines.ts'
import { registerSecret } from './secrets.ts'

test('as many lines as fit are all kept, and the oldest goes for one more', () => {
  const recent = new RecentLines()
  for (let line = 0; line < RECENT_LINES_MAX; line++) recent.add(`${line}\n`)
  expect(recent.list().length).toBe(RECENT_LINES_MAX)
  expect(recent.list()[0]).toBe('0')
  recent.add('new')
  expect(recent.list().length).toBe(RECENT_LINES_MAX)
  expect([recent.list()[0], recent.list().at(-1)]).toEqual(['1', 'new'])
})

test('a long line is cut', () => {
  const recent = new RecentLines()
  recent.add('x'.repeat(RECENT_LINE_CHARACTERS_MAX + 1))
  expect(recent.list()[0]?.length).toBe(RECENT_LINE_CHARACTERS_MAX)
})

test('what a logger writes is kept without its secrets', () => {
  registerSecret('planted-in-recent')
  const recent = new RecentLines()
  const written: string[] = []
  const destination = { write: (text: string) => void written.push(text) }
  const logger = createLogger({ level: 'info', destination, recent })
  logger.info({ note: 'with planted-in-recent inside' }, 'an event')
  logger.debug({}, 'not written, so not kept')
  expect(recent.list().map((line) => JSON.parse(line))).toMatchObject([{ msg: 'an event' }])
  expect(`${recent.list()[0]}\n`).toBe(written[0])
  expect(recent.list()[0]).not.toContain('planted')
})
