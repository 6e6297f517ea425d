/** Pages of `docs` that are made from the tables of the program; a test holds them to it. */
import { CATALOGUE } from '@forebay/base/failure'
import { type DocumentedSetting, describeSchema } from '@forebay/config/describe'
import { OTHER_VARIABLES } from '@forebay/config/environment'
import { SETTING_FLAGS } from '@forebay/config/flags'
import { PROPERTY_LIST } from '@forebay/model/property-list'

/** What every made page says of itself. */
const MADE =
  'Made from the program: `npx vitest run --project unit services/cli/src/reference -u` makes it anew.'

/** Every setting of a node, every property of a bucket, every flag and variable. */
export function settingsPage(): string {
  const settings = describeSchema()
  const groups = [...new Set(settings.map(({ key }) => groupOf(key)))]
  return page([
    '# Settings',
    MADE,
    'Settings come from a file (`--config FILE`, else `config.yaml` or `config.json` in `$XDG_CONFIG_HOME/forebay`), the environment and flags; a later one wins. An unknown key or a bad value stops the start with an error that names it. `forebay config show --origin` prints the values of this machine and where each comes from, `forebay config show --node` those of a running node.',
    'Sizes are written like `512MiB` or `1.5GB`, durations like `250ms`, `30s`, `1h30m`, lists in variables and flags as JSON.',
    '## Flags of forebay up',
    table(
      ['Flag', 'What it does'],
      Object.entries(SETTING_FLAGS).map(([flag, doc]) => [code(flag), doc]),
    ),
    ...groups.flatMap((group) => [
      `## ${group === '' ? 'Node' : group}`,
      ...settings.filter(({ key }) => groupOf(key) === group).map(settingText),
    ]),
    '## Properties of buckets',
    '`forebay bucket set s3://name property=value` sets one; `property=` goes back to the default.',
    table(
      ['Property', 'Default', 'Allowed', 'What it is for'],
      Object.values(PROPERTY_LIST).map(({ name, default: fallback, allowed, doc }) => [
        code(name),
        fallback,
        allowed,
        doc,
      ]),
    ),
    '## Other variables',
    table(
      ['Variable', 'What it is'],
      Object.entries(OTHER_VARIABLES).map(([name, doc]) => [code(name), doc]),
    ),
  ])
}

/** Every error code, as both doors say it. */
export function errorsPage(): string {
  return page([
    '# Error codes',
    MADE,
    'An error of Forebay has a code. The S3 door says it as the S3 code, `/v1` in the field `code`, the command line with `--json` too. A retry helps where the table says so; such answers carry `Retry-After` where a time is known. [Troubleshooting](troubleshooting.md) says what to do.',
    table(
      ['Code', 'Status', 'S3 code', 'Retry'],
      Object.entries(CATALOGUE).map(([name, { status, s3, retry }]) => [
        code(name),
        String(status),
        code(s3),
        retry ? 'yes' : 'no',
      ]),
    ),
  ])
}

/** What a command says of itself. */
export interface CommandHelp {
  /** `forebay bucket add`. */
  readonly name: string
  readonly text: string
}

/** The help of every command. */
export function commandsPage(commands: readonly CommandHelp[]): string {
  return page([
    '# Command line',
    MADE,
    'Results go to standard output, everything else to standard error. `--json` writes JSON, lists as one object a line. `NO_COLOR` is respected.',
    ...commands.flatMap(({ name, text }) => [
      `## ${name}`,
      `\`\`\`text\n${text.trimEnd()}\n\`\`\``,
    ]),
  ])
}

function groupOf(key: string): string {
  return key.includes('.') ? key.slice(0, key.lastIndexOf('.')) : ''
}

function settingText(setting: DocumentedSetting): string {
  const { key, variable, type, allowed, doc, fields } = setting
  const facts = [
    `type ${type}`,
    `default ${code(setting.default)}`,
    ...(allowed === '' ? [] : [`allowed: ${allowed}`]),
    `variable ${code(variable)}`,
  ]
  const own = `**${code(key)}**  \n${doc}  \n${facts.join('; ')}`
  if (fields.length === 0) return own
  const rows = fields.map((field) => [code(field.key), field.default, field.allowed, field.doc])
  return `${own}\n\n${table(['Field', 'Default', 'Allowed', 'What it is for'], rows)}`
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`
  return [line(heads), line(heads.map(() => '---')), ...rows.map(line)].join('\n')
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ')
}

function code(text: string): string {
  return text === '' ? '""' : `\`${text}\``
}

function page(parts: readonly string[]): string {
  return `${parts.join('\n\n')}\n`
}
