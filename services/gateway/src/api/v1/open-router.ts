import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Failure } from '@forebay/base/failure'
import fastify from 'fastify'
import type { V1Context } from './context.ts'
import { registerV1, v1FrameworkErrors } from './register.ts'

/** Longest path that the router takes apart, characters: an escaped key of 1,024 bytes fits. */
const PATH_LENGTH_MAX = 8192

/** The native door as a function of requests that somebody else listens for. */
export interface V1Router {
  handle(request: IncomingMessage, response: ServerResponse): void
  close(): Promise<void>
}

/** Opens the native door without a listener of its own: callers were authenticated before. */
export async function openV1Router(context: V1Context): Promise<V1Router> {
  const late: { handle?: (request: IncomingMessage, response: ServerResponse) => void } = {}
  const app = fastify({
    logger: false,
    exposeHeadRoutes: false,
    frameworkErrors: v1FrameworkErrors(context),
    routerOptions: { maxParamLength: PATH_LENGTH_MAX, ignoreDuplicateSlashes: false },
    serverFactory: (handle) => {
      late.handle = handle
      // Never listens: the listeners are opened elsewhere, one per address.
      return createServer()
    },
  })
  registerV1(app, context)
  await app.ready()
  return {
    handle: (request, response) => {
      if (late.handle === undefined) throw new Failure('internal', 'the router is not open')
      late.handle(request, response)
    },
    close: async () => {
      await app.close()
    },
  }
}
