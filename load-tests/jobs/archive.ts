/**
 * Objects archived into shards by a node that is killed again and again:
 *
 * `node load-tests/jobs/archive.ts --objects 50000 --kills 10 --format tar --seed 1`
 */
import { parseArgs } from 'node:util'
import { archiveRun } from './archive-run.ts'

const FORMATS = ['tar', 'tgz', 'tar.lz4', 'zip'] as const

const { values } = parseArgs({
  options: {
    objects: { type: 'string', default: '50000' },
    bytes: { type: 'string', default: '4096' },
    members: { type: 'string', default: '1000' },
    kills: { type: 'string', default: '10' },
    format: { type: 'string', default: 'tar' },
    seed: { type: 'string', default: '1' },
  },
})
const format = FORMATS.find((name) => name === values.format)
if (format === undefined) throw new Error(`--format is one of ${FORMATS.join(', ')}`)
const objects = Number(values.objects)
const { violations, ...report } = await archiveRun({
  seed: Number(values.seed),
  objects,
  objectBytes: Number(values.bytes),
  shardMembers: Number(values.members),
  format,
  kills: Number(values.kills),
  say: (line) => console.info(line),
})
for (const violation of violations) console.info(violation)
const seconds = report.milliseconds / 1000
console.info(JSON.stringify(report))
console.info(
  `${report.state}: ${objects} objects in ${report.shards} archives of ${format} in ${seconds.toFixed(1)} s, ${report.kills} kills, ${violations.length} violations`,
)
process.exitCode = report.state === 'finished' && violations.length === 0 ? 0 : 1
