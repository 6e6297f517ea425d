import { isLoopback } from '@forebay/config/checks'
import type { ListenerSettings, Settings } from '@forebay/config/schema'
import { type Finding, ok, problem, remark, warning } from './finding.ts'
import type { Machine } from './machine.ts'

/** Longest wait for whoever has a port. */
const PORT_TIMEOUT_MS = 2000

/** A header that every answer of `/v1/health` has, and no other server's. */
const UPTIME_HEADER = 'ais-node-uptime'

/** Are the ports free, or is it a node that has them? Who may reach them? */
export async function checkPorts(
  machine: Machine,
  settings: Settings,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  for (const listener of settings.listen) {
    findings.push(await checkPort(machine, listener, signal))
  }
  const reached = settings.listen.find(({ address }) => !isLoopback(address))
  if (reached !== undefined && settings.auth.mode === 'open') {
    const what = `everybody who reaches ${reached.address}:${reached.port} may read, write and delete`
    findings.push(warning('port', what, 'set auth.users, or listen on 127.0.0.1'))
  }
  return findings
}

async function checkPort(
  machine: Machine,
  { address, port, tls }: ListenerSettings,
  signal: AbortSignal,
): Promise<Finding> {
  const place = `${address}:${port}`
  if (port === 0) return ok('port', `${address}: any free port`)
  const state = await machine.tryPort(address, port)
  if (state.free) return ok('port', `${place} is free`)
  if (state.code === 'EACCES') {
    return problem('port', `${place} is not for this user`, 'take a port from 1024 on, or allow it')
  }
  if (state.code !== 'EADDRINUSE') {
    const todo = 'use an address of this machine, or 127.0.0.1'
    return problem('port', `${place} cannot be listened on: ${state.code}`, todo)
  }
  const limit = AbortSignal.any([signal, AbortSignal.timeout(PORT_TIMEOUT_MS)])
  const url = `${tls === undefined ? 'http' : 'https'}://${hostFor(address)}:${port}/v1/health`
  const answer = await machine.ask(url, limit)
  signal.throwIfAborted()
  if (answer.kind === 'answered' && answer.headers.has(UPTIME_HEADER)) {
    return remark('port', `${place}: a node runs here already`)
  }
  const todo = `stop it (ss -ltnp "sport = :${port}" names it), or take another port: --port`
  return problem('port', `${place} is taken by another program`, todo)
}

/** An address as it stands in a URL; all addresses include loopback. */
function hostFor(address: string): string {
  if (address === '0.0.0.0') return '127.0.0.1'
  if (address === '::') return '[::1]'
  return address.includes(':') ? `[${address}]` : address
}
