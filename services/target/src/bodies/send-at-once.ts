import type { ServerResponse } from 'node:http'
import { sendfile } from '../os/libc.ts'
import { markHeadSent, unsentHead } from '../os/response-head.ts'
import { bodyRoom, sendHead, sendHeadAndBody, unsentBytes } from '../os/send.ts'
import { socketDescriptor } from '../os/socket.ts'
import { loopTurns } from './loop-turns.ts'
import { SLICE_BYTES } from './send-limits.ts'

/** A body that is at hand. */
export interface BodyAtHand {
  readonly socketFd: number
  /** At most `BODY_ROOM_BYTES`. */
  readonly lengthBytes: number
  /** Puts the bytes into a buffer of that length. @throws Failure `object-corrupt` | `disk-error` */
  readonly fill: (room: Buffer) => void
}

/** Bytes of a file that are there and in memory. */
export interface ResidentRange {
  readonly fd: number
  readonly offset: number
  readonly lengthBytes: number
}

/**
 * The descriptor to which an answer may be sent past Node from its first byte: a plain TCP socket
 * that this response owns and on which nothing waits.
 */
export function directSocket({ socket, req }: ServerResponse): number | undefined {
  if (socket === null || socket.writableLength > 0 || req.method === 'HEAD') return undefined
  return socketDescriptor(socket)
}

/**
 * Sends head and body of a small answer in one call, and ends the response. What the socket does not
 * take at once goes on in Node's queue.
 *
 * @param writeHead called when the bytes are there and before anything is sent
 * @throws Failure `object-corrupt` | `disk-error`, with nothing written; what `writeHead` throws
 */
export function sendSmall(
  response: ServerResponse,
  { socketFd, lengthBytes, fill }: BodyAtHand,
  writeHead: () => void,
): void {
  fill(bodyRoom.subarray(0, lengthBytes))
  writeHead()
  const head = response.chunkedEncoding ? undefined : unsentHead(response)
  const sentBytes = head === undefined ? -1 : sendHeadAndBody(socketFd, head, lengthBytes)
  if (head === undefined || sentBytes < 0) {
    // Node's own write tells a full socket from a broken one.
    response.end(Buffer.from(bodyRoom.subarray(0, lengthBytes)))
    return
  }
  markHeadSent(response)
  if (sentBytes < head.length + lengthBytes) {
    response.socket?.write(unsentBytes(head, lengthBytes, sentBytes))
  }
  response.end()
}

/**
 * Sends the head of an answer and the beginning of its body behind it, so that both leave in the same
 * packets. Undefined when nothing was sent and the head is still to be.
 *
 * @returns bytes of the body that were sent, at most `SLICE_BYTES`; 0 also when the file or the socket
 *   is broken, which the next attempt shows
 */
export function sendBeginning(
  response: ServerResponse,
  socketFd: number,
  { fd, offset, lengthBytes }: ResidentRange,
): number | undefined {
  const head = response.chunkedEncoding ? undefined : unsentHead(response)
  if (head === undefined || !loopTurns.isOpen) return undefined
  const headBytes = sendHead(socketFd, head)
  if (headBytes < 0) return undefined
  markHeadSent(response)
  if (headBytes < head.length) {
    response.socket?.write(head.slice(headBytes), 'latin1')
    return 0
  }
  const wanted = Math.min(SLICE_BYTES, lengthBytes)
  const sentBytes = Math.max(0, sendfile({ socketFd, fileFd: fd }, offset, wanted))
  loopTurns.spend(sentBytes)
  return sentBytes
}
