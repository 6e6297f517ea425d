import { createServer, type Server } from 'node:http'

/** One span as a collector got it. */
export interface ReceivedSpan {
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string | undefined
  readonly attributes: Readonly<Record<string, string | undefined>>
}

/** The least of a collector that takes traces by OTLP over HTTP, in JSON. */
export class Collector {
  readonly spans: ReceivedSpan[] = []
  /** All that came, as it was written. */
  text = ''
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
  }

  static async open(): Promise<Collector> {
    const server = createServer(async (request, response) => {
      const text = (await request.toArray()).join('')
      collector.text += text
      collector.spans.push(...spansOf(text))
      response.end('{}')
    })
    const collector = new Collector(server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return collector
  }

  get url(): string {
    const address = this.#server.address()
    if (typeof address !== 'object' || address === null) throw new Error('the server has no port')
    return `http://127.0.0.1:${address.port}`
  }

  close(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }
}

interface WireSpan extends Omit<ReceivedSpan, 'attributes'> {
  readonly attributes: readonly {
    readonly key: string
    readonly value: { readonly stringValue?: string; readonly intValue?: number | string }
  }[]
}

function spansOf(text: string): readonly ReceivedSpan[] {
  const message: {
    readonly resourceSpans: readonly {
      readonly scopeSpans: readonly { readonly spans: readonly WireSpan[] }[]
    }[]
  } = JSON.parse(text)
  return message.resourceSpans
    .flatMap(({ scopeSpans }) => scopeSpans)
    .flatMap(({ spans }) => spans)
    .map((span) => ({
      name: span.name,
      traceId: span.traceId,
      spanId: span.spanId,
      parentSpanId: span.parentSpanId === '' ? undefined : span.parentSpanId,
      attributes: Object.fromEntries(
        span.attributes.map(({ key, value }) => [key, value.stringValue ?? String(value.intValue)]),
      ),
    }))
}
