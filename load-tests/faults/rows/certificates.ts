import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import { runCommand } from '../../testkit/run-command.ts'
import { freePort, temporaryFolder } from '../../testkit/servers.ts'
import { Checks, type FaultRow, onNode, until } from './row.ts'

/** The files are looked at every two seconds. */
const NOTICE_MS = 10_000

/** Row 30: the certificate of a listener is replaced while connections are open. */
export const certificates: FaultRow = {
  number: 30,
  title:
    'a new certificate is taken without a restart, a broken one is not, open connections go on',
  inTests: false,
  async run() {
    const folder = await temporaryFolder('certificates')
    const [cert, key] = [join(folder.path, 'cert.pem'), join(folder.path, 'key.pem')]
    try {
      await makeCertificate(folder.path, 'first.test')
      const [plain, secure] = [await freePort(), await freePort()]
      const listen = [{ port: plain }, { port: secure, tls: { cert, key } }]
      return await onNode({ config: { listen }, port: plain }, async () => {
        const checks = new Checks()
        checks.that((await nameOn(secure)) === 'first.test', 'not the first certificate')
        const held = await openTls(secure)
        checks.that(await answers(held), 'no answer over TLS')
        await makeCertificate(folder.path, 'second.test')
        const isSecond = async () => (await nameOn(secure)) === 'second.test'
        const noticedMs = await until(isSecond, NOTICE_MS)
        checks.that(noticedMs < NOTICE_MS, 'the new certificate is not taken')
        checks.that(await answers(held), 'an open connection does not go on')
        const good = await readFile(cert)
        await writeFile(cert, good.subarray(0, 200))
        await new Promise((resolve) => setTimeout(resolve, 3000))
        checks.that(await isSecond(), 'a broken certificate took the place of a good one')
        held.destroy()
        return {
          figures: `taken after ${noticedMs.toFixed(0)} ms; a broken one is not`,
          violations: checks.violations,
        }
      })
    } finally {
      await folder.remove()
    }
  },
}

/** Both files change their place in one step each, as certificate tools do it. */
async function makeCertificate(folder: string, name: string): Promise<void> {
  const next = (file: string): string => join(folder, `next-${file}`)
  await runCommand('openssl', [
    ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', `/CN=${name}`],
    ...['-keyout', next('key.pem'), '-out', next('cert.pem')],
  ])
  for (const file of ['key.pem', 'cert.pem']) await rename(next(file), join(folder, file))
}

function openTls(port: number): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    // It is the name that matters here, not who vouches for it.
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () =>
      resolve(socket),
    )
    socket.once('error', reject)
  })
}

/** The name in the certificate that a new connection gets. */
async function nameOn(port: number): Promise<string> {
  const socket = await openTls(port)
  const { subject } = socket.getPeerCertificate()
  socket.destroy()
  const name = subject?.CN
  return typeof name === 'string' ? name : ''
}

/** One request on a connection that stays open. */
function answers(socket: TLSSocket): Promise<boolean> {
  return new Promise((resolve) => {
    socket.once('data', (bytes) => resolve(bytes.toString().startsWith('HTTP/1.1 200')))
    socket.once('close', () => resolve(false))
    socket.write('GET /v1/health HTTP/1.1\r\nHost: x\r\n\r\n')
  })
}
