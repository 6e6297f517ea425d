import { Failure } from '@forebay/base/failure'
import { OBJECT_BYTES_MAX } from '@forebay/base/limits'
import { checkKey } from '@forebay/model/key'
import { type Static, Type } from 'typebox'
import type { JsonObject } from '../job.ts'
import { defineKind } from '../kind.ts'
import { inWays, type Way } from './accepted.ts'
import { NAMED_KEYS_MAX } from './selection.ts'

/** Files that one job brings unless it says otherwise. */
export const DOWNLOAD_OBJECTS_DEFAULT = 1_000_000

/** Directories below one another that are looked into; deeper ones are most likely a link in a circle. */
export const DOWNLOAD_DEPTH_MAX = 64

/** A server that brings less than 64 KiB in so long is given up, seconds. */
export const DOWNLOAD_STALL_SECONDS_DEFAULT = 60

/** http(s), no user name, no fragment, no backslash: what is left of the text is the parser's affair. */
const URL_TEXT = '^[hH][tT][tT][pP][sS]?://[^\\s/\\\\@#?]+([/?][^\\s\\\\#]*)?$'

/** A host that is no bare number: `http://0/` is an address to some parsers, and a name to others. */
const NUMBER_AS_HOST = /^[^:]*:\/\/([0-9]+)(?:[:/?]|$)/
const HOST = '[0-9]*[^\\s/\\\\@#?0-9:][^\\s/\\\\@#?]*'

/** What `URL_TEXT` and the check let through together; the same of a directory. */
const SCHEME = '^[hH][tT][tT][pP][sS]?://'
const REST = '[^\\s\\\\#]*'
const WEB_URL = `${SCHEME}${HOST}([/?]${REST})?$`
const DIRECTORY_URL = `${SCHEME}${HOST}([/?]${REST})?/$`

const URL_SCHEMA = Type.String({
  pattern: URL_TEXT,
  maxLength: 8192,
  format: 'forebay-url',
  description: 'http(s) URL.',
})

/** For the document. */
const WEB_URL_SCHEMA = Type.String({ ...URL_SCHEMA, pattern: WEB_URL })

/** The last name of its path is the key, and no pattern tells what a key may be: the format stands for it. */
const NAMED_URL_SCHEMA = Type.String({
  ...URL_SCHEMA,
  pattern: undefined,
  minLength: 1,
  description:
    'http(s) URL of a file: its path ends with a name, which is the key unless one is given.',
})

const GLOBS = Type.Array(Type.String({ minLength: 1, maxLength: 512 }), { maxItems: 100 })

const closed = { additionalProperties: false } as const

const HUB_ID = Type.String({
  pattern: '^[A-Za-z0-9][A-Za-z0-9_.-]{0,95}(/[A-Za-z0-9][A-Za-z0-9_.-]{0,95})?$',
  description: 'Its id, like `owner/name`.',
})

const HUB = Type.Object(
  {
    dataset: Type.Optional(HUB_ID),
    model: Type.Optional(HUB_ID),
    revision: Type.Optional(
      Type.String({
        pattern: '^[A-Za-z0-9_][A-Za-z0-9_./-]{0,254}$',
        format: 'forebay-revision',
        description:
          'Branch, tag or commit; `main` by default. What it is at the start is fetched.',
      }),
    ),
    endpoint: Type.Optional(
      Type.String({
        pattern: URL_TEXT,
        maxLength: 1024,
        format: 'forebay-url',
        description: 'Base URL of a mirror of the hub; no token is sent there.',
      }),
    ),
    tokenEnv: Type.Optional(
      Type.String({
        pattern: '^[A-Z][A-Z0-9_]{0,63}$',
        description:
          'Variable of the node that holds the token: one of the setting `jobs.hub.tokenVariables`.',
      }),
    ),
  },
  { ...closed, description: 'A data set or a model of HuggingFace.' },
)

const SOURCE = {
  link: Type.Optional(URL_SCHEMA),
  object: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 1024,
      format: 'forebay-file-key',
      description: "Key for `link`; the last name of the link's path by default.",
    }),
  ),
  links: Type.Optional(
    Type.Union(
      [
        Type.Array(URL_SCHEMA, { minItems: 1, maxItems: NAMED_KEYS_MAX }),
        Type.Record(Type.String(), URL_SCHEMA, { minProperties: 1, maxProperties: NAMED_KEYS_MAX }),
      ],
      { description: 'URLs, or keys with the URL of each.' },
    ),
  ),
  template: Type.Optional(
    Type.String({
      pattern: URL_TEXT,
      maxLength: 4096,
      format: 'forebay-url-template',
      description: 'URL with a range: `http://host/shard-{0001..0010}.tar`, `-@100` or `-%06d`.',
    }),
  ),
  directory: Type.Optional(
    Type.String({
      pattern: URL_TEXT,
      maxLength: 8192,
      format: 'forebay-url-directory',
      description: 'URL of a directory with index pages, with a slash at its end.',
    }),
  ),
  huggingFace: Type.Optional(HUB),
} as const

const ARGS = Type.Object(
  {
    ...SOURCE,
    depth: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: DOWNLOAD_DEPTH_MAX,
        description: 'Levels of directories below `directory` that are looked into.',
      }),
    ),
    include: Type.Optional({
      ...GLOBS,
      description: 'Only files that one of these patterns names: `*.tar`, `train/**`.',
    }),
    exclude: Type.Optional({ ...GLOBS, description: 'No files that one of these names.' }),
    prepend: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 900,
        format: 'forebay-file-key',
        description: 'Put before every key.',
      }),
    ),
    headers: Type.Optional(
      Type.Record(Type.String(), Type.String({ maxLength: 4096 }), {
        maxProperties: 50,
        description: 'Sent with each request to the origin that is named; never shown.',
      }),
    ),
    objectsMax: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1e9,
        description: `More files fail the job; ${DOWNLOAD_OBJECTS_DEFAULT} by default.`,
      }),
    ),
    objectBytesMax: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: OBJECT_BYTES_MAX,
        description: 'A longer file fails; bytes. 50 GiB by default, 5 GiB with a backend.',
      }),
    ),
    stallSeconds: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 3600,
        description: `A server that brings less than 64 KiB in so long is given up; ${DOWNLOAD_STALL_SECONDS_DEFAULT} by default.`,
      }),
    ),
    timeoutSeconds: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 604_800,
        description: 'Longest time for one try at a file; none by default.',
      }),
    ),
  },
  closed,
)

const SOURCES = ['link', 'links', 'template', 'directory', 'huggingFace'] as const

/** The hub of either sort, and a token or another endpoint. */
const HUB_WAYS = ['dataset', 'model'].flatMap((sort): readonly Way[] => {
  const other = sort === 'dataset' ? 'model' : 'dataset'
  const changed = { endpoint: Type.String({ ...HUB.properties.endpoint, pattern: WEB_URL }) }
  return ['endpoint', 'tokenEnv'].map((left) => ({
    leftOut: [other, left],
    required: [sort],
    changed,
  }))
})

/** One source, with the names of headers that can be set. */
const DOWNLOAD_WAYS = SOURCES.map((source): Way => {
  const others = SOURCES.filter((name) => name !== source)
  return {
    leftOut: source === 'link' ? others : [...others, 'object'],
    required: [source],
    changed: {
      headers: Type.Unsafe({
        type: 'object',
        propertyNames: { format: 'forebay-header-name' },
        additionalProperties: { type: 'string', maxLength: 4096, pattern: '^[\\x20-\\x7e]*$' },
        maxProperties: 50,
      }),
      link: NAMED_URL_SCHEMA,
      // No pattern tells a range that begins at its smaller number: the format stands for it.
      template: Type.String({ ...SOURCE.template, pattern: undefined, minLength: 1 }),
      directory: Type.String({ ...SOURCE.directory, pattern: DIRECTORY_URL }),
      huggingFace: inWays(HUB, HUB_WAYS),
      links: Type.Unsafe({
        anyOf: [
          {
            type: 'array',
            // No two of them end in the same name, which the format says alone.
            items: Type.String({ ...NAMED_URL_SCHEMA, format: 'forebay-listed-url' }),
            minItems: 1,
            maxItems: NAMED_KEYS_MAX,
            uniqueItems: true,
          },
          {
            type: 'object',
            propertyNames: { format: 'forebay-file-key' },
            additionalProperties: WEB_URL_SCHEMA,
            minProperties: 1,
            maxProperties: NAMED_KEYS_MAX,
          },
        ],
      }),
    },
  }
})

export const DOWNLOAD = defineKind({
  name: 'download',
  wireName: 'download',
  doc: 'Fetches files of web servers into a bucket.',
  bucket: 'required',
  need: 'write',
  args: ARGS,
  accepts: inWays(ARGS, DOWNLOAD_WAYS),
  check: checkDownload,
  shown: withoutSecrets,
})

export type DownloadArgs = Static<typeof DOWNLOAD.args>

/** Headers that are ours to send, or that would change what an answer means. */
const OWN_HEADERS =
  /^(host|connection|content-.*|transfer-encoding|te|trailer|upgrade|expect|range|if-.*|accept-encoding|keep-alive|proxy-.*|forebay-.*)$/

function checkDownload(args: JsonObject): void {
  const given = SOURCES.filter((name) => Object.hasOwn(args, name))
  if (given.length !== 1) {
    const what = given.length === 0 ? 'says nothing to download' : `has ${given.join(' and ')}`
    throw invalid(`args ${what}: give one of ${SOURCES.join(', ')}`)
  }
  const { directory, link, links, object, prepend, huggingFace, headers } = args
  if (object !== undefined && link === undefined) throw invalid('args.object belongs to args.link')
  if (typeof directory === 'string' && !directory.endsWith('/')) {
    throw invalid('args.directory must end with a slash')
  }
  const urls = isObject(links) ? Object.values(links) : Array.isArray(links) ? links : []
  for (const url of [directory, link, args['template'], ...urls]) checkHostOf(url)
  if (isObject(links)) Object.keys(links).forEach(checkDownloadKey)
  if (typeof object === 'string') checkDownloadKey(object)
  if (typeof prepend === 'string') checkDownloadKey(`${prepend}x`)
  if (isObject(huggingFace)) checkHub(huggingFace)
  for (const [name, value] of Object.entries(isObject(headers) ? headers : {})) {
    checkHeader(name, value)
  }
}

/** Of a text that the schema takes for a URL. */
function checkHostOf(url: unknown): void {
  const [, host] = (typeof url === 'string' && NUMBER_AS_HOST.exec(url)) || []
  if (host === undefined) return
  const shown = host.slice(0, 32)
  throw invalid(`the host ${shown} is a number: write an address as four of them, like 192.0.2.1`)
}

function checkHub({ dataset, model, revision, endpoint, tokenEnv }: JsonObject): void {
  if ((dataset === undefined) === (model === undefined)) {
    throw invalid('args.huggingFace needs either dataset or model')
  }
  for (const name of [dataset, model, revision]) {
    if (typeof name === 'string' && name.split('/').some((part) => /^\.{0,2}$/.test(part))) {
      throw invalid(`args.huggingFace: "${name}" is no name of the hub`)
    }
  }
  checkHostOf(endpoint)
  if (tokenEnv !== undefined && endpoint !== undefined) {
    throw invalid('args.huggingFace: a token goes to the hub that the node is set to alone')
  }
}

function checkHeader(name: string, value: unknown): void {
  if (!/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/.test(name) || OWN_HEADERS.test(name.toLowerCase())) {
    throw invalid(`args.headers: ${JSON.stringify(name.slice(0, 64))} cannot be set`)
  }
  if (typeof value !== 'string' || !/^[\x20-\x7e]*$/.test(value)) {
    throw invalid(`args.headers.${name} may have printable characters of ASCII only`)
  }
}

/**
 * A key that a download may write: that of a path below a directory, as any file system takes it.
 *
 * @throws Failure `key-invalid` | `key-too-long`
 */
export function checkDownloadKey(key: string): string {
  checkKey(key)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  const odd = key.startsWith('/') || /[\\\x00-\x1f\x7f]/.test(key)
  if (odd || key.split('/').some((name) => name === '.' || name === '..')) {
    const shown = JSON.stringify(key.slice(0, 100))
    throw new Failure('key-invalid', `${shown} would lead out of where it is to be stored`)
  }
  return key
}

/** Headers may be credentials, and the query of a link a signature. */
function withoutSecrets(args: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(args).map(([name, value]) => {
      if (name === 'headers' && isObject(value)) {
        return [name, Object.fromEntries(Object.keys(value).map((header) => [header, '…']))]
      }
      if (name === 'link' || name === 'template') return [name, withoutQuery(value)]
      if (name !== 'links') return [name, value]
      if (Array.isArray(value)) return [name, value.map(withoutQuery)]
      if (!isObject(value)) return [name, value]
      const links = Object.entries(value).map(([key, url]) => [key, withoutQuery(url)] as const)
      return [name, Object.fromEntries(links)]
    }),
  )
}

function withoutQuery<T>(url: T): T | string {
  return typeof url === 'string' ? url.replace(/\?.*$/, '?…') : url
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function invalid(message: string): Failure {
  return new Failure('argument-invalid', message)
}
