/** The parts of COVERAGE.md about the public tests of Ceph and about real clients. */
import { readFileSync } from 'node:fs'

type Row = readonly string[]

/** The rows of a table of results, without its head; the path is that below `compatibility`. */
export function readRows(path: string): readonly Row[] {
  const text = readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')
  return text
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split('\t'))
}

/** Scores of the public S3 tests of Ceph, and why the rest fails. */
export function renderS3Tests(): string {
  const rows = readRows('s3-tests/results.tsv')
  const counted = rows.filter(([, , scope]) => scope === 'counts')
  const passed = (some: readonly Row[], column: 3 | 4): number =>
    some.filter((row) => row[column] === 'passed').length
  const files = [...new Set(counted.map(([file = '']) => file))]
  const failed = counted.filter(([, , , , forebay]) => forebay !== 'passed')
  const excluded = new Map<string, number>()
  for (const [, , scope, , , why = ''] of rows) {
    if (scope !== 'counts') excluded.set(why, (excluded.get(why) ?? 0) + 1)
  }
  return [
    `Of ${counted.length} cases that concern what is built, Forebay passes ${passed(counted, 4)}, versitygw ${passed(counted, 3)}.`,
    '',
    '| file | cases | versitygw | Forebay |',
    '|---|---|---|---|',
    ...files.map((file) => {
      const own = counted.filter((row) => row[0] === file)
      return `| ${file} | ${own.length} | ${passed(own, 3)} | ${passed(own, 4)} |`
    }),
    '',
    '| case that fails | why | versitygw |',
    '|---|---|---|',
    ...failed.map(([, name, , reference, , why]) => `| ${name} | ${why} | ${reference} |`),
    '',
    '| not counted | cases |',
    '|---|---|',
    ...[...excluded].sort().map(([why, count]) => `| ${why} | ${count} |`),
    '',
  ].join('\n')
}

/** Every check of a client, and every operation with the clients that it answered well. */
export function renderClients(): string {
  const rows = readRows('clients/results.tsv')
  const good = rows.filter(([, , native, behind]) => native === 'holds' && behind === 'holds')
  const clients = new Set(rows.map(([client]) => client))
  return [
    `${good.length} of ${rows.length} checks of ${clients.size} clients hold.`,
    '',
    '| client | check | native bucket | bucket with a backend |',
    '|---|---|---|---|',
    ...rows.map((row) => `| ${row.join(' | ')} |`),
    '',
    ...renderOperations(),
  ].join('\n')
}

function renderOperations(): readonly string[] {
  const rows = readRows('clients/operations.tsv').filter(([operation]) => operation !== undefined)
  if (rows.length === 0) return []
  return [
    '| operation | clients that it answered well |',
    '|---|---|',
    ...rows.map((row) => `| ${row.join(' | ')} |`),
    '',
  ]
}
