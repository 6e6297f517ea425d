#!/usr/bin/env node
/**
 * The `forebay` command. It runs on any Node >= 20 and hands over to Node 26, which runs the sources
 * as they are; npm brought one along.
 */
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'
import { findNode26, NODE_MAJOR_MIN } from './node26.mjs'

const main = new URL('../src/main.ts', import.meta.url)

if (Number(process.versions.node.split('.')[0]) >= NODE_MAJOR_MIN) {
  const { runFromShell } = await import(main.href)
  await runFromShell()
} else {
  handOver(findNode26())
}

function handOver(node) {
  if (node === undefined) {
    process.stderr.write(
      `forebay: Node ${NODE_MAJOR_MIN} is needed and npm has none for ${process.platform}-${process.arch}; install it and try again\n`,
    )
    process.exit(1)
  }
  const args = ['--disable-warning=ExperimentalWarning', fileURLToPath(import.meta.url)]
  const child = spawn(node, [...args, ...process.argv.slice(2)], { stdio: 'inherit' })
  // Ctrl-C in a terminal reaches the whole process group; elsewhere it is passed on.
  process.on('SIGINT', () => {
    if (!process.stdin.isTTY) child.kill('SIGINT')
  })
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('error', (error) => {
    process.stderr.write(`forebay: ${node} could not be started: ${error.message}\n`)
    process.exitCode = 1
  })
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? 128 + constants.signals[signal]
  })
}
