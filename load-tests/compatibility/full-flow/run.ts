/**
 * The public test suite of versitygw against versitygw and against Forebay:
 *
 *   node load-tests/compatibility/full-flow/run.ts [CASE...]
 *
 * With names of cases it runs those alone, one by one; without, it writes what it measured to
 * `results.tsv` and the tables of COVERAGE.md. Exits with 1 when a case of what is built fails here, passes there, and no reason is written down.
 */
import { writeResults } from '../coverage/results.ts'
import { compareServers, judge } from './compare-servers.ts'

const say = (line: string): void => void process.stdout.write(`${line}\n`)

const cases = await compareServers(say, process.argv.slice(2))
const { built, referencePassed, forebayPassed, unexplained, meant } = judge(cases)
say(`\nof ${built} cases of the operations that are built:`)
say(`  versitygw ${referencePassed}, Forebay ${forebayPassed}`)
say(`\npass at versitygw, fail at Forebay, nobody meant it: ${unexplained.length}`)
for (const { name, forebay } of unexplained) say(`  ${name}: ${forebay.said}`)
say(`\nfail at Forebay for a reason that is meant: ${meant.length}`)
for (const { name, meant: reason, forebay } of meant) {
  say(`  ${name}: ${reason}`)
  if (process.argv.length > 2) say(`    ${forebay.said}`)
}
const failedThere = cases.filter((one) => !one.reference.passed && one.missing === undefined)
say(`\nfail at versitygw: ${failedThere.length}`)
for (const { name, reference } of failedThere) say(`  ${name}: ${reference.said}`)
const missing = cases.filter((one) => !one.forebay.passed && one.missing !== undefined)
say(`\nfail for want of what is not built: ${missing.length}`)
for (const one of missing) say(`  ${one.name}: not built: ${one.missing}`)
if (process.argv.length === 2) {
  writeResults(cases)
  say('\nwritten: full-flow/results.tsv, COVERAGE.md')
}
process.exitCode = unexplained.length === 0 ? 0 : 1
