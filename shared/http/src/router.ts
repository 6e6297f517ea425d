import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Failure } from '@forebay/base/failure'
import { JSON_BODY_BYTES_MAX } from '@forebay/base/limits'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'

/** A Fastify instance without a server of its own: a front door decides what reaches it. */
export interface Router {
  readonly app: FastifyInstance
  /** Routes one request; to be called after `app.ready()` only. */
  readonly handle: (request: IncomingMessage, response: ServerResponse) => void
}

/** Longest path parameter, characters: an escaped key of 1,024 bytes fits. */
const PARAMETER_LENGTH_MAX = 4096

/**
 * Makes a router that several listeners can share.
 *
 * @param frameworkErrors answers for requests that the framework refuses before routing
 */
export function createRouter(
  frameworkErrors?: NonNullable<FastifyServerOptions['frameworkErrors']>,
): Router {
  let route: Router['handle'] | undefined
  const app = Fastify({
    logger: false,
    bodyLimit: JSON_BODY_BYTES_MAX,
    exposeHeadRoutes: false,
    // Forwarded headers are not believed: anybody can send them.
    trustProxy: false,
    routerOptions: { maxParamLength: PARAMETER_LENGTH_MAX },
    ...(frameworkErrors === undefined ? {} : { frameworkErrors }),
    serverFactory: (handler) => {
      route = handler
      // Fastify wants a server to own; this one never listens.
      return createServer()
    },
  })
  return {
    app,
    handle: (request, response) => {
      if (route === undefined) throw new Failure('unavailable', 'the router is not ready')
      route(request, response)
    },
  }
}
