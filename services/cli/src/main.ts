import { readEnvironment } from '@forebay/config/environment'
import { EXIT_CODES } from './exit-code.ts'
import { runCli } from './program.ts'

/** Runs the command line of this process and sets its exit code. */
export async function runFromShell(): Promise<void> {
  const interrupt = new AbortController()
  const args = process.argv.slice(2)
  // "up" hands signals on to the node instead, and ends when that ends.
  if (args[0] !== 'up') {
    process.once('SIGINT', () => interrupt.abort(new Error('interrupted')))
  }
  // A reader that has seen enough ("| head") is no failure.
  process.stdout.on('error', (error) => {
    if ('code' in error && error.code === 'EPIPE') process.exit(EXIT_CODES.ok)
    throw error
  })
  process.exitCode = await runCli(args, {
    environment: readEnvironment(),
    stdout: process.stdout,
    stderr: process.stderr,
    signal: interrupt.signal,
  })
}
