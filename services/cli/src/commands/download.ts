import { formatObjectUrl } from '@forebay/client/address'
import type { JobOrder } from '@forebay/client/jobs'
import type { Run } from '../cli-context.ts'
import { usageError } from '../exit-code.ts'
import { type OrderOptions, readOrderOptions } from '../jobs/order-options.ts'
import { splitDestination } from './job-kinds.ts'
import { startOrders } from './job-start.ts'

export interface DownloadOptions extends OrderOptions {
  /** The URL has a range. */
  readonly template?: boolean | undefined
  readonly depth?: string | undefined
  readonly include?: readonly string[] | undefined
  readonly exclude?: readonly string[] | undefined
  /** `Name: value`, each. */
  readonly header?: readonly string[] | undefined
  readonly tokenEnv?: string | undefined
}

type Args = Readonly<Record<string, unknown>>

/**
 * `forebay download URL... DESTINATION`: files of web servers, directories (URLs that end in a slash) and
 * data sets or models of HuggingFace (`hf://`).
 *
 * @returns the exit code
 */
export function downloadFiles(
  run: Run,
  urls: readonly string[],
  options: DownloadOptions,
): Promise<number> {
  const { sources, destination } = splitDestination('download', urls)
  const { bucket, key } = destination
  const [first = '', ...others] = sources
  const names = others.length === 0 && isFile(first, options) && key !== '' && !key.endsWith('/')
  const common = {
    ...(names ? { object: key } : { prepend: key === '' ? undefined : key }),
    include: options.include,
    exclude: options.exclude,
    headers: readHeaders(options.header),
  }
  const orderCommon = readOrderOptions(options)
  const orders: JobOrder[] = sourceArgs(sources, options).map((args) => ({
    kind: 'download',
    bucket: formatObjectUrl(bucket),
    args: { ...args, ...common },
    ...orderCommon,
  }))
  return startOrders(run, orders, options)
}

/** One order for all files, one for each of the others. */
function sourceArgs(urls: readonly string[], options: DownloadOptions): readonly Args[] {
  const files = urls.filter((url) => isFile(url, options))
  const others = urls.filter((url) => !isFile(url, options))
  const [first, second] = files
  const depth = readDepth(options.depth)
  return [
    ...(first === undefined ? [] : [second === undefined ? { link: first } : { links: files }]),
    ...others.map((url): Args => {
      if (url.startsWith('hf://')) return { huggingFace: readHub(url, options.tokenEnv) }
      return options.template === true ? { template: url } : { directory: url, depth }
    }),
  ]
}

/** @throws ForebayError `usage` for what is no address of the web */
function isFile(url: string, options: DownloadOptions): boolean {
  if (url.startsWith('hf://')) return false
  if (!/^https?:\/\//i.test(url)) {
    throw usageError(
      `"${url}" is not a file of a web server`,
      'Write https://host/file, https://host/directory/, or hf://datasets/owner/name.',
    )
  }
  return options.template !== true && !url.endsWith('/')
}

/** `hf://datasets/owner/name@revision`; without `datasets/` it is a model. */
function readHub(url: string, tokenEnv: string | undefined): Args {
  const match = /^hf:\/\/(?:(datasets|models)\/)?([^@]+?)\/?(?:@(.+))?$/.exec(url)
  const [, sort, id, revision] = match ?? []
  if (id === undefined || id.split('/').length > 2) {
    throw usageError(
      `"${url}" is no data set or model`,
      'Write hf://datasets/owner/name or hf://owner/name, with @revision if need be.',
    )
  }
  return { [sort === 'datasets' ? 'dataset' : 'model']: id, revision, tokenEnv }
}

function readHeaders(headers: readonly string[] | undefined): Args | undefined {
  if (headers === undefined) return undefined
  return Object.fromEntries(
    headers.map((header) => {
      const [, name, value] = /^([^:]+):\s*(.*)$/s.exec(header) ?? []
      // Not repeated in the message: it may be a secret.
      if (name === undefined) throw usageError('a header has no colon', "Write 'Name: value'.")
      return [name.trim(), value]
    }),
  )
}

function readDepth(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^\d{1,4}$/.test(text)) return Number(text)
  throw usageError(`"${text}" is no depth`, 'Write how many levels: 0 is the directory alone.')
}
