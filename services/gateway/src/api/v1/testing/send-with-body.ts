import { request } from 'node:http'

export interface WireAnswer {
  readonly status: number
  readonly type: string | undefined
  readonly text: string
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
}

/**
 * Asks with a body of JSON, whatever the method; without one where it is `undefined`. Not `fetch`: it
 * refuses a body with GET, which AIStore's clients send.
 */
export function sendWithBody(url: string, method: string, body: unknown): Promise<WireAnswer> {
  const sent = body === undefined ? '' : JSON.stringify(body)
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': sent.length }
    const outgoing = request(url, { method, headers }, async (response) => {
      const { statusCode: status = 0, headers: told } = response
      let text = ''
      for await (const chunk of response) text += String(chunk)
      resolve({ status, type: told['content-type'], text, headers: told })
    })
    outgoing.once('error', reject)
    outgoing.end(sent)
  })
}
