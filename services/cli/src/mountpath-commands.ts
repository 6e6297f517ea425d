import type { Command } from 'commander'
import type { Run } from './cli-context.ts'
import {
  bringMountpath,
  type LeaveOptions,
  leaveMountpath,
  listMountpaths,
} from './commands/mountpath.ts'

/** Commands about the disks of a running node. */
export function addMountpathCommands(program: Command, run: () => Run): void {
  const mountpath = program
    .command('mountpath')
    .description('show, attach, detach, enable and disable the mountpaths of a node')
  mountpath
    .command('ls')
    .description('the mountpaths, their state and what is on them')
    .action(() => listMountpaths(run()))
  mountpath
    .command('attach')
    .description('bring a directory of the node into service: an empty one')
    .argument('<path>')
    .action((path: string) => bringMountpath(run(), 'attach', path))
  mountpath
    .command('enable')
    .description('bring a disabled mountpath back, with what is on it')
    .argument('<path>')
    .action((path: string) => bringMountpath(run(), 'enable', path))
  leaveOptions(
    mountpath
      .command('disable')
      .description('move native objects off a mountpath and take it out of service'),
  )
    .option('--force', 'at once: what only it has cannot be read until it is enabled')
    .action((path: string, options: LeaveOptions) =>
      leaveMountpath(run(), 'disable', { path, options }),
    )
  leaveOptions(
    mountpath.command('detach').description('move native objects off a mountpath and give it up'),
  )
    .option('--force', 'at once: what only it has is lost')
    .action((path: string, options: LeaveOptions) =>
      leaveMountpath(run(), 'detach', { path, options }),
    )
}

function leaveOptions(command: Command): Command {
  return command.argument('<path>').option('--no-wait', 'do not wait until it is empty')
}
