import { Failure } from '@forebay/base/failure'
import { ForebayError } from '@forebay/client/forebay-error'
import { expect, test } from 'vitest'
import type { Run } from '../cli-context.ts'
import { EXIT_CODES, exitCodeOf, usageError } from '../exit-code.ts'
import { errorJson, formatError } from './error-text.ts'
import { Progress } from './progress.ts'
import { formatPairs, formatTable, printable } from './table.ts'
import { shareText, sizeText, spanText, timeText, valueText } from './values.ts'

function refused(code: string, status: number): ForebayError {
  return new ForebayError('it failed', { code, status, retryable: false, requestId: 'R1' })
}

test('columns are as wide as their widest cell, numbers stand at the right', () => {
  expect(
    formatTable(
      [{ head: 'NAME' }, { head: 'SIZE', right: true }],
      [
        ['a', '5 B'],
        ['longer', '100 MiB'],
      ],
    ),
  ).toEqual(['NAME       SIZE', 'a           5 B', 'longer  100 MiB'])
  expect(formatTable([{ head: 'NAME' }], [])).toEqual(['NAME'])
  expect(
    formatPairs([
      ['a', '1'],
      ['long', '2'],
    ]),
  ).toEqual(['a     1', 'long  2'])
})

test('a key cannot move the cursor, recolour the terminal or break a line', () => {
  expect(printable('a\x1b[2Jb\r\nc\x9b')).toBe('a\\u001b[2Jb\\r\\nc\\u009b')
  expect(printable('grüße 🎉')).toBe('grüße 🎉')
})

test('sizes, times, spans and shares are for people, "-" is what nobody knows', () => {
  expect([sizeText(undefined), sizeText(0), sizeText(1536)]).toEqual(['-', '0 B', '1.50 KiB'])
  expect(timeText('2026-11-21T04:44:45.123Z')).toBe('2026-11-21 04:44:45')
  expect([timeText(undefined), timeText('soon')]).toEqual(['-', '-'])
  expect([0, 12, 60, 245, 3600, 90_061].map(spanText)).toEqual([
    '0s',
    '12s',
    '1m',
    '4m 5s',
    '1h',
    '1d 1h',
  ])
  expect([shareText(3, 4), shareText(0, 0)]).toEqual(['75.0 %', '-'])
  expect([valueText(null), valueText('x'), valueText([1])]).toEqual(['-', 'x', '[1]'])
})

test('each sort of failure has its exit code', () => {
  expect(exitCodeOf(refused('object-not-found', 404))).toBe(EXIT_CODES.notFound)
  expect(exitCodeOf(refused('access-denied', 403))).toBe(EXIT_CODES.denied)
  expect(exitCodeOf(refused('unreachable', 0))).toBe(EXIT_CODES.unreachable)
  expect(exitCodeOf(refused('internal', 500))).toBe(EXIT_CODES.failed)
  expect(exitCodeOf(usageError('wrong'))).toBe(EXIT_CODES.usage)
  expect(exitCodeOf(new Error('disk'))).toBe(EXIT_CODES.failed)
})

test('an error says what happened, what to do and how to find it', () => {
  expect(formatError(refused('bucket-not-found', 404))).toEqual([
    'forebay: it failed',
    '  try: "forebay bucket ls" lists the buckets; "bucket add" adds one of a store, "bucket create" makes a native one.',
    '  request id: R1',
  ])
  expect(formatError(new Failure('setting-invalid', 'bad port'))).toEqual(['forebay: bad port'])
  expect(JSON.parse(errorJson(new Error('x')))).toEqual({
    error: { code: 'failed', message: 'x', status: 0, retryable: false },
  })
})

interface Terminal {
  readonly run: Run
  readonly written: string[]
}

function terminal(isTTY: boolean): Terminal {
  const written: string[] = []
  const output = {
    isTTY,
    write: (text: string | Uint8Array): boolean => written.push(String(text)) > 0,
    once: () => undefined,
  }
  const environment = { variables: {}, home: '/home/u' }
  const { signal } = new AbortController()
  const context = { environment, stdout: output, stderr: output, signal }
  return { run: { context, options: {} }, written }
}

test('progress tells share, rate and what is left', () => {
  let nowMs = 0
  const { run, written } = terminal(true)
  const progress = new Progress(run, { label: 'x', totalBytes: 4 * 1024 ** 2, now: () => nowMs })
  nowMs = 1000
  progress.add(1024 ** 2)
  expect(written.at(-1)).toBe(
    '\r\x1b[Kx  [######..................] 25 %  1.00 MiB  1.00 MiB/s  3s left',
  )
  nowMs = 1050
  progress.add(1)
  expect(written).toHaveLength(1)
  progress.finish()
  expect(written.at(-1)).toBe('\r\x1b[K')
})

test('progress of an unknown length has no bar, and none at all without a terminal', () => {
  let nowMs = 0
  const options = { label: 'x', totalBytes: undefined, now: () => nowMs }
  const seen = terminal(true)
  const unknown = new Progress(seen.run, options)
  nowMs = 1000
  unknown.add(2048)
  expect(seen.written).toEqual(['\r\x1b[Kx  2.00 KiB  2.00 KiB/s'])
  const piped = terminal(false)
  const hidden = new Progress(piped.run, options)
  nowMs = 2000
  hidden.add(2048)
  hidden.finish()
  expect(piped.written).toEqual([])
})
