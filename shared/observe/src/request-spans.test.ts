import { setImmediate as turn } from 'node:timers/promises'
import { Failure } from '@forebay/base/failure'
import {
  InMemorySpanExporter,
  ParentBasedSampler,
  type ReadableSpan,
  SimpleSpanProcessor,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import { expect, test } from 'vitest'
import { RequestSpans } from './request-spans.ts'
import type { TracedAnswer } from './tracing.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const SPAN = '00f067aa0ba902b7'

const ANSWER: TracedAnswer = {
  requestId: 'R1',
  operation: 'GetObject',
  bucket: 'corpus',
  status: 200,
  errorCode: undefined,
  bytesIn: 0,
  bytesOut: 5,
  cache: 'hit',
}

const waited = (): boolean => true
const didNotWait = (): boolean => false

function open(sampleRatio = 1) {
  const exporter = new InMemorySpanExporter()
  const provider = new TracerProvider({
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(sampleRatio) }),
    spanProcessors: [new SimpleSpanProcessor({ exporter })],
  })
  const spans = new RequestSpans(provider.getTracer('test'))
  /** Handles a request as a door does: in the background, and its answer is told of at the end. */
  const serve = (
    act: () => Promise<void>,
    { traceparent, answer = ANSWER }: { traceparent?: string; answer?: TracedAnswer } = {},
  ): Promise<void> =>
    new Promise((resolve, reject) => {
      spans.serve({ method: 'GET', traceparent }, () => {
        act()
          .then(() => spans.answered(answer))
          .then(resolve, reject)
      })
    })
  const byName = (name: string): ReadableSpan => {
    const found = exporter.getFinishedSpans().filter((span) => span.name === name)
    expect(found.map((span) => span.name)).toEqual([name])
    const [span] = found
    if (span === undefined) throw new Error(`there is no span ${name}`)
    return span
  }
  const names = (): string[] =>
    exporter
      .getFinishedSpans()
      .map((span) => span.name)
      .sort()
  return { spans, serve, byName, names }
}

test('a request that waits for nothing is one span, with what was answered', async () => {
  const { spans, serve, byName, names } = open()
  await serve(() => spans.step('target read', () => turn(), didNotWait))
  expect(names()).toEqual(['GetObject'])
  const door = byName('GetObject')
  expect(door.parentSpanContext).toBeUndefined()
  expect(door.attributes).toEqual({
    'http.request.method': 'GET',
    'http.response.status_code': 200,
    'http.request.body.size': 0,
    'http.response.body.size': 5,
    'forebay.request_id': 'R1',
    'forebay.operation': 'GetObject',
    'forebay.bucket': 'corpus',
    'forebay.cache': 'hit',
  })
})

test('door, target and origin are one trace, each below the one before', async () => {
  const { spans, serve, byName } = open()
  await serve(async () => {
    await spans.step(
      'target read',
      async () => {
        await turn()
        const origin = spans.origin({ backend: 's3://corpus', operation: 'read' })
        await origin?.run(async () => {
          await turn()
          spans.repeated()
        })
        origin?.end({ outcome: 'found', failed: false, bytesRead: 5 })
      },
      didNotWait,
    )
  })
  const door = byName('GetObject')
  const target = byName('target read')
  const origin = byName('origin read')
  expect(target.parentSpanContext?.spanId).toBe(door.spanContext().spanId)
  expect(origin.parentSpanContext?.spanId).toBe(target.spanContext().spanId)
  expect(origin.spanContext().traceId).toBe(door.spanContext().traceId)
  expect(origin.attributes).toEqual({
    'forebay.backend': 's3://corpus',
    'forebay.operation': 'read',
    'forebay.outcome': 'found',
    'forebay.retries': 1,
    'http.response.body.size': 5,
  })
})

test('a step that waited for another request has a span too', async () => {
  const { spans, serve, byName } = open()
  await serve(() => spans.step('target read', () => turn(), waited))
  expect(byName('target read').duration[1]).toBeGreaterThan(0)
})

test('what an ended step goes on with belongs to its request', async () => {
  const { spans, serve, byName, names } = open()
  let rest: Promise<void> | undefined
  await serve(async () => {
    await spans.step(
      'target read',
      async () => {
        rest = (async () => {
          await turn()
          spans
            .origin({ backend: 'b', operation: 'read' })
            ?.end({ outcome: 'found', failed: false })
        })()
      },
      didNotWait,
    )
  })
  await rest
  expect(names()).toEqual(['GetObject', 'origin read'])
  expect(byName('origin read').parentSpanContext?.spanId).toBe(
    byName('GetObject').spanContext().spanId,
  )
})

test('requests at the same time do not get into each other', async () => {
  const { spans, serve, names } = open()
  await Promise.all(
    ['A', 'B', 'C'].map((operation) =>
      serve(() => spans.step(`step ${operation}`, () => turn(), waited), {
        answer: { ...ANSWER, operation },
      }),
    ),
  )
  expect(names()).toEqual(['A', 'B', 'C', 'step A', 'step B', 'step C'])
})

test('a failure passes through a step and is named in its span by its code alone', async () => {
  const { spans, serve, byName } = open()
  const failure = new Failure('backend-unreachable', 'http://user:secret@host did not answer')
  await serve(
    async () => {
      const step = spans.step('target read', () => Promise.reject(failure), waited)
      await expect(step).rejects.toBe(failure)
    },
    { answer: { ...ANSWER, status: 502, errorCode: 'backend-unreachable' } },
  )
  for (const span of [byName('GetObject'), byName('target read')]) {
    expect(span.attributes['error.type']).toBe('backend-unreachable')
    expect(span.status).toEqual({ code: 2 })
    expect(span.events).toEqual([])
  }
})

test('a request that its client traces is part of the trace of the client', async () => {
  const { serve, byName } = open(0)
  await serve(() => turn(), { traceparent: `00-${TRACE}-${SPAN}-01` })
  const door = byName('GetObject')
  expect(door.spanContext().traceId).toBe(TRACE)
  expect(door.parentSpanContext?.spanId).toBe(SPAN)
})

test('a request that is not traced has no spans at all', async () => {
  const { spans, serve, names } = open(0)
  const origins: unknown[] = []
  const act = async (): Promise<void> => {
    await spans.step('target read', () => turn(), waited)
    origins.push(spans.origin({ backend: 'b', operation: 'read' }))
  }
  await serve(act)
  await serve(act, { traceparent: `00-${TRACE}-${SPAN}-00` })
  expect(names()).toEqual([])
  expect(origins).toEqual([undefined, undefined])
})

test('work that no request needs has no spans', async () => {
  const { spans, names } = open()
  await spans.step('target read', () => turn(), waited)
  spans.repeated()
  spans.answered(ANSWER)
  expect(spans.origin({ backend: 'b', operation: 'head' })).toBeUndefined()
  expect(names()).toEqual([])
})
