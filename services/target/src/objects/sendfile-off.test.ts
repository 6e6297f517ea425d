import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { patterned } from '../bodies/testing/body-server.ts'
import { detectSendfile } from '../os/detect-sendfile.ts'
import { readObject } from './read.ts'
import { Rig } from './testing/rig.ts'

let rig: Rig

beforeEach(async () => {
  rig = await Rig.open()
})
afterEach(() => rig.close())

test('where sendfile is switched off a read that is being fetched leaves without it, too', async () => {
  expect(await detectSendfile()).toBe(true)
  expect(rig.context.sendfile).toBe('off')
  // Too small for memory of its own: readers follow the file.
  const bytes = patterned(900 * 1024)
  rig.remote.put('remote', 'a', bytes)
  const { signal } = new AbortController()
  const answer = await readObject(rig.context, {
    bucket: rig.bucket,
    key: 'a',
    signal,
    conditions: {},
  })
  if (answer.kind !== 'found') throw new Error(answer.kind)
  const { body } = answer
  let writtenBytes = 0
  const server = createServer((_, response) => {
    response.writeHead(200, { 'content-length': body.lengthBytes, connection: 'close' })
    const { socket } = response
    socket?.once('close', () => {
      writtenBytes = socket.bytesWritten
      server.close()
    })
    void body.sendTo(response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  // An address of a listening TCP server is never a string or null.
  const { port = 0 }: Partial<AddressInfo> = Object(server.address())
  const client = connect(port, '127.0.0.1')
  client.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  client.resume()
  await once(server, 'close')
  // What goes past Node is not counted there.
  expect(writtenBytes).toBeGreaterThan(bytes.length)
})
