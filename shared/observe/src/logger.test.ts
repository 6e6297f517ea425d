import { Failure } from '@forebay/base/failure'
import { expect, test } from 'vitest'
import { createLogger, flushLogger, type Logger, type LogLevel } from './logger.ts'
import { registerSecret } from './secrets.ts'

interface Captured {
  readonly logger: Logger
  readonly lines: string[]
}

function capture(level: LogLevel = 'info'): Captured {
  const lines: string[] = []
  const destination = { write: (line: string) => void lines.push(line) }
  return { logger: createLogger({ level, destination, base: { node: 'N1' } }), lines }
}

test('a line is one JSON object with level, ISO time, base fields, fields and message', () => {
  const { logger, lines } = capture()
  logger.warn({ bucket: 'b', sizeBytes: 7 }, 'eviction fell short')
  expect(lines).toHaveLength(1)
  expect(JSON.parse(lines[0] ?? '')).toEqual({
    level: 'warn',
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
    node: 'N1',
    bucket: 'b',
    sizeBytes: 7,
    msg: 'eviction fell short',
  })
})

test('lines below the level are not written', () => {
  const { logger, lines } = capture('error')
  logger.warn('no')
  logger.error('yes')
  expect(lines).toHaveLength(1)
})

test('secrets are in no field, nested or not, and in no text', () => {
  registerSecret('Registered/Secret+1')
  const { logger, lines } = capture('trace')
  logger.info({ secretKey: 'sk-1', user: { secretKey: 'sk-2', id: 'a' } }, 'user')
  logger.info(
    { req: { headers: { authorization: 'sk-3', 'x-amz-security-token': 'sk-4' } } },
    'req',
  )
  logger.info({ url: '/b/k?X-Amz-Signature=sk-5&X-Amz-Expires=60' }, 'presigned')
  logger.error({ err: new Failure('internal', 'with Registered/Secret+1 in it') }, 'failed')
  logger.info('and Registered/Secret+1 in the message')
  const text = lines.join('')
  expect(text).not.toMatch(/sk-\d/)
  expect(text).not.toContain('Registered/Secret+1')
  expect(lines).toHaveLength(5)
  for (const line of lines) expect(() => JSON.parse(line)).not.toThrow()
})

test('a child logger keeps secrets out too', () => {
  registerSecret('Registered/Secret+2')
  const { logger, lines } = capture()
  logger.child({ requestId: 'R1' }).info({ note: 'Registered/Secret+2' }, 'x')
  expect(lines[0]).toContain('"requestId":"R1"')
  expect(lines[0]).not.toContain('Registered/Secret+2')
})

test('a line cannot be split by what a client sent', () => {
  const { logger, lines } = capture()
  logger.info({ key: 'a\n{"level":"error"}' }, 'b\r\nc')
  expect(lines).toHaveLength(1)
  expect(lines[0]?.trimEnd()).not.toMatch(/[\r\n]/)
})

test('flushing resolves', async () => {
  const { logger } = capture()
  await expect(flushLogger(logger)).resolves.toBeUndefined()
})
