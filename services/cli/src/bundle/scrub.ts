import type { Environment } from '@forebay/config/environment'
import { REDACTED, redactSecrets, registerSecret } from '@forebay/observe/secrets'

/** Variables whose values are secret, by their names; a file's name is none. */
const SECRET_NAME =
  /SECRET|TOKEN|PASSWORD|PASSWD|CREDENTIAL|PRIVATE|SIGNATURE|SAS|CONNECTION_STRING|_KEY(_|$)|KEY_ID/i
const NO_SECRET_NAME = /_(FILE|DIR|PATH)$|^GOOGLE_APPLICATION_CREDENTIALS$/i

/** Prefixes of the variables that a report names. */
const TOLD_PREFIX =
  /^(FOREBAY|AIS|AWS|AZURE|GOOGLE|CLOUDSDK|STORAGE|NODE|UV|XDG|HTTPS?_PROXY|NO_PROXY|TZ|LANG)/i

/** Fields whose values are secret in any JSON text. */
const SECRET_FIELD =
  /("(?:secret\w*|\w*token|password|passwd|authorization|(?:access|secret|account|private|storage|shared)[-_]?key(?:[-_]?id)?)"\s*:\s*)"(?:[^"\\]|\\.)+"/gi

/** Azure's secrets as they stand in connection strings and signed URLs. */
const AZURE_SECRET = /\b(AccountKey|SharedAccessSignature|sig)=[^;&\s"'\\]+/gi

/** `user:password@` in a URL. */
const USER_IN_URL = /(\b[a-z][a-z0-9+.-]*:\/\/)[^\s/@"']+@/gi

/** Keeps the secrets of the environment and of the settings out of what is scrubbed from now on. */
export function registerSecrets(environment: Environment, secrets: readonly string[]): void {
  for (const secret of secrets) registerSecret(secret)
  for (const [name, value] of Object.entries(environment.variables)) {
    if (value === undefined || NO_SECRET_NAME.test(name) || !SECRET_NAME.test(name)) continue
    registerSecret(value)
  }
}

/** A text without secrets: known ones, those by their place, and passwords in URLs. */
export function scrub(text: string): string {
  return redactSecrets(text)
    .replace(USER_IN_URL, `$1${REDACTED}@`)
    .replace(AZURE_SECRET, `$1=${REDACTED}`)
    .replace(SECRET_FIELD, `$1"${REDACTED}"`)
}

/** Names, not values, of the variables that may matter. */
export function namesOfVariables(environment: Environment): readonly string[] {
  return Object.entries(environment.variables)
    .filter(([name, value]) => value !== undefined && value !== '' && TOLD_PREFIX.test(name))
    .map(([name]) => name)
    .sort()
}
