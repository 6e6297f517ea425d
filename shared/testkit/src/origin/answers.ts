import type { OriginRequest, OriginScript, OriginStep } from './scripted-origin.ts'

export interface OriginAnswer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string | number>>
  readonly body?: Buffer | string
}

/** The bytes of an answer. Content-Length is the truth unless `headers` say otherwise. */
export function answerBytes(answer: OriginAnswer): Buffer {
  const body = Buffer.from(answer.body ?? '')
  const headers = { 'content-length': body.length, ...answer.headers }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  const head = [`HTTP/1.1 ${answer.status} Said`, ...lines, '', ''].join('\r\n')
  return Buffer.concat([Buffer.from(head, 'latin1'), body])
}

/** An answer in order. */
export function answer(said: OriginAnswer): readonly OriginStep[] {
  return [{ kind: 'send', bytes: answerBytes(said) }]
}

/** An answer whose connection breaks after `bodyBytes` of its body. */
export function cutAnswer(said: OriginAnswer, bodyBytes: number): readonly OriginStep[] {
  const whole = answerBytes(said)
  const cutAt = whole.length - Buffer.from(said.body ?? '').length + bodyBytes
  return [
    { kind: 'send', bytes: whole.subarray(0, cutAt) },
    { kind: 'wait', ms: 20 },
    { kind: 'close' },
  ]
}

/** An error document of the S3 API. */
export function errorAnswer(status: number, code: string): readonly OriginStep[] {
  const body = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>said</Message></Error>`
  return answer({ status, headers: { 'content-type': 'application/xml' }, body })
}

/** One script for each request in turn; the final one goes on for ever. */
export function inTurn(...scripts: readonly OriginScript[]): OriginScript {
  return (request: OriginRequest) =>
    scripts[Math.min(request.index, scripts.length - 1)]?.(request) ?? [{ kind: 'reset' }]
}
