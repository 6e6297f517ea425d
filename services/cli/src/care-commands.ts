/** Commands that look after a node rather than use it. What is heavy is loaded when it runs. */
import type { SettingFlags } from '@forebay/config/flags'
import type { Command } from 'commander'
import type { Run } from './cli-context.ts'
import { printCompletion } from './commands/completion.ts'
import type { BundleOptions } from './commands/debug.ts'
import { type ScrubOptions, showScrub, startScrub, stopScrub } from './commands/scrub.ts'
import { runTop, type TopOptions } from './commands/top.ts'
import { COMPLETION_HELP } from './completion/scripts.ts'
import { DOCTOR_HELP } from './doctor/finding.ts'

export function addCareCommands(
  program: Command,
  run: () => Run,
  setExitCode: (code: number) => void,
): void {
  settingOptions(
    program
      .command('doctor')
      .description('is this machine fit for a node: ports, disks, limits, clock, keys, stores'),
  )
    .addHelpText('after', `\n${DOCTOR_HELP}`)
    .action(async (flags: SettingFlags) => {
      const { runDoctor } = await import('./commands/doctor.ts')
      setExitCode(await runDoctor(run(), flags))
    })
  program
    .command('top')
    .description('watch a node at work: rates, hit ratio, times, stores; Ctrl-C ends it')
    .option('--once', 'one look, then end')
    .option('--interval <time>', 'time between two looks (default: 2s)')
    .option('--egress-price <number>', 'what a GiB out of the store costs: tells what was saved')
    .option('--request-price <number>', 'what a thousand reads cost there')
    .action((options: TopOptions) => runTop(run(), options))
  addScrubCommands(program, run, setExitCode)
  program
    .command('completion')
    .description('print the completion script of a shell: bash, zsh or fish')
    .argument('<shell>')
    .addHelpText('after', `\n${COMPLETION_HELP}`)
    .action((shell: string) => printCompletion(run(), shell))
  const debug = program.command('debug').description('what helps to find a fault')
  settingOptions(
    debug
      .command('bundle')
      .description('write one file for whoever helps: settings, status, metrics, log; no secrets')
      .option('--output <file>', 'file to write (default: forebay-debug-TIME.tar.gz)'),
  ).action(async (options: BundleOptions) => {
    const { writeBundle } = await import('./commands/debug.ts')
    await writeBundle(run(), options)
  })
}

function addScrubCommands(
  program: Command,
  run: () => Run,
  setExitCode: (code: number) => void,
): void {
  const scrub = program
    .command('scrub')
    .description('read files again and compare checksums: all, or those of a bucket or prefix')
    .argument('[url]')
    .option('--wait', 'wait for the end, and show how far it is')
    .option('--rate <size>', 'bytes a second, like 100MiB; 0 = no limit (default: scrub.rate)')
    .action(async (url: string | undefined, options: ScrubOptions) =>
      setExitCode(await startScrub(run(), url, options)),
    )
  scrub
    .command('status')
    .description('how far the pass is, or what the last one found')
    .option('--failures', 'name what was found')
    .action(async (options: { failures?: boolean }) => setExitCode(await showScrub(run(), options)))
  scrub
    .command('stop')
    .description('end the pass that is under way')
    .action(() => stopScrub(run()))
}

/** The flags that mean settings, as `forebay up` takes them. */
function settingOptions(command: Command): Command {
  return command
    .option('--config <file>', 'read settings from this file')
    .option('--port <port>', 'port of the first listener')
    .option('--data <dir>', 'data directory of the node')
    .option('--mountpath <dir>', 'a mountpath of the node; repeatable', collect)
    .option('--redis <url>', 'Redis or Valkey of the node')
    .option('--insecure', 'as the node would be started')
    .option('--set <key=value>', 'any setting; repeatable', collect)
}

/** Gathers the values of an option that may be given again. */
export function collect(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value]
}
