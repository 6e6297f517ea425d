import { type Server, startForebay, temporaryFolder } from '../../testkit/servers.ts'
import { CONFIGURED, MEANT, missingFor, SETTINGS } from './scope.ts'
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
  /** Of a case of `CONFIGURED`, in a run of all: what Forebay does without the setting. */
  readonly withoutSetting: CaseResult | undefined
  /** What it needs that is not built. */
  readonly missing: string | undefined
  /** Why it fails by intent. */
  readonly meant: string | undefined
}

const NEVER_RAN: CaseResult = { passed: false, said: 'it did not run' }

/**
 * Runs the suite against versitygw itself and against Forebay, both fresh, one after the other; the
 * cases of `CONFIGURED` each against one with the setting that they are about.
 *
 * @param chosen names of the cases to run, each alone; none for the whole suite
 */
export async function compareServers(
  say: (line: string) => void,
  chosen: readonly string[] = [],
): Promise<readonly Compared[]> {
  const isAll = chosen.length === 0
  const reference = await measure('versitygw', isAll ? 'all' : chosen, (folder) =>
    startReference(folder, CREDENTIALS),
  )
  say(`versitygw: ${passedOf(reference)} of ${reference.size} cases pass`)
  const plain = chosen.filter((name) => CONFIGURED[name] === undefined)
  const asItComes = await measure('forebay', isAll ? 'all' : plain, (folder) => start(folder, {}))
  const configured = isAll ? Object.keys(CONFIGURED) : chosen.filter((name) => name in CONFIGURED)
  const forebay = new Map(asItComes)
  for (const [setting, settings] of Object.entries(SETTINGS)) {
    const about = configured.filter((name) => CONFIGURED[name] === setting)
    const strict = await measure('forebay-strict', about, (folder) => start(folder, settings))
    for (const [name, result] of strict) forebay.set(name, result)
  }
  say(`Forebay: ${passedOf(forebay)} of ${forebay.size} cases pass`)
  const names = [...new Set([...reference.keys(), ...forebay.keys()])].sort()
  return names.map((name) => ({
    name,
    reference: reference.get(name) ?? NEVER_RAN,
    forebay: forebay.get(name) ?? NEVER_RAN,
    withoutSetting: name in CONFIGURED ? asItComes.get(name) : undefined,
    missing: missingFor(name),
    meant: MEANT[name],
  }))
}

function start(folder: string, settings: Readonly<Record<string, unknown>>): Promise<Server> {
  const { accessKey, secretKey } = CREDENTIALS
  // The suite takes the owner of everything to be the access key.
  const user = { id: accessKey, accessKey, secretKey, policy: 'admin' }
  return startForebay({ dataDir: folder, config: { ...settings, auth: { users: [user] } } })
}

/** The whole suite, what fails without a reason once more alone; or the chosen cases alone. */
async function measure(
  name: string,
  chosen: readonly string[] | 'all',
  open: (folder: string) => Promise<Server>,
): Promise<ReadonlyMap<string, CaseResult>> {
  if (chosen.length === 0) return new Map()
  const folder = await temporaryFolder(`full-flow-${name}`)
  let server: Server | undefined
  try {
    await linkProgram(folder.path)
    server = await open(`${folder.path}/together`)
    const endpoint: Endpoint = { url: server.url, credentials: CREDENTIALS }
    const results = new Map(
      chosen === 'all' ? await runSuite(folder.path, endpoint) : new Map<string, CaseResult>(),
    )
    let isClean = chosen !== 'all'
    for (const one of chosen === 'all' ? failedWithoutReason(results) : chosen) {
      if (!isClean) {
        // A case that fails leaves its bucket behind, and the next one wants the same name.
        await server.stop()
        server = await open(`${folder.path}/${one}`)
      }
      const [alone] = await runAlone(folder.path, { ...endpoint, url: server.url }, [one])
      if (alone !== undefined) results.set(...alone)
      isClean = alone?.[1].passed === true
    }
    return results
  } finally {
    await server?.stop()
    await folder.remove()
  }
}

function failedWithoutReason(results: ReadonlyMap<string, CaseResult>): readonly string[] {
  return [...results]
    .filter(([, { passed }]) => !passed)
    .map(([name]) => name)
    .filter((name) => missingFor(name) === undefined)
    .filter((name) => MEANT[name] === undefined && CONFIGURED[name] === undefined)
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
