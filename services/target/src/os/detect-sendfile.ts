import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hasSendfile, sendfile } from './libc.ts'
import { sendHead } from './send.ts'
import { socketDescriptor } from './socket.ts'

/** Head of the trial, sent before the file as an answer's is. */
const TRIAL_HEAD = 'head of the trial\r\n'

/** Bytes of the trial; they fit into the send buffer of any socket. */
const TRIAL_BYTES = 16 * 1024

/** Offset of the trial in its file, so that a wrong offset argument shows. */
const TRIAL_OFFSET = 4096 + 1

/** A loopback connection that needs longer is no proof of anything. */
const TRIAL_TIMEOUT_MS = 2000

let detected: Promise<boolean> | undefined
let works = false

/**
 * Whether sendfile(2) moves the right bytes on this machine: sends a head and a file over a loopback
 * connection and compares. Tried once a process; never rejects.
 */
export function detectSendfile(): Promise<boolean> {
  detected ??= (hasSendfile ? trySendfile().catch(() => false) : Promise.resolve(false)).then(
    (result) => {
      works = result
      return result
    },
  )
  return detected
}

/** What `detectSendfile` found; false while it has not been asked, or has not answered. */
export function sendfileWorks(): boolean {
  return works
}

async function trySendfile(): Promise<boolean> {
  const signal = AbortSignal.timeout(TRIAL_TIMEOUT_MS)
  const folder = mkdtempSync(join(tmpdir(), 'forebay-'))
  const server = createServer()
  let client: Socket | undefined
  let accepted: Socket | undefined
  try {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening', { signal })
    const address = server.address()
    if (address === null || typeof address === 'string') return false
    const arrival = once(server, 'connection', { signal })
    client = connect(address.port, '127.0.0.1')
    client.on('error', () => undefined)
    ;[accepted] = await arrival
    return accepted !== undefined && (await compareTrial({ folder, client, accepted, signal }))
  } finally {
    client?.destroy()
    accepted?.destroy()
    server.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function compareTrial(trial: {
  readonly folder: string
  readonly client: Socket
  readonly accepted: Socket
  readonly signal: AbortSignal
}): Promise<boolean> {
  const bytes = randomBytes(TRIAL_OFFSET + TRIAL_BYTES)
  const path = join(trial.folder, 'trial')
  writeFileSync(path, bytes)
  const socketFd = socketDescriptor(trial.accepted)
  if (socketFd === undefined) return false
  // Where heads cannot be sent so, Node writes them: only a wrong one would be a fault.
  const head = Buffer.from(TRIAL_HEAD.slice(0, Math.max(0, sendHead(socketFd, TRIAL_HEAD))))
  const fileFd = openSync(path, 'r')
  try {
    if (sendfile({ socketFd, fileFd }, TRIAL_OFFSET, TRIAL_BYTES) !== TRIAL_BYTES) return false
  } finally {
    closeSync(fileFd)
  }
  const received: Buffer[] = []
  trial.client.on('data', (chunk: Buffer) => received.push(chunk))
  trial.accepted.end()
  await once(trial.client, 'end', { signal: trial.signal })
  return Buffer.concat(received).equals(Buffer.concat([head, bytes.subarray(TRIAL_OFFSET)]))
}
