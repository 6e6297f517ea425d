import { runCommand } from '../../testkit/run-command.ts'
import { startForebay, temporaryFolder } from '../../testkit/servers.ts'
import { requireTool } from '../../testkit/tools.ts'
import { startReference } from '../full-flow/suite.ts'
import { MEANT, outOfScope } from './scope.ts'
import { type CaseResult, runSuite, USERS } from './suite.ts'

/** One case as both servers took it. */
export type Compared = {
  readonly file: string
  readonly name: string
  readonly reference: CaseResult | undefined
  readonly forebay: CaseResult | undefined
  /** What it needs that is not built; such a case does not count. */
  readonly missing: string | undefined
  /** Why it fails by intent. */
  readonly meant: string | undefined
}

/**
 * Runs the suite against versitygw and against Forebay, both fresh, one after the other.
 *
 * @param chosen parts of the names of the cases to run; none for the whole suite
 */
export async function compareServers(chosen: readonly string[]): Promise<readonly Compared[]> {
  const reference = await measure('versitygw', chosen, startVersitygw)
  const forebay = await measure('forebay', chosen, (dataDir) => {
    const users = Object.entries(USERS).map(([id, keys]) => ({ id, ...keys, policy: 'admin' }))
    return startForebay({ dataDir, config: { auth: { users } } })
  })
  return [...new Set([...reference.keys(), ...forebay.keys()])].sort().map((key) => {
    const [file = '', name = ''] = key.split('::')
    return {
      file,
      name,
      reference: reference.get(key),
      forebay: forebay.get(key),
      missing: outOfScope(file, name),
      meant: MEANT[name],
    }
  })
}

type Started = { readonly port: number; readonly stop: () => Promise<unknown> }

async function startVersitygw(folder: string): Promise<Started> {
  const server = await startReference(folder, USERS.main)
  const { accessKey, secretKey } = USERS.alt
  await runCommand(requireTool('versitygw'), [
    ...['admin', '--access', USERS.main.accessKey, '--secret', USERS.main.secretKey],
    ...['--endpoint-url', server.url, 'create-user'],
    ...['--access', accessKey, '--secret', secretKey, '--role', 'userplus'],
  ])
  return server
}

async function measure(
  name: string,
  chosen: readonly string[],
  start: (folder: string) => Promise<Started>,
): Promise<ReadonlyMap<string, CaseResult>> {
  const folder = await temporaryFolder(`s3-tests-${name}`)
  let server: Started | undefined
  try {
    server = await start(`${folder.path}/data`)
    const results = await runSuite(folder.path, server, chosen)
    return new Map(results.map((one) => [`${one.file}::${one.name}`, one]))
  } finally {
    await server?.stop()
    await folder.remove()
  }
}
