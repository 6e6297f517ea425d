/** Commands about jobs: long work over many objects, which the node does. */
import type { Command } from 'commander'
import { collect } from './care-commands.ts'
import type { Run } from './cli-context.ts'
import { type ArchiveOptions, archiveObjects } from './commands/archive.ts'
import { type DownloadOptions, downloadFiles } from './commands/download.ts'
import {
  changeJobs,
  type ListJobsOptions,
  listJobs,
  removeJobs,
  retryJob,
  showFailures,
  showJob,
} from './commands/job.ts'
import {
  type CopyOptions,
  copyObjects,
  type PrefetchOptions,
  prefetchObjects,
  syncBuckets,
} from './commands/job-kinds.ts'
import { type StartOptions, showKinds, startJob } from './commands/job-start.ts'
import { type PromoteOptions, promoteFiles } from './commands/promote.ts'
import {
  listSchedules,
  putSchedule,
  removeSchedules,
  type ScheduleOptions,
} from './commands/schedule.ts'
import { orderOptions } from './jobs/order-options.ts'
import { waitForJobs } from './jobs/wait-for-jobs.ts'

type SetExitCode = (code: number) => void

export function addJobCommands(program: Command, run: () => Run, setExitCode: SetExitCode): void {
  addPrefetchCommand(program, run, setExitCode)
  addCopyCommands(program, run, setExitCode)
  addDownloadCommand(program, run, setExitCode)
  addArchiveCommand(program, run, setExitCode)
  addPromoteCommand(program, run, setExitCode)
  const job = program
    .command('job')
    .description('start, show, wait for, stop and retry jobs: long work that the node does')
  addStartCommands(job, run, setExitCode)
  job
    .command('ls')
    .description('list the jobs, newest first')
    .option('--kind <kind>', 'only those of this kind')
    .option('--state <state>', 'only those that are queued, running, paused, finished, failed ...')
    .option('--bucket <url>', 'only those of this bucket')
    .option('--max <count>', 'at most so many (default: 100)')
    .action((options: ListJobsOptions) => listJobs(run(), options))
  job
    .command('show')
    .description('a job with its arguments, counts and result')
    .argument('<id>')
    .action((id: string) => showJob(run(), id))
  job
    .command('wait')
    .description('wait until jobs have ended, and show how far they are')
    .argument('<id...>')
    .addHelpText('after', `\n${WAIT_HELP}`)
    .action(async (ids: string[]) => setExitCode(await waitForJobs(run(), ids)))
  job
    .command('failures')
    .description('every object that failed, with a code and the reason, a line each')
    .argument('<id>')
    .option('--max <count>', 'only the first')
    .action((id: string, options: { max?: string }) => showFailures(run(), id, options))
  job
    .command('retry')
    .description('do what failed again, and that alone')
    .argument('<id>')
    .option('--wait', 'wait for the end, and show how far it is')
    .action(async (id: string, options: { wait?: boolean }) =>
      setExitCode(await retryJob(run(), id, options)),
    )
  addChangeCommands(job, run)
  addScheduleCommands(job, run)
}

function addPrefetchCommand(program: Command, run: () => Run, setExitCode: SetExitCode): void {
  orderOptions(
    program
      .command('prefetch')
      .description('bring objects of a store into the cache: a job of the node')
      .argument('<url...>', 'a bucket, a prefix that ends in "/", or objects')
      .option('-r, --recursive', 'everything that begins with the URL')
      .option('--template <pattern>', 'keys like shard-{0001..0100}.tar; the URL is the bucket')
      .option('--latest', 'ask the store about what is cached, and fetch newer versions')
      .option('--verify', 'read what is cached, compare checksums, and mend what is wrong')
      .option('--wait', 'wait for the end, and show how far it is'),
  )
    .addHelpText(
      'after',
      `\n${WAIT_HELP}\n\nExamples:\n  forebay prefetch s3://training-data/epoch-1/ --wait\n  forebay prefetch s3://training-data --template 'shard-{0000..0999}.tar'`,
    )
    .action(async (urls: string[], options: PrefetchOptions) =>
      setExitCode(await prefetchObjects(run(), urls, options)),
    )
}

function addCopyCommands(program: Command, run: () => Run, setExitCode: SetExitCode): void {
  orderOptions(
    program
      .command('cp')
      .description('copy objects from one bucket into another: a job of the node')
      .argument('<url...>', 'buckets, prefixes that end in "/" or objects; last, where to')
      .option('-r, --recursive', 'everything that begins with the URL')
      .option('--template <pattern>', 'keys like shard-{0001..0100}.tar; the source is the bucket')
      .option('--latest', 'copy what changes after it was listed as it is by then')
      .option('--no-overwrite', 'leave what is in the destination as it is')
      .option('--dry-run', 'count what would be done')
      .option('--wait', 'wait for the end, and show how far it is'),
  )
    .addHelpText(
      'after',
      `\nKeys stay whole: s3://a/x/1 becomes ais://b/p/x/1 below ais://b/p/. One object may get a key of its own: ais://b/y. What is the same stays.\n\n${WAIT_HELP}\n\nExample:\n  forebay cp s3://training-data/epoch-1/ ais://scratch --wait`,
    )
    .action(async (urls: string[], options: CopyOptions) =>
      setExitCode(await copyObjects(run(), urls, options)),
    )
  orderOptions(
    program
      .command('sync')
      .description('make a bucket the same as another, deleting what the source has not')
      .argument('<source>', 'a bucket, or a prefix of it')
      .argument('<destination>', 'a bucket')
      .option('--latest', 'copy what changes after it was listed as it is by then')
      .option('--dry-run', 'count what would be done')
      .option('--wait', 'wait for the end, and show how far it is'),
  )
    .addHelpText('after', `\n${WAIT_HELP}\n\nExample:\n  forebay sync s3://models ais://models`)
    .action(async (source: string, destination: string, options: CopyOptions) =>
      setExitCode(await syncBuckets(run(), [source, destination], options)),
    )
}

function addDownloadCommand(program: Command, run: () => Run, setExitCode: SetExitCode): void {
  orderOptions(
    program
      .command('download')
      .description('fetch files of web servers into a bucket: a job of the node')
      .argument('<url...>', 'files, directories (with "/" at the end), hf://...; last, where to')
      .option('--template', 'the URL has a range: https://host/shard-{0001..0100}.tar')
      .option('--depth <count>', 'levels of directories to look into (default: all)')
      .option('--include <pattern>', 'only such files, like *.tar or train/**; repeatable', collect)
      .option('--exclude <pattern>', 'no such files; repeatable', collect)
      .option('--header <name: value>', 'sent to the server; repeatable', collect)
      .option('--token-env <name>', 'variable of the node with the token for hf://')
      .option('--wait', 'wait for the end, and show how far it is'),
  )
    .addHelpText(
      'after',
      `\n${WAIT_HELP}\n\nExamples:\n  forebay download https://data.example.org/sets/ ais://sets --include '*.tar'\n  forebay download hf://datasets/owner/name@main ais://sets/name/ --wait`,
    )
    .action(async (urls: string[], options: DownloadOptions) =>
      setExitCode(await downloadFiles(run(), urls, options)),
    )
}

function addArchiveCommand(program: Command, run: () => Run, setExitCode: SetExitCode): void {
  orderOptions(
    program
      .command('archive')
      .description('pack objects into archives, in the order of their list: a job of the node')
      .argument('<url...>', 'a bucket, a prefix or objects of one; last, the name of the archive')
      .option('-r, --recursive', 'everything that begins with the URL')
      .option('--template <pattern>', 'keys like image-{000001..100000}.jpg; the URL is the bucket')
      .option('--format <word>', 'tar, tgz, tar.lz4 or zip (default: as the name ends)')
      .option('--shard-size <size>', 'size of an archive before it is packed, like 512MiB')
      .option('--shard-members <count>', 'objects in an archive')
      .option('--member-names <word>', 'key, base or bucket-key (default: key)')
      .option('--append', 'add to archives that are there; TAR only')
      .option('--skip-missing', 'do without objects that are gone since they were listed')
      .option('--wait', 'wait for the end, and show how far it is'),
  )
    .addHelpText(
      'after',
      `\n%06d in the name is the number of the archive.\n\n${WAIT_HELP}\n\nExample:\n  forebay archive s3://images/train/ ais://shards/train-%06d.tar --shard-size 512MiB`,
    )
    .action(async (urls: string[], options: ArchiveOptions) =>
      setExitCode(await archiveObjects(run(), urls, options)),
    )
}

function addPromoteCommand(program: Command, run: () => Run, setExitCode: SetExitCode): void {
  orderOptions(
    program
      .command('promote')
      .description('make objects of files that the node can see: a job of the node')
      .argument('<path...>', 'files or directories of the node; last, the URL of where to')
      .option('-r, --recursive', 'what is below the directories of a directory, too')
      .option('--overwrite', 'overwrite objects that are there')
      .option('--delete-source', 'delete each file once its object is stored')
      .option('--wait', 'wait for the end, and show how far it is'),
  )
    .addHelpText(
      'after',
      `\nOne file gets the key that the URL names; of a directory it is the folder of its files.\nThe node reads only below the folders of its setting jobs.promote.folders.\n\n${WAIT_HELP}\n\nExample:\n  forebay promote -r /mnt/nfs/images ais://images --wait`,
    )
    .action(async (paths: string[], options: PromoteOptions) =>
      setExitCode(await promoteFiles(run(), paths, options)),
    )
}

function addStartCommands(job: Command, run: () => Run, setExitCode: SetExitCode): void {
  orderOptions(
    job
      .command('start')
      .description('start a job of any kind')
      .argument('<kind>', '"forebay job kinds" lists them')
      .argument('[bucket]')
      .option('--arg <name=value>', 'an argument of the kind; repeatable', collect)
      .option('--wait', 'wait for the end, and show how far it is'),
  )
    .addHelpText(
      'after',
      '\nExample:\n  forebay job start prefetch s3://training-data --arg prefix=epoch-1/ --wait',
    )
    .action(async (kind: string, bucket: string | undefined, options: StartOptions) =>
      setExitCode(await startJob(run(), { kind, bucket }, options)),
    )
  job
    .command('kinds')
    .description('the kinds of jobs, or what one of them takes')
    .argument('[kind]')
    .action((kind: string | undefined) => showKinds(run(), kind))
}

function addChangeCommands(job: Command, run: () => Run): void {
  job
    .command('stop')
    .description('end jobs; "forebay job retry" takes them up again')
    .argument('<id...>')
    .action((ids: string[]) => changeJobs(run(), 'abort', ids))
  job
    .command('pause')
    .description('let jobs keep their place and do nothing')
    .argument('<id...>')
    .action((ids: string[]) => changeJobs(run(), 'pause', ids))
  job
    .command('resume')
    .description('let paused jobs go on')
    .argument('<id...>')
    .action((ids: string[]) => changeJobs(run(), 'resume', ids))
  job
    .command('rm')
    .description('forget jobs that have ended')
    .argument('<id...>')
    .action((ids: string[]) => removeJobs(run(), ids))
}

function addScheduleCommands(job: Command, run: () => Run): void {
  const schedule = job.command('schedule').description('jobs that come by the clock')
  schedule
    .command('ls')
    .description('the schedules, and when each comes next')
    .action(() => listSchedules(run()))
  const put = schedule
    .command('put')
    .description('order a job by the clock; replaces the schedule of this id')
    .argument('<id>')
    .argument('<cron>', 'five fields, like "0 3 * * *"; with six the first is seconds')
    .argument('<kind>', '"forebay job kinds" lists them')
    .argument('[bucket]')
    .option('--time-zone <name>', 'like Europe/Berlin (default: UTC)')
    .option('--arg <name=value>', 'an argument of the kind; repeatable', collect)
  orderOptions(put)
    .addHelpText(
      'after',
      "\nExample:\n  forebay job schedule put nightly '0 3 * * *' prefetch s3://training-data --arg latest=true",
    )
    .action((...[id, cron, kind, bucket, options]: PutArguments) =>
      putSchedule(run(), { id, cron, kind, bucket }, options),
    )
  schedule
    .command('rm')
    .description('end schedules; jobs that they ordered go on')
    .argument('<id...>')
    .action((ids: string[]) => removeSchedules(run(), ids))
}

type PutArguments = readonly [
  id: string,
  cron: string,
  kind: string,
  bucket: string | undefined,
  options: ScheduleOptions,
]

const WAIT_HELP = `Waiting exits 0 when every job finished, else 1. Ctrl-C ends the waiting, not the job:
"forebay job stop ID" ends that.`
