import { Failure } from '@forebay/base/failure'
import { parseQueryFlag } from '@forebay/wire/action'
import type { Exchange } from './exchange.ts'
import { readAction } from './request-body.ts'

/** One disk, as `GET /v1/forebay/status` tells it. */
export interface MountpathStatus {
  readonly path: string
  readonly state: string
  readonly usedBytes: number
  readonly capacityBytes: number
  readonly objectCount?: number | undefined
  /** Errors of its disk since the start. */
  readonly errorCount?: number | undefined
  /** Why it is in this state, where that needs a reason. */
  readonly reason?: string | undefined
}

/** What may be done to the mountpaths of a node. */
export interface MountpathControl {
  list(): readonly MountpathStatus[]
  attach(path: string): Promise<MountpathStatus>
  enable(path: string): Promise<MountpathStatus>
  /** Answers with the objects that are lost, none unless `force`. */
  detach(path: string, options: { readonly force: boolean }): Promise<Left>
  /** Answers with the objects that cannot be had until it is enabled, none unless `force`. */
  disable(path: string, options: { readonly force: boolean }): Promise<Left>
  /** Looks at the disk now, as it is looked at after errors. */
  check(path: string): Promise<MountpathStatus>
}

interface Left {
  readonly objectCount: number
  readonly bytes: number
}

/** AIStore's actions, by the method that they come with. */
const ACTIONS: Readonly<Record<string, readonly string[]>> = {
  PUT: ['attach-mp'],
  POST: ['enable-mp', 'disable-mp', 'rescan-mp', 'fshc-mp'],
  DELETE: ['detach-mp'],
}

/** `GET /v1/daemon?what=mountpaths`, as AIStore has it. */
export function answerMountpathLists(exchange: Exchange): void {
  const of = (...states: readonly string[]): readonly string[] =>
    controlOf(exchange)
      .list()
      .filter(({ state }) => states.includes(state))
      .map(({ path }) => path)
  exchange.sendJson({
    available: of('enabled'),
    waiting_dd: of('draining'),
    disabled: of('disabled', 'faulted'),
  })
}

/** `PUT | POST | DELETE /v1/daemon/mountpaths`: attach, enable, disable, detach, look at one. */
export async function changeMountpath(exchange: Exchange): Promise<void> {
  exchange.authorise('admin')
  const actions = ACTIONS[exchange.method]
  if (actions === undefined) {
    throw new Failure('method-not-allowed', 'this path takes PUT, POST, DELETE', {
      facts: { allow: 'PUT, POST, DELETE' },
    })
  }
  const message = await readAction(exchange.raw, exchange.signal)
  const path = message?.value
  if (message === undefined || typeof path !== 'string' || path === '') {
    throw new Failure('argument-invalid', 'the body must be {"action", "value": "/mountpath"}')
  }
  if (!actions.includes(message.action)) {
    throw new Failure('argument-invalid', `the action here is one of ${actions.join(', ')}`)
  }
  const control = controlOf(exchange)
  // AIStore's word: leave without moving anything.
  const force = parseQueryFlag(exchange.query.get('dntres'))
  switch (message.action) {
    case 'attach-mp':
      return exchange.sendJson(await control.attach(path))
    case 'enable-mp':
      return exchange.sendJson(await control.enable(path))
    case 'disable-mp':
      return exchange.sendJson(await control.disable(path, { force }))
    case 'detach-mp':
      return exchange.sendJson(await control.detach(path, { force }))
    case 'fshc-mp':
      return exchange.sendJson(await control.check(path))
    default:
      throw new Failure('not-implemented', `${message.action} is not built yet`)
  }
}

function controlOf(exchange: Exchange): MountpathControl {
  const { mountpaths } = exchange.context
  if (mountpaths !== undefined) return mountpaths
  throw new Failure('not-implemented', 'this node has no mountpaths')
}
