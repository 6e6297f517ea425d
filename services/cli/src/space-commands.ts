/** Commands that decide about the room that buckets take. */
import type { Command } from 'commander'
import type { Run } from './cli-context.ts'
import { listPins, pinPrefix, unpinPrefix } from './commands/pins.ts'

export function addSpaceCommands(program: Command, run: () => Run): void {
  program
    .command('pin')
    .description('keep what is cached below a URL from being evicted')
    .argument('<url>', 'a bucket, or a prefix in it')
    .option('--until <time>', 'a date, a time in UTC, or how long from now: 2026-12-01, 12h, 7d')
    .addHelpText(
      'after',
      '\nWhat is not in the cache yet is kept from its first read on.\n\nExample:\n  forebay pin s3://training-data/validation/ --until 7d',
    )
    .action((url: string, options: object) => pinPrefix(run(), url, options))
  program
    .command('unpin')
    .description('let eviction have what is below a URL again')
    .argument('<url>', 'as it was pinned')
    .action((url: string) => unpinPrefix(run(), url))
  program
    .command('pins')
    .description('what is pinned, and how long')
    .argument('[url]')
    .action((url: string | undefined) => listPins(run(), url))
}
