import { readFile } from 'node:fs/promises'
import { ForebayError } from '@forebay/client/forebay-error'
import { loadSettings } from '@forebay/config/load'
import { print, type Run } from '../cli-context.ts'

export interface FsckOptions {
  readonly rebuild?: boolean | undefined
  readonly config?: string | undefined
  readonly data?: string | undefined
  readonly mountpath?: readonly string[] | undefined
}

/** `forebay fsck`: checks the disks of a node that is not running. */
export async function checkNode(run: Run, options: FsckOptions): Promise<number> {
  const { environment } = run.context
  const { settings } = await loadSettings({
    flags: { config: options.config, data: options.data, mountpath: options.mountpath },
    environment,
    readFile: (path) => readFile(path, 'utf8').catch(() => undefined),
  })
  print(run, settings.mountpaths.join(' '))
  throw new ForebayError('fsck is not built yet', {
    code: 'not-implemented',
    status: 0,
    retryable: false,
  })
}
