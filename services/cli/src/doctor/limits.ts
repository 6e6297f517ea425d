import { describeBytes } from '@forebay/base/bytes'
import type { Settings } from '@forebay/config/schema'
import { openFilesShare } from '@forebay/target/os/open-files'
import { type Finding, ok, problem, remark, warning } from './finding.ts'
import type { Machine } from './machine.ts'

/** Oldest Node that runs the sources. */
const NODE_MAJOR_MIN = 26

/** An idle node needs about 120 MB; under load, buffers come to that. */
const MEMORY_BYTES_MIN = 512 * 1024 ** 2

/** Is this the Node and the system that Forebay is made for? */
export async function checkRuntime(machine: Machine): Promise<readonly Finding[]> {
  const { nodeVersion, platform, architecture, processors } = machine
  const what = `Node ${nodeVersion} on ${platform} ${architecture}, ${processors} processors`
  const major = Number(nodeVersion.split('.')[0])
  if (!(major >= NODE_MAJOR_MIN)) {
    const todo =
      'run "npm ci" in the checkout, which brings the right one, and start by npx forebay'
    return [problem('node', `${what}; Node ${NODE_MAJOR_MIN} is needed`, todo)]
  }
  const findings = [ok('node', what)]
  if (platform !== 'linux') {
    findings.push(warning('node', `${platform} is not tested as a server`, 'run nodes on Linux'))
  } else if (!(await machine.sendfileWorks())) {
    findings.push(remark('node', 'sendfile(2) cannot be called; large bodies go a slower way'))
  }
  return findings
}

/** Do open files and memory suffice for what the settings allow? */
export function checkLimits(machine: Machine, settings: Settings | undefined): readonly Finding[] {
  return [...checkOpenFiles(machine.openFilesLimit, settings), checkMemory(machine.memoryBytes)]
}

function checkOpenFiles(limit: number, settings: Settings | undefined): readonly Finding[] {
  if (settings === undefined) return [remark('limits', `${limit} open files`)]
  const share = openFilesShare(limit)
  const wanted = [
    ['http.connectionsMax', settings.http.connectionsMax],
    ['datapath.openFilesMax', settings.datapath.openFilesMax],
  ] as const
  const short = wanted.filter(([, count]) => count > share)
  if (short.length === 0) return [ok('limits', `${limit} open files`)]
  const names = short.map(([key, count]) => `${key} (${count})`).join(' and ')
  const most = Math.max(...short.map(([, count]) => count))
  return [
    warning(
      'limits',
      `${limit} open files: ${names} will be held to a quarter of that, ${share}`,
      `raise it to ${most * 4}: ulimit -Hn, LimitNOFILE= of systemd, or --ulimit nofile= of docker`,
    ),
  ]
}

function checkMemory(bytes: number): Finding {
  const what = `${describeBytes(bytes)} of memory`
  return bytes < MEMORY_BYTES_MIN
    ? warning('limits', what, `give it ${describeBytes(MEMORY_BYTES_MIN)} or more`)
    : ok('limits', what)
}
