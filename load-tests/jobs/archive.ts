/**
 * Objects archived into shards by a node that is killed again and again:
 *
 * `node load-tests/jobs/archive.ts --objects 50000 --kills 10 --format tar --seed 1`
 */
import { parseArgs } from 'node:util'
import { archiveRuns } from './archive-run.ts'

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
const formats = values.format.split(',').map((word) => {
  const format = FORMATS.find((name) => name === word)
  if (format === undefined) throw new Error(`--format is one or more of ${FORMATS.join(',')}`)
  return format
})
const objects = Number(values.objects)
const reports = await archiveRuns({
  seed: Number(values.seed),
  objects,
  objectBytes: Number(values.bytes),
  shardMembers: Number(values.members),
  formats,
  kills: Number(values.kills),
  say: (line) => console.info(line),
})
for (const { violations, ...report } of reports) {
  for (const violation of violations) console.info(violation)
  const { state, shards, format, milliseconds, kills, listCount, readCount } = report
  const seconds = (milliseconds / 1000).toFixed(1)
  console.info(
    `${state}: ${objects} objects in ${shards} archives of ${format} in ${seconds} s, ${kills} kills, ${violations.length} violations; so far ${listCount} LISTs and ${readCount} reads at the origin`,
  )
  if (state !== 'finished' || violations.length > 0) process.exitCode = 1
}
