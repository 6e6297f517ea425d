import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Tracing } from '@forebay/observe/tracing'
import type { Door } from './listeners.ts'

type Handle = (request: IncomingMessage, response: ServerResponse) => void

/** The door with a span around each request, if there are traces; whoever tells of its answer ends it. */
export function traceDoor(door: Door, tracing: Tracing | undefined): Door {
  if (tracing === undefined) return door
  const traced =
    (handle: Handle): Handle =>
    (request, response) => {
      const { traceparent } = request.headers
      tracing.serve(
        {
          method: request.method ?? '',
          traceparent: typeof traceparent === 'string' ? traceparent : undefined,
        },
        () => handle(request, response),
      )
    }
  return {
    ...door,
    onRequest: traced(door.onRequest),
    onCheckContinue: traced(door.onCheckContinue),
    onCheckExpectation: traced(door.onCheckExpectation),
  }
}
