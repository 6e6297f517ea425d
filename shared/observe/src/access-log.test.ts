import { mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  type AccessEntry,
  AccessLog,
  type AccessSink,
  BACKLOG_CHARACTERS_MAX,
} from './access-log.ts'
import { openFileSink } from './access-sink.ts'

const ENTRY: AccessEntry = {
  requestId: '8JGWW50MKTTBJZ8M',
  timeMs: 1_767_225_600_000,
  remoteAddress: '127.0.0.1',
  operation: 'GetObject',
  bucket: 'data',
  key: 'a/b.jpg',
  status: 200,
  bytesIn: 0,
  bytesOut: 4096,
  durationMs: 1.23456,
  cache: 'hit',
}

interface Recorded {
  readonly sink: AccessSink
  readonly texts: string[]
  closed: boolean
}

function recorder(): Recorded {
  const recorded: Recorded = {
    texts: [],
    closed: false,
    sink: {
      write: async (text) => {
        recorded.texts.push(text)
      },
      close: async () => {
        recorded.closed = true
      },
    },
  }
  return recorded
}

const unexpected = (error: unknown): void => {
  throw error
}

test('a request is one JSON line', async () => {
  const { sink, texts } = recorder()
  const log = new AccessLog({ sink, onError: unexpected })
  log.add({ ...ENTRY, user: 'u1', errorCode: 'SlowDown' })
  await log.close()
  expect(texts.join('')).toMatch(/^[^\n]+\n$/)
  expect(JSON.parse(texts.join(''))).toEqual({
    time: 1_767_225_600_000,
    id: '8JGWW50MKTTBJZ8M',
    remote: '127.0.0.1',
    op: 'GetObject',
    user: 'u1',
    bucket: 'data',
    key: 'a/b.jpg',
    status: 200,
    error: 'SlowDown',
    in: 0,
    out: 4096,
    ms: 1.235,
    cache: 'hit',
  })
})

test.each(['a"b', 'a\\b', 'a\nb', '\u0000\u001f\u007f', '🙂 ü', '\u2028', '\ud800'])(
  'the key %j is read back from its line, which stays one line',
  async (key) => {
    const { sink, texts } = recorder()
    const log = new AccessLog({ sink, onError: unexpected })
    log.add({ ...ENTRY, key })
    await log.flush()
    expect(texts.join('').split('\n')).toHaveLength(2)
    expect(JSON.parse(texts.join(''))).toMatchObject({ key })
    await log.close()
  },
)

test('lines are written together, in order', async () => {
  const { sink, texts } = recorder()
  const log = new AccessLog({ sink, onError: unexpected })
  for (let at = 0; at < 100; at++) log.add({ ...ENTRY, bytesOut: at })
  await log.flush()
  expect(texts).toHaveLength(1)
  const lines = texts.join('').trimEnd().split('\n')
  expect(lines.map((line) => Number(/"out":(\d+)/.exec(line)?.[1]))).toEqual(
    Array.from({ length: 100 }, (_, at) => at),
  )
  await log.close()
})

test('close writes what waits, closes the sink, and drops what comes later', async () => {
  const recorded = recorder()
  const log = new AccessLog({ sink: recorded.sink, onError: unexpected })
  log.add(ENTRY)
  await log.close()
  expect(recorded.texts).toHaveLength(1)
  expect(recorded.closed).toBe(true)
  log.add(ENTRY)
  await log.close()
  expect(recorded.texts).toHaveLength(1)
  expect(log.droppedCount).toBe(1)
})

test('a sink that hangs costs bounded memory: lines beyond the backlog are dropped and counted', async () => {
  let release: () => void = () => undefined
  const gate = new Promise<void>((resolve) => {
    release = resolve
  })
  let characters = 0
  let lineCount = 0
  const sink: AccessSink = {
    write: async (text) => {
      await gate
      characters += text.length
      lineCount += text.split('\n').length - 1
    },
    close: async () => undefined,
  }
  const log = new AccessLog({ sink, onError: unexpected })
  const added = 100_000
  for (let at = 0; at < added; at++) log.add(ENTRY)
  expect(log.droppedCount).toBeGreaterThan(0)
  release()
  await log.close()
  expect(characters).toBeLessThan(BACKLOG_CHARACTERS_MAX * 1.05)
  expect(lineCount + log.droppedCount).toBe(added)
})

test('a sink that fails loses its lines, is reported once until it works again, and is tried again', async () => {
  const errors: unknown[] = []
  let failing = true
  const texts: string[] = []
  const sink: AccessSink = {
    write: async (text) => {
      if (failing) throw new Error('ENOSPC')
      texts.push(text)
    },
    close: async () => undefined,
  }
  const log = new AccessLog({ sink, onError: (error) => errors.push(error) })
  const addAndFlush = async (): Promise<void> => {
    log.add(ENTRY)
    await log.flush()
  }
  await addAndFlush()
  await addAndFlush()
  expect(errors).toHaveLength(1)
  expect(log.droppedCount).toBe(2)
  failing = false
  await addAndFlush()
  expect(texts).toHaveLength(1)
  failing = true
  await addAndFlush()
  expect(errors).toHaveLength(2)
  await log.close()
})

test('a file sink appends, and after a rotation goes on in a new file', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'forebay-access-'))
  try {
    const path = join(directory, 'access.log')
    const sink = await openFileSink(path)
    await sink.write('1\n')
    await sink.write('2\n')
    await rename(path, `${path}.1`)
    await sink.write('3\n')
    await sink.close()
    expect(await readFile(`${path}.1`, 'utf8')).toBe('1\n2\n')
    const again = await openFileSink(path)
    await again.write('4\n')
    await again.close()
    expect(await readFile(path, 'utf8')).toBe('3\n4\n')
  } finally {
    await rm(directory, { recursive: true })
  }
})
