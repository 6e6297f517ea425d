import { Command, CommanderError } from 'commander'
import { addCareCommands, collect } from './care-commands.ts'
import { type CliContext, DEFAULT_ENDPOINT, type GlobalOptions, type Run } from './cli-context.ts'
import {
  addBucket,
  createBucket,
  listBuckets,
  propertyHelp,
  removeBucket,
  setBucket,
  showBucket,
} from './commands/bucket.ts'
import { answerCompletion } from './commands/completion.ts'
import { checkNode } from './commands/fsck.ts'
import { evictByJob, type ManyByJobOptions, removeByJob } from './commands/job-kinds.ts'
import { explainSettings, showConfig, showStatus, up } from './commands/node.ts'
import {
  catObjects,
  explainObject,
  getObject,
  headObject,
  listObjects,
} from './commands/read-objects.ts'
import { evictObjects, putObject, removeObjects } from './commands/write-objects.ts'
import { EXIT_CODES, EXIT_CODES_TEXT, exitCodeOf, usageError } from './exit-code.ts'
import { addJobCommands } from './job-commands.ts'
import { addMountpathCommands } from './mountpath-commands.ts'
import { errorJson, formatError } from './output/error-text.ts'
import { addSpaceCommands } from './space-commands.ts'

/**
 * Runs one command line, without the program's own name.
 *
 * @returns the exit code; failures were told on standard error
 */
export async function runCli(args: readonly string[], context: CliContext): Promise<number> {
  let exitCode: number = EXIT_CODES.ok
  const program = buildProgram(context, (code) => {
    exitCode = code
  })
  try {
    // All that follows is the node's own, flags that look like ours included.
    const [first, ...rest] = args
    if (first === 'up' && !rest.includes('--help') && !rest.includes('-h')) return await up(rest)
    if (first === '__complete') {
      await answerCompletion(program, rest, context)
      return exitCode
    }
    await program.parseAsync([...args], { from: 'user' })
    return exitCode
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_CODES.usage
    if (context.signal.aborted) return EXIT_CODES.interrupted
    const { json } = program.opts<GlobalOptions>()
    const lines = json === true ? [errorJson(error)] : formatError(error)
    for (const line of lines) context.stderr.write(`${line}\n`)
    return exitCodeOf(error)
  }
}

/** The commands, as the parser sees them. */
export function buildProgram(context: CliContext, setExitCode: (code: number) => void): Command {
  const program = new Command('forebay')
    .description('A cache tier in front of object stores: run it, look into it, move objects.')
    .option(
      '--endpoint <url>',
      `the Forebay to talk to (else FOREBAY_ENDPOINT, AIS_ENDPOINT, ${DEFAULT_ENDPOINT})`,
    )
    .option('--json', 'write JSON; lists as one object a line')
    .option('-q, --quiet', 'no progress and no notes')
    .addHelpText('after', `\n${HELP}`)
    .showHelpAfterError('(forebay COMMAND --help tells more)')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void context.stdout.write(text),
      writeErr: (text) => void context.stderr.write(text),
    })
  const run = (): Run => ({ context, options: program.opts<GlobalOptions>() })
  addNodeCommands(program, run, setExitCode)
  addCareCommands(program, run, setExitCode)
  addMountpathCommands(program, run)
  addBucketCommands(program, run)
  addObjectCommands(program, run, setExitCode)
  addSpaceCommands(program, run)
  addJobCommands(program, run, setExitCode)
  for (const command of allCommands(program)) command.copyInheritedSettings(program)
  return program
}

function addNodeCommands(
  program: Command,
  run: () => Run,
  setExitCode: (code: number) => void,
): void {
  program
    .command('up')
    .description('run a node in the foreground; Ctrl-C drains and ends it')
    .argument('[flags...]', 'flags of the node: --port, --data, --mountpath, --config, --set')
    .allowUnknownOption()
    .addHelpText('after', '\nExample:\n  forebay up --port 9000 --mountpath /mnt/nvme0')
    .action(async (flags: string[]) => setExitCode(await up(flags)))
  program
    .command('status')
    .description('what the node holds and how its cache does')
    .action(() => showStatus(run()))
  const config = program.command('config').description('the settings of a node')
  config
    .command('show')
    .description('every setting with its value')
    .option('--origin', 'tell where each value came from')
    .option('--node', 'ask the running node instead of reading the settings here')
    .option('--config <file>', 'read settings from this file')
    .action((options: { origin?: boolean; node?: boolean; config?: string }) =>
      showConfig(run(), options),
    )
  config
    .command('explain')
    .description('what settings mean: type, default, limits, variable')
    .argument('<key...>', 'cache.revalidateTtl, or a group such as cache')
    .action((keys: string[]) => explainSettings(run(), keys))
  program
    .command('fsck')
    .description('check the disks of a node that is not running')
    .option('--rebuild', 'rebuild the index from the journals, without asking any store')
    .option('--verify', 'read every byte and compare checksums')
    .option('--config <file>', 'read settings from this file')
    .option('--data <dir>', 'data directory of the node')
    .option('--mountpath <dir>', 'a mountpath of the node; repeatable', collect)
    .action(
      async (options: {
        rebuild?: boolean
        verify?: boolean
        config?: string
        data?: string
        mountpath?: string[]
      }) => setExitCode(await checkNode(run(), options)),
    )
}

function addBucketCommands(program: Command, run: () => Run): void {
  const bucket = program.command('bucket').description('make, show, change and remove buckets')
  bucket
    .command('add')
    .description('make a bucket of an S3 store known')
    .argument('<url>', 's3://name, gs://name, az://container, or https://host/dir/ with --name')
    .option('--name <name>', 'name of the bucket that stands for a directory of a web server')
    .option('--as <alias>', 'another name for it; repeatable', collect)
    .option(
      '--origin-endpoint <url>',
      'endpoint of the store (default: backends.PROVIDER.endpoint)',
    )
    .option('--region <region>', 'region of the store')
    .option('--profile <name>', 'profile of the credential files on the node')
    .option('--no-check', 'do not ask the store whether the bucket is there')
    .addHelpText(
      'after',
      '\nExamples:\n  forebay bucket add s3://training-data\n  forebay bucket add s3://tenant-7 --as images --origin-endpoint http://10.0.0.5:9000\n  forebay bucket add gs://corpus\n  forebay bucket add https://data.example.org/sets/ --name sets',
    )
    .action((url: string, options: object) => addBucket(run(), url, options))
  bucket
    .command('create')
    .description('make a native bucket: Forebay is its only store')
    .argument('<name>')
    .action((name: string) => createBucket(run(), name))
  bucket
    .command('ls')
    .description('list the buckets')
    .action(() => listBuckets(run()))
  bucket
    .command('rm')
    .description('remove a native bucket, or forget one of a store')
    .argument('<url>')
    .option('--force', 'remove a native bucket with its objects')
    .action((url: string, options: { force?: boolean }) => removeBucket(run(), url, options))
  bucket
    .command('show')
    .description('a bucket and its properties')
    .argument('<url>')
    .action((url: string) => showBucket(run(), url))
  bucket
    .command('set')
    .description('change properties of a bucket')
    .argument('<url>')
    .argument('<name=value...>', '"name=" goes back to the default')
    .addHelpText(
      'after',
      `\n${propertyHelp()}\n\nExample:\n  forebay bucket set s3://training-data revalidate=never`,
    )
    .action((url: string, assignments: string[]) => setBucket(run(), url, assignments))
}

function addObjectCommands(
  program: Command,
  run: () => Run,
  setExitCode: (code: number) => void,
): void {
  program
    .command('ls')
    .description('list buckets, or the names below a prefix')
    .argument('[url]')
    .option('-r, --recursive', 'do not stop at slashes')
    .option('--cached', 'only what is in the cache')
    .action((url: string | undefined, options: object) => listObjects(run(), url, options))
  program
    .command('get')
    .description('read an object into a file')
    .argument('<url>')
    .argument('[file]', 'file or directory; "-" is standard output')
    .option('--range <first-last>', 'only these bytes, counted from 0')
    .option('--latest', 'ask the store first, however fresh the copy')
    .action((url: string, file: string | undefined, options: object) =>
      getObject(run(), url, { file, options }),
    )
  program
    .command('put')
    .description('store a file')
    .argument('<file>', '"-" is standard input')
    .argument('<url>', 'ending in "/": the file keeps its name')
    .action((file: string, url: string) => putObject(run(), file, url))
  program
    .command('cat')
    .description('write objects to standard output')
    .argument('<url...>')
    .action((urls: string[]) => catObjects(run(), urls))
  program
    .command('rm')
    .description('delete objects, at the store too')
    .argument('<url...>')
    .option('-r, --recursive', 'everything below the URL')
    .option('-y, --yes', 'really')
    .option('--job', 'as a job of the node, which goes on without this terminal')
    .option('--wait', 'with --job: wait for the end, and show how far it is')
    .action(async (urls: string[], options: ByJobOptions) => {
      if (isByJob(options)) setExitCode(await removeByJob(run(), urls, options))
      else await removeObjects(run(), urls, options)
    })
  program
    .command('head')
    .description('what is known of an object')
    .argument('<url>')
    .action((url: string) => headObject(run(), url))
  program
    .command('evict')
    .description('drop cached copies; the store keeps the objects')
    .argument('<url...>')
    .option('-r, --recursive', 'everything cached below the URL')
    .option('--job', 'as a job of the node, which goes on without this terminal')
    .option('--wait', 'with --job: wait for the end, and show how far it is')
    .action(async (urls: string[], options: ByJobOptions) => {
      if (isByJob(options)) setExitCode(await evictByJob(run(), urls, options))
      else await evictObjects(run(), urls, options)
    })
  program
    .command('explain')
    .description('is an object cached, how fresh is it, and why')
    .argument('<url>')
    .action((url: string) => explainObject(run(), url))
}

interface ByJobOptions extends ManyByJobOptions {
  readonly job?: boolean | undefined
}

function isByJob({ job, wait }: ByJobOptions): boolean {
  if (wait === true && job !== true) throw usageError('--wait waits for a job', 'Add --job.')
  return job === true
}

function* allCommands(command: Command): Generator<Command> {
  for (const child of command.commands) {
    yield child
    yield* allCommands(child)
  }
}

const HELP = `URLs:
  s3://bucket/key    a bucket of AWS or another S3 store, through the cache
  ais://bucket/key   a native bucket
  fb://name/key      any bucket by its name or alias

Keys: FOREBAY_ACCESS_KEY and FOREBAY_SECRET_KEY, where the node has users.

Examples:
  forebay up
  forebay bucket add s3://training-data
  forebay get s3://training-data/shard-000000.tar
  forebay explain s3://training-data/shard-000000.tar

${EXIT_CODES_TEXT}`
