/** Bodies up to this size leave by one read and one write where sendfile(2) cannot be used, bytes. */
export const SMALL_BODY_BYTES_MAX = 64 * 1024

/**
 * The same where it can: measured per request, read and one write together with the head against
 * sendfile after it: 4 KiB 19 and 22 us, 16 KiB 21 and 21 us, 64 KiB 32 and 25 us.
 */
export const SMALL_BODY_DIRECT_BYTES_MAX = 16 * 1024

/** Ranges up to this size that were in memory are taken to be there for `RESIDENCY_NOTED_MS`, bytes. */
export const RESIDENCY_NOTED_BYTES_MAX = 128 * 1024

/**
 * How long, milliseconds. To ask costs 1.7 us, a fifteenth of a GET of 64 KiB; a system that takes pages
 * back within this time of their use has lost its page cache.
 */
export const RESIDENCY_NOTED_MS = 1000

/** Bytes that one sendfile(2) call, and one question for residency, cover. */
export const SLICE_BYTES = 1024 ** 2

/** Bytes that one body sends by sendfile before other connections have their turn. */
export const TURN_BYTES = 4 * 1024 ** 2

/** Bytes that all bodies together send by sendfile in one turn of the event loop: 4 ms of it. */
export const LOOP_TURN_BYTES = 16 * 1024 ** 2

/**
 * Bytes written the ordinary way when the socket is full, to learn when it has room again. They are
 * the memory a stalled reader costs; sizes from 16 to 256 KiB were equally fast.
 */
export const NUDGE_BYTES = 16 * 1024

/** Buffers of `PUMP_SLICE_BYTES` that all bodies share: 64 MiB. Without one a body goes on by nudges. */
export const SEND_BUFFERS_MAX = 256

/** Of them, those kept while nobody needs them: 16 MiB. */
export const SEND_BUFFERS_IDLE_MAX = 64

/** A client must take `STALL_BYTES_MIN` in every such time while we wait for it, milliseconds. */
export const WRITE_STALL_TIMEOUT_MS = 60_000

/** The least progress in `WRITE_STALL_TIMEOUT_MS`, bytes: a reader of 1 byte/s is no reader. */
export const STALL_BYTES_MIN = 16 * 1024
