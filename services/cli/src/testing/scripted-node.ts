import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { runCli } from '../program.ts'

/** Answers requests by script, remembers them, and runs command lines that ask it. */
export interface ScriptedNode {
  /** Requests in their order, but for that for the kinds of jobs. */
  readonly seen: { readonly line: string; readonly body: unknown }[]
  /** Ctrl-C of the commands. */
  readonly interrupt: AbortController
  answer: (request: IncomingMessage, response: ServerResponse) => void
  forebay(
    ...args: string[]
  ): Promise<{ readonly code: number; readonly out: string; readonly err: string }>
  close(): Promise<void>
}

/** A node that knows kinds of jobs; to anything else it answers with a running job, unless told. */
export async function startScriptedNode(): Promise<ScriptedNode> {
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    if (request.url === '/v1/jobs/kinds') {
      response.end(JSON.stringify(KINDS))
      return
    }
    const sent: unknown = body === '' ? undefined : JSON.parse(body)
    node.seen.push({ line: `${request.method} ${request.url}`, body: sent })
    node.answer(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  // Listening on an IP address, a server's address is never a pipe name.
  const { port } = server.address() as AddressInfo
  const node: ScriptedNode = {
    seen: [],
    interrupt: new AbortController(),
    answer: (_request, response) => void response.end(JSON.stringify(RUNNING_JOB)),
    forebay: async (...args) => {
      const out: string[] = []
      const err: string[] = []
      const output = (lines: string[]) => ({
        write: (text: string | Uint8Array): boolean => lines.push(String(text)) > 0,
        once: () => undefined,
      })
      const variables = { FOREBAY_ENDPOINT: `http://127.0.0.1:${port}` }
      const code = await runCli(args, {
        environment: { variables, home: '/none' },
        stdout: output(out),
        stderr: output(err),
        signal: node.interrupt.signal,
      })
      return { code, out: out.join(''), err: err.join('') }
    },
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return node
}

/** A job as a node tells of it. */
export const RUNNING_JOB = {
  id: 'j1',
  kind: 'prefetch',
  bucket: 'aws://train',
  args: { prefix: 'a/' },
  priority: 'normal',
  limits: {},
  state: 'running',
  created: '2026-11-21T04:44:45.123Z',
  started: '2026-11-21T04:44:46.123Z',
  ended: null,
  attempt: 1,
  listing: { items: 1000, bytes: 4096, pages: 1, complete: true },
  counters: { done: 240, skipped: 10, failed: 0, bytes: 2048 },
  rate: { itemsPerSecond: 12.5, bytesPerSecond: 1024 },
  remainingSeconds: 60,
  error: null,
  result: null,
}

const KINDS = [
  {
    name: 'prefetch',
    doc: 'Brings objects.',
    bucket: 'required',
    args: {
      type: 'object',
      properties: {
        keys: { type: 'array', items: { type: 'string' }, description: 'Keys, one by one.' },
        prefix: { type: 'string', description: 'All that begin with it.' },
        latest: { type: 'boolean', description: 'Asks the store.' },
      },
    },
  },
  {
    name: 'archive',
    doc: 'Writes archives.',
    bucket: 'required',
    args: {
      type: 'object',
      required: ['to', 'name'],
      properties: {
        to: { type: 'string', description: 'Bucket.' },
        name: { type: 'string', description: 'Key.' },
        format: { enum: ['tar', 'zip'], description: 'Absent: as the name ends.' },
        shardBytes: { type: 'integer', description: 'Bytes.' },
        labels: { type: 'object', description: 'Words.' },
      },
    },
  },
]
