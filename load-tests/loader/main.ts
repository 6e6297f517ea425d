/** `npm run load -- [options]`; `-help` says which. */
import { writeFile } from 'node:fs/promises'
import { USAGE } from './option-rows.ts'
import { parseLoaderOptions, UsageError } from './options.ts'
import { renderPage } from './page.ts'
import { buildReport, exitCodeOf, formatReport } from './report.ts'
import { type Identity, runLoader } from './run.ts'

async function main(args: readonly string[]): Promise<number> {
  const options = parseLoaderOptions(args)
  if (options === undefined) {
    process.stdout.write(USAGE)
    return 0
  }
  const abort = new AbortController()
  const interrupt = (): void => {
    // The second time, nobody waits for a report.
    if (abort.signal.aborted) process.exit(130)
    abort.abort(new Error('interrupted'))
  }
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, interrupt)
  const say = (line: string): void => void process.stderr.write(`load: ${line}\n`)
  const result = await runLoader(options, { identity: identity(), say, signal: abort.signal })
  const report = buildReport(options, result)
  process.stdout.write(`${formatReport(report)}\n`)
  if (options.jsonPath !== undefined) {
    await writeFile(options.jsonPath, `${JSON.stringify(report, undefined, 2)}\n`)
  }
  if (options.htmlPath !== undefined) await writeFile(options.htmlPath, renderPage(report))
  return exitCodeOf(report)
}

function identity(): Identity {
  const accessKeyId = process.env['AWS_ACCESS_KEY_ID']
  const secretAccessKey = process.env['AWS_SECRET_ACCESS_KEY']
  return {
    credentials:
      accessKeyId === undefined || secretAccessKey === undefined
        ? undefined
        : { accessKeyId, secretAccessKey, sessionToken: process.env['AWS_SESSION_TOKEN'] },
    token: process.env['AIS_AUTHN_TOKEN'],
  }
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  const message = error instanceof Error ? error.message : String(error)
  process.stderr.write(`load: ${message}\n`)
  process.exitCode = error instanceof UsageError ? 2 : 1
}
