/**
 * send(2), for answers that leave in one call: what Node writes costs a request object,
 * two turns of its queues and, for head and body apart, a packet and a wake-up of the client each.
 *
 * Everything is copied into one buffer of the process before the call, and the call is over when it
 * returns: nothing of it is in use afterwards.
 */
import { addressOf, bind } from './libc.ts'

/** Of send(2), the same numbers on every architecture of Linux. */
const MSG_DONTWAIT = 0x40
const MSG_NOSIGNAL = 0x4000
const MSG_MORE = 0x8000
const FLAGS = MSG_DONTWAIT | MSG_NOSIGNAL

/** Longest head that is sent so, bytes; Node writes the few that are longer. */
export const HEAD_BYTES_MAX = 16 * 1024

/** Most bytes of a body that are sent together with its head. */
export const BODY_ROOM_BYTES = 16 * 1024

const room = Buffer.allocUnsafeSlow(HEAD_BYTES_MAX + BODY_ROOM_BYTES)

/** Where the bytes of a body are put for `sendHeadAndBody`; valid until anybody else does. */
export const bodyRoom = room.subarray(HEAD_BYTES_MAX)

const roomAddress = addressOf(room) ?? 0n

const sendCall =
  process.platform === 'linux'
    ? bind('send', {
        // No call takes more than `room` has, so that the low half of the result is all of it.
        arguments: ['int32', 'pointer', 'uint64', 'int32'],
        return: 'int32',
      })
    : undefined

/**
 * Gives the head of an answer to the system, which waits for the first bytes of the body (at most
 * 200 ms) so that both leave together.
 *
 * @param head one character per byte
 * @returns bytes taken, fewer than the head has when the socket is full; -1 when none were
 */
export function sendHead(socketFd: number, head: string): number {
  if (sendCall === undefined || head.length > HEAD_BYTES_MAX) return -1
  room.write(head, 0, 'latin1')
  return sendCall(socketFd, roomAddress, BigInt(head.length), FLAGS | MSG_MORE)
}

/**
 * Sends a head and the first `bodyBytes` of `bodyRoom`.
 *
 * @param head one character per byte
 * @returns bytes taken of both together; -1 when none were
 */
export function sendHeadAndBody(socketFd: number, head: string, bodyBytes: number): number {
  if (sendCall === undefined || head.length > HEAD_BYTES_MAX) return -1
  const begin = HEAD_BYTES_MAX - head.length
  room.write(head, begin, 'latin1')
  const length = BigInt(head.length + bodyBytes)
  return sendCall(socketFd, roomAddress + BigInt(begin), length, FLAGS)
}

/** A copy of what `sendHeadAndBody` left of its bytes; to be taken right after it. */
export function unsentBytes(head: string, bodyBytes: number, sentBytes: number): Buffer {
  const begin = HEAD_BYTES_MAX - head.length
  return Buffer.from(room.subarray(begin + sentBytes, HEAD_BYTES_MAX + bodyBytes))
}
