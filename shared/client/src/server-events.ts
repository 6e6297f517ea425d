import { ForebayError } from './forebay-error.ts'

/** Characters of one event that are taken; a job with the longest arguments has fewer. */
const EVENT_LENGTH_MAX = 32 * 1024 * 1024

/** One event of a stream of server-sent events. */
export interface ServerEvent {
  readonly event: string
  readonly data: string
}

/**
 * The events of an answer in their order, comments left out, until the server ends it. Giving up the
 * iteration gives up the answer.
 *
 * @throws ForebayError `answer-malformed` for an event of more than 32 MiB
 */
export async function* serverEvents(
  body: ReadableStream<Uint8Array>,
): AsyncGenerator<ServerEvent, void> {
  const reader = body.getReader()
  const decoder = new TextDecoder()
  let held = ''
  try {
    for (;;) {
      const { value, done } = await reader.read()
      if (done) return
      // All three line ends are allowed; one that is cut in half waits for its other half.
      const text = `${held}${decoder.decode(value, { stream: true })}`
      const cut = text.endsWith('\r') ? text.length - 1 : text.length
      const blocks = text.slice(0, cut).replaceAll(/\r\n?/g, '\n').split('\n\n')
      held = `${blocks.pop() ?? ''}${text.slice(cut)}`
      if (held.length > EVENT_LENGTH_MAX) throw tooLong()
      for (const block of blocks) {
        const event = eventOf(block)
        if (event !== undefined) yield event
      }
    }
  } finally {
    // The server may have gone; there is nothing to give up then.
    await reader.cancel().catch(() => undefined)
  }
}

function eventOf(block: string): ServerEvent | undefined {
  let event = 'message'
  const data: string[] = []
  for (const line of block.split('\n')) {
    const [, name = '', value = ''] = /^([^:]*):? ?(.*)$/s.exec(line) ?? []
    if (name === 'event') event = value
    if (name === 'data') data.push(value)
  }
  return data.length === 0 && event === 'message' ? undefined : { event, data: data.join('\n') }
}

function tooLong(): ForebayError {
  return new ForebayError('the server sent an event without an end', {
    code: 'answer-malformed',
    status: 200,
    retryable: false,
  })
}
