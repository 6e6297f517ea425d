import { homedir } from 'node:os'

/** What the process was started with, as data. */
export interface Environment {
  readonly variables: Readonly<Record<string, string | undefined>>
  /** The user's home directory. */
  readonly home: string
}

/** A frozen copy of the process's environment: the one place where it is read. */
export function readEnvironment(): Environment {
  return Object.freeze({ variables: Object.freeze({ ...process.env }), home: homedir() })
}

/**
 * `FOREBAY_` names that are no settings of a node: for the client (endpoint), and for tests. Any other
 * name that starts so must be a setting.
 */
export const OTHER_VARIABLES: Readonly<Record<string, string>> = {
  FOREBAY_ACCESS_KEY: 'access key with which the command line signs its requests',
  FOREBAY_ENDPOINT: 'which Forebay the command line and the SDK talk to',
  FOREBAY_FAILPOINTS: 'named places where a test stops the process; see base/failpoint',
  FOREBAY_LOG: 'level of the log of the command line',
  FOREBAY_SECRET_KEY: 'secret key of FOREBAY_ACCESS_KEY',
  FOREBAY_TEST_WITHOUT: 'parts that the tests may do without',
}

/** The Forebay that a client means: `FOREBAY_ENDPOINT`, else `AIS_ENDPOINT`. */
export function clientEndpoint(environment: Environment): string | undefined {
  const { FOREBAY_ENDPOINT, AIS_ENDPOINT } = environment.variables
  return nonEmpty(FOREBAY_ENDPOINT) ?? nonEmpty(AIS_ENDPOINT)
}

/** The keys of a Forebay user and the region to sign for; `undefined` unless both keys are set. */
export function clientCredentials(
  environment: Environment,
):
  | { readonly accessKey: string; readonly secretKey: string; readonly region: string | undefined }
  | undefined {
  const { FOREBAY_ACCESS_KEY, FOREBAY_SECRET_KEY, AWS_REGION } = environment.variables
  const accessKey = nonEmpty(FOREBAY_ACCESS_KEY)
  const secretKey = nonEmpty(FOREBAY_SECRET_KEY)
  if (accessKey === undefined || secretKey === undefined) return undefined
  return { accessKey, secretKey, region: nonEmpty(AWS_REGION) }
}

/** A bearer token for servers of AIStore's kind that want one. */
export function clientToken(environment: Environment): string | undefined {
  const { AIS_AUTHN_TOKEN } = environment.variables
  return nonEmpty(AIS_AUTHN_TOKEN)
}

/** True unless the user asks for output without colour (https://no-color.org). */
export function wantsColor(environment: Environment): boolean {
  const { NO_COLOR } = environment.variables
  return nonEmpty(NO_COLOR) === undefined
}

/** The failpoints to arm at start; empty outside of tests. */
export function failpointPlan(environment: Environment): string {
  const { FOREBAY_FAILPOINTS } = environment.variables
  return FOREBAY_FAILPOINTS ?? ''
}

/** Default of `dataDir`: the XDG base directory specification's state directory. */
export function defaultDataDir(environment: Environment): string {
  const { XDG_STATE_HOME } = environment.variables
  return `${absolute(XDG_STATE_HOME) ?? `${environment.home}/.local/state`}/forebay`
}

/** Files that are read when none is named, in this order; at most one may exist. */
export function defaultConfigFiles(environment: Environment): readonly string[] {
  const { XDG_CONFIG_HOME } = environment.variables
  const base = absolute(XDG_CONFIG_HOME) ?? `${environment.home}/.config`
  return ['yaml', 'json'].map((extension) => `${base}/forebay/config.${extension}`)
}

/** XDG base directory specification: a relative path in these variables counts as not set. */
function absolute(path: string | undefined): string | undefined {
  return path?.startsWith('/') ? path : undefined
}

function nonEmpty(value: string | undefined): string | undefined {
  return value === '' ? undefined : value
}
