/**
 * Unmodified S3 clients, each check against a native bucket and against a bucket that versitygw keeps:
 *
 *   node load-tests/compatibility/clients/run.ts [CLIENT...]
 *
 * Gets the clients where they are absent. Without names it writes what it measured: `results.tsv`, and
 * `operations.tsv`, the operations that each client was answered well, by Forebay's own access log.
 * Exits with 1 when a check fails.
 */
import { writeFileSync } from 'node:fs'
import { writeCoverage } from '../coverage/results.ts'
import { measureClients } from './measure.ts'

const RESULTS = new URL('results.tsv', import.meta.url)
const OPERATIONS = new URL('operations.tsv', import.meta.url)
const say = (line: string): void => void process.stdout.write(`${line}\n`)

const chosen = process.argv.slice(2)
const { results, operations } = await measureClients(say, chosen)
const good = results.filter((one) => one.native === '' && one.behind === '')
for (const { client, what, native, behind } of results) {
  say(`${native === '' && behind === '' ? 'ok  ' : 'FAIL'} ${client}: ${what}`)
  if (native !== '') say(`     native: ${native}`)
  if (behind !== '') say(`     behind: ${behind}`)
}
const clients = new Set(results.map((one) => one.client))
say(`${good.length} of ${results.length} checks of ${clients.size} clients hold, on both buckets`)
if (chosen.length === 0) {
  const word = (said: string): string => (said === '' ? 'holds' : 'fails')
  const lines = results.map((one) =>
    [one.client, one.what, word(one.native), word(one.behind)].join('\t'),
  )
  writeFileSync(
    RESULTS,
    `client\tcheck\tnative bucket\tbucket with a backend\n${lines.join('\n')}\n`,
  )
  const rows = [...operations]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([operation, by]) => `${operation}\t${[...by].sort().join(', ')}`)
  writeFileSync(OPERATIONS, `operation\tclients\n${rows.join('\n')}\n`)
  writeCoverage()
  say('written: clients/results.tsv, clients/operations.tsv, COVERAGE.md')
}
process.exitCode = good.length === results.length ? 0 : 1
