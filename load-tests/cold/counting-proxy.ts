import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A TCP proxy on loopback that counts what comes back from its origin, and may slow it down. */
export class CountingProxy {
  readonly #server = createServer((client) => this.#join(client))
  readonly #sockets = new Set<Socket>()
  readonly #originPort: number
  /** Bytes that the origin sent, heads included. */
  bytesFromOrigin = 0
  /** Connections by which bytes came since it was cleared; an idle one may be taken again. */
  readonly used = new Set<Socket>()
  /** Bytes a second of each connection from the origin; 0 = as fast as it goes. */
  bytesPerSecond = 0

  private constructor(originPort: number) {
    this.#originPort = originPort
  }

  static async open(originPort: number): Promise<CountingProxy> {
    const proxy = new CountingProxy(originPort)
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', () => resolve()))
    return proxy
  }

  get url(): string {
    const address = this.#server.address() as AddressInfo // a TCP server that listens has one
    return `http://127.0.0.1:${address.port}`
  }

  close(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  #join(client: Socket): void {
    const origin = connect(this.#originPort, '127.0.0.1')
    for (const socket of [client, origin]) {
      this.#sockets.add(socket)
      socket.setNoDelay(true)
      socket.on('error', () => socket.destroy())
    }
    client.on('close', () => origin.destroy())
    origin.on('close', () => client.end())
    client.on('data', (chunk) => {
      if (!origin.write(chunk)) client.pause()
    })
    origin.on('drain', () => client.resume())
    origin.on('data', (chunk: Buffer) => this.#forward(chunk, { origin, client }))
    client.on('drain', () => origin.resume())
  }

  #forward(chunk: Buffer, ends: { readonly origin: Socket; readonly client: Socket }): void {
    this.bytesFromOrigin += chunk.length
    this.used.add(ends.origin)
    const full = !ends.client.write(chunk)
    if (this.bytesPerSecond > 0) {
      ends.origin.pause()
      setTimeout(() => ends.origin.resume(), (chunk.length * 1000) / this.bytesPerSecond)
    } else if (full) {
      ends.origin.pause()
    }
  }
}
