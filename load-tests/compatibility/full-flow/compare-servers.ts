import { startForebay, temporaryFolder } from '../../testkit/servers.ts'
import { MEANT, missingFor } from './scope.ts'
import {
  type CaseResult,
  type Endpoint,
  linkProgram,
  runAlone,
  runSuite,
  startReference,
} from './suite.ts'

const CREDENTIALS = { accessKey: 'full-flow-admin', secretKey: 'full-flow-secret-0001' } as const

/** One case as both servers took it. */
export type Compared = {
  readonly name: string
  readonly reference: CaseResult
  readonly forebay: CaseResult
  /** What it needs that is not built. */
  readonly missing: string | undefined
  /** Why it fails by intent. */
  readonly meant: string | undefined
}

const NEVER_RAN: CaseResult = { passed: false, said: 'it did not run' }

/**
 * Runs the suite against versitygw itself and against Forebay, both fresh, one after the other.
 *
 * @param chosen names of the cases to run, each alone; none for the whole suite
 */
export async function compareServers(
  say: (line: string) => void,
  chosen: readonly string[] = [],
): Promise<readonly Compared[]> {
  const reference = await measure('versitygw', chosen, async (folder) => {
    const server = await startReference(folder, CREDENTIALS)
    return { url: server.url, stop: () => server.stop() }
  })
  say(`versitygw: ${passedOf(reference)} of ${reference.size} cases pass`)
  const forebay = await measure('forebay', chosen, async (folder) => {
    const { accessKey, secretKey } = CREDENTIALS
    // The suite takes the owner of everything to be the access key.
    const user = { id: accessKey, accessKey, secretKey, policy: 'admin' }
    const server = await startForebay({
      dataDir: folder,
      config: { auth: { users: [user] } },
    })
    return { url: server.url, stop: () => server.stop() }
  })
  say(`Forebay: ${passedOf(forebay)} of ${forebay.size} cases pass`)
  const names = [...new Set([...reference.keys(), ...forebay.keys()])].sort()
  return names.map((name) => ({
    name,
    reference: reference.get(name) ?? NEVER_RAN,
    forebay: forebay.get(name) ?? NEVER_RAN,
    missing: missingFor(name),
    meant: MEANT[name],
  }))
}

type Started = { readonly url: string; readonly stop: () => Promise<unknown> }

async function measure(
  name: string,
  chosen: readonly string[],
  start: (folder: string) => Promise<Started>,
): Promise<ReadonlyMap<string, CaseResult>> {
  const folder = await temporaryFolder(`full-flow-${name}`)
  let server: Started | undefined
  try {
    await linkProgram(folder.path)
    server = await start(`${folder.path}/together`)
    const endpoint: Endpoint = { url: server.url, credentials: CREDENTIALS }
    const together: ReadonlyMap<string, CaseResult> =
      chosen.length > 0 ? new Map() : await runSuite(folder.path, endpoint)
    const failed = [...together]
      .filter(
        ([one, { passed }]) => !passed && missingFor(one) === undefined && MEANT[one] === undefined,
      )
      .map(([one]) => one)
    const results = new Map(together)
    for (const one of chosen.length > 0 ? chosen : failed) {
      // A case that fails leaves its bucket behind, and the next one wants the same name.
      await server.stop()
      server = await start(`${folder.path}/${one}`)
      const [alone] = await runAlone(folder.path, { ...endpoint, url: server.url }, [one])
      if (alone !== undefined) results.set(...alone)
    }
    return results
  } finally {
    await server?.stop()
    await folder.remove()
  }
}

function passedOf(results: ReadonlyMap<string, CaseResult>): number {
  return [...results.values()].filter(({ passed }) => passed).length
}

/** Score of the cases that concern what is built alone, and what stands against it. */
export function judge(cases: readonly Compared[]) {
  const built = cases.filter(({ missing }) => missing === undefined)
  return {
    built: built.length,
    referencePassed: built.filter(({ reference }) => reference.passed).length,
    forebayPassed: built.filter(({ forebay }) => forebay.passed).length,
    /** Fail here, pass there, and nobody meant it. */
    unexplained: built.filter(
      ({ reference, forebay, meant }) => reference.passed && !forebay.passed && meant === undefined,
    ),
    /** Fail here as it is meant. */
    meant: built.filter(({ forebay, meant }) => !forebay.passed && meant !== undefined),
  } as const
}
