/**
 * The public S3 tests of Ceph against versitygw and against Forebay:
 *
 *   node load-tests/compatibility/s3-tests/run.ts [PART-OF-A-NAME...]
 *
 * Without names it writes what it measured to `results.tsv` and COVERAGE.md. Exits with 1 when a case of what is
 * built fails at Forebay and no reason is written down.
 */
import { writeFileSync } from 'node:fs'
import { writeCoverage } from '../coverage/results.ts'
import { compareServers } from './compare-servers.ts'

const RESULTS = new URL('results.tsv', import.meta.url)
const say = (line: string): void => void process.stdout.write(`${line}\n`)

const chosen = process.argv.slice(2)
const cases = await compareServers(chosen)
const counted = cases.filter((one) => one.missing === undefined)
const passed = (who: 'reference' | 'forebay'): number =>
  counted.filter((one) => one[who]?.result === 'passed').length
say(`of ${counted.length} cases that count, of ${cases.length} that ran:`)
say(`  versitygw ${passed('reference')}, Forebay ${passed('forebay')}`)
const failed = counted.filter((one) => one.forebay?.result !== 'passed')
for (const { file, name, meant, reference, forebay } of failed) {
  const there = reference?.result === 'passed' ? 'passes' : 'fails too'
  say(`  ${file} ${name}: ${meant ?? 'NOBODY MEANT IT'} (versitygw ${there})`)
  say(`    ${forebay?.said ?? 'it did not run'}`)
}
const unknown = cases.filter((one) => one.missing !== undefined && one.forebay?.result === 'passed')
say(`\nout of scope: ${cases.length - counted.length}; ${unknown.length} of them pass at Forebay`)
const stale = counted.filter((one) => one.meant !== undefined && one.forebay?.result === 'passed')
for (const { name } of stale) say(`  ${name} passes: its reason is out of date`)
if (chosen.length === 0) {
  const lines = cases.map((one) =>
    [
      one.file,
      one.name,
      one.missing === undefined ? 'counts' : 'out of scope',
      one.reference?.result ?? 'did not run',
      one.forebay?.result ?? 'did not run',
      one.missing ?? one.meant ?? '',
    ].join('\t'),
  )
  writeFileSync(RESULTS, `file\tcase\tscope\tversitygw\tforebay\twhy\n${lines.join('\n')}\n`)
  writeCoverage()
  say('written: s3-tests/results.tsv, COVERAGE.md')
}
process.exitCode = failed.every((one) => one.meant !== undefined) && stale.length === 0 ? 0 : 1
