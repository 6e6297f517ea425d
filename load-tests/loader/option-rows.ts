/** The options in the order of the help; those of aisloader have its names. */

type OptionRow<Name extends string = string> = {
  readonly name: Name
  readonly doc: string
  /** Stands alone, or with true or false. */
  readonly isFlag?: true
  /** What it is when it is not given. */
  readonly standard?: string
  /** aisloader has it too. */
  readonly shared?: true
}

const rows = [
  {
    name: 's3endpoint',
    shared: true,
    doc: 'URLs of S3 servers, by commas, taken in turn',
  },
  { name: 'endpoint', doc: "the same for AIStore's API" },
  { name: 'ip', shared: true, doc: "host for AIStore's API, with -port" },
  { name: 'port', shared: true, doc: "port for AIStore's API (8080)" },
  {
    name: 'bucket',
    shared: true,
    doc: 'name, or ais://name, s3://name, gs://name, az://name',
  },
  { name: 'provider', shared: true, doc: 'ais, aws, gcp or azure (ais)' },
  { name: 'subdir', shared: true, doc: 'folder of the objects' },
  {
    name: 'duration',
    shared: true,
    standard: '1m',
    doc: 'how long; 0 for no limit (1m)',
  },
  { name: 'warmup', standard: '0', doc: 'before what is measured' },
  {
    name: 'numworkers',
    shared: true,
    standard: '10',
    doc: 'requests at once in a closed loop (10)',
  },
  {
    name: 'rate',
    doc: 'open loop: arrivals a second, whether or not answers come',
  },
  { name: 'arrival', standard: 'poisson', doc: 'poisson or constant' },
  {
    name: 'maxinflight',
    standard: '1000',
    doc: 'open loop: arrivals above this fail as overload (1000)',
  },
  {
    name: 'pctput',
    shared: true,
    standard: '0',
    doc: 'percent of writes; the rest is read',
  },
  { name: 'pcthead', standard: '0', doc: 'percent of heads' },
  { name: 'pctlist', standard: '0', doc: 'percent of listings, a page each' },
  { name: 'pctdelete', standard: '0', doc: 'percent of removals' },
  { name: 'minsize', shared: true, doc: 'smallest object (1m)' },
  { name: 'maxsize', shared: true, doc: 'largest object (as -minsize)' },
  {
    name: 'sizes',
    doc: 'constant:1m, uniform:4k-1m, lognormal:64k,1.5 or list:4k*70,1m*30',
  },
  { name: 'objects', standard: '1000', doc: 'objects of the run (1000)' },
  { name: 'partsize', doc: 'S3: larger objects are written in parts of this size' },
  { name: 'readoff', shared: true, doc: 'reads begin here; a size or random' },
  { name: 'readlen', shared: true, doc: 'bytes of each read; a size or random' },
  {
    name: 'num-epochs',
    shared: true,
    standard: '0',
    doc: 'reads every object this often, shuffled by the seed',
  },
  { name: 'verify', isFlag: true, doc: 'checks every byte that is read, and its version' },
  { name: 'existing', isFlag: true, doc: 'reads what the bucket lists, and writes nothing' },
  {
    name: 'prepare',
    isFlag: true,
    standard: 'true',
    doc: 'writes the objects first; =false: an earlier run did',
  },
  {
    name: 'prepareendpoint',
    doc: 'S3 server that they are written to (the first endpoint)',
  },
  {
    name: 'cleanup',
    isFlag: true,
    shared: true,
    doc: 'removes the objects at the end, and the bucket if the run made it',
  },
  { name: 'totalputsize', shared: true, doc: 'ends when so much was written' },
  { name: 'count', doc: 'ends after so many operations' },
  {
    name: 'seed',
    shared: true,
    doc: 'decides sizes, contents, order and arrivals (by the clock)',
  },
  {
    name: 'loaderid',
    shared: true,
    standard: '0',
    doc: 'of several loaders: this one, from 0',
  },
  {
    name: 'loadernum',
    shared: true,
    standard: '1',
    doc: 'how many loaders share the bucket; each has names of its own',
  },
  {
    name: 'statsinterval',
    shared: true,
    standard: '10',
    doc: 'between lines of progress (10s)',
  },
  {
    name: 'timeout',
    standard: '1m',
    doc: 'longest wait for a whole answer (1m)',
  },
  { name: 'insecure', isFlag: true, doc: 'takes any TLS certificate' },
  { name: 'json', doc: 'file for the report as JSON' },
  { name: 'html', doc: 'file for the report as a page with charts' },
  { name: 'quiet', isFlag: true, shared: true, doc: 'no lines of progress' },
  { name: 'max-p50', doc: 'fails above, for example 5ms, or get=5ms,put=50ms' },
  { name: 'max-p99', doc: 'the same for 99 of 100' },
  { name: 'max-p999', doc: 'the same for 999 of 1000' },
  { name: 'max-errors', doc: 'fails above a count or a share such as 0.1%' },
  { name: 'min-rate', doc: 'fails below so many operations a second' },
] as const satisfies readonly OptionRow[]

export type OptionName = (typeof rows)[number]['name']

/** Every option, in the order of the help. */
export const OPTION_ROWS: readonly OptionRow<OptionName>[] = rows

/** Other names for the same. */
export const ALIASES: Readonly<Record<string, OptionName>> = {
  epochs: 'num-epochs',
  S3endpoint: 's3endpoint',
}

export const USAGE = `usage: npm run load -- -bucket NAME [options]

Loads one or several servers and says how long they took. Times run from when a request was due, not
from when it could be sent. Credentials of S3: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, else
unsigned; of AIStore's API: AIS_AUTHN_TOKEN. An option is written -x V, --x V or --x=V.

${OPTION_ROWS.map(({ name, doc, shared }) => `  -${name.padEnd(16)} ${shared ? ' ' : '*'} ${doc}`).join('\n')}

* not an option of aisloader. Exit status: 0; 1 a threshold was missed or nothing could be measured;
2 a wrong option; 3 an answer had wrong bytes (-verify).
`
