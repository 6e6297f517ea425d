import type { IncomingMessage, ServerResponse } from 'node:http'
import { Failure } from '@forebay/base/failure'
import type { FastifyInstance } from 'fastify'
import { EVENTS_PATH } from '../events/answer-events.ts'
import { methodsOf } from './api-route.ts'
import type { V1Context } from './context.ts'
import { Exchange } from './exchange.ts'
import { API_OPERATIONS } from './openapi.ts'
import { routeV1 } from './routes.ts'

const METHODS = ['GET', 'HEAD', 'PUT', 'POST', 'PATCH', 'DELETE'] as const

/** Where requests may come in, and how. */
const ROUTES = [
  { url: '/v1', method: METHODS },
  { url: '/v1/*', method: METHODS },
  { url: '/metrics', method: METHODS },
  { url: EVENTS_PATH, method: [...METHODS, 'OPTIONS'] },
] as const

/**
 * Puts the native door on a Fastify instance: `/v1/...` and `/metrics`.
 *
 * Callers are authenticated before they get here. The framework finds the door and owns the life of
 * the request; bodies, names and errors are read and written on the raw request (see `Exchange`).
 */
export function registerV1(app: FastifyInstance, context: V1Context): void {
  app.register((scope, _options, done) => {
    scope.removeAllContentTypeParsers()
    // Bodies are read by the operation that wants them, so no content type can change how.
    scope.addContentTypeParser('*', (_request, _payload, parsed) => parsed(null))
    scope.addHook('onRequest', async (request) => {
      // The framework refuses odd content types before any route sees them; none of them matters here.
      delete request.raw.headers['content-type']
    })
    for (const { url, method } of ROUTES) {
      scope.route({
        method: [...method],
        url,
        handler: async (request, reply) => {
          reply.hijack()
          const exchange = new Exchange(context, request.raw, reply.raw)
          try {
            await routeV1(exchange)
          } catch (error) {
            exchange.fail(error)
          } finally {
            exchange.finish()
          }
        },
      })
    }
    done()
  })
  app.setNotFoundHandler((request, reply) => {
    reply.hijack()
    const absent = new Failure('uri-invalid', 'there is no such path on this door')
    const failure = unknownMethod(request.raw) ?? absent
    new Exchange(context, request.raw, reply.raw).fail(failure)
  })
  app.setErrorHandler((error, request, reply) => {
    reply.hijack()
    const failure = unknownMethod(request.raw) ?? fromFramework(error)
    new Exchange(context, request.raw, reply.raw).fail(failure)
  })
}

/** Of a method that no path of this door has, what else the framework says does not matter. */
function unknownMethod({ method, url = '' }: IncomingMessage): Failure | undefined {
  if (METHODS.some((known) => known === method)) return undefined
  const own = methodsOf(API_OPERATIONS, url.split('?', 1)[0] ?? '')
  const allow = (own.length > 0 ? own : METHODS).join(', ')
  return new Failure('method-not-allowed', `this path takes ${allow}`, { facts: { allow } })
}

/** Answers a request that was refused before it reached a route: by authentication, say. */
export function refuseV1(
  context: V1Context,
): (error: unknown, request: IncomingMessage, response: ServerResponse) => void {
  return (error, request, response) => new Exchange(context, request, response).fail(error)
}

/**
 * Answers for requests that Fastify refuses before routing, such as bad escapes in the path: the
 * value of its option `frameworkErrors`.
 */
export function v1FrameworkErrors(
  context: V1Context,
): (
  error: unknown,
  request: { readonly raw: IncomingMessage },
  reply: { readonly raw: ServerResponse; hijack(): unknown },
) => void {
  return (error, request, reply) => {
    reply.hijack()
    refuseV1(context)(fromFramework(error), request.raw, reply.raw)
  }
}

/** The framework's own refusals are the caller's mistakes when they say so by their status. */
function fromFramework(error: unknown): unknown {
  if (error instanceof Failure || !(error instanceof Error) || !('statusCode' in error))
    return error
  const { statusCode, message } = error
  if (typeof statusCode !== 'number' || statusCode >= 500) return error
  if (statusCode === 413) return new Failure('payload-too-large', message)
  return new Failure('bad-request', message)
}
