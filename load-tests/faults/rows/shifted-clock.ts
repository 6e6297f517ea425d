/** Preloaded into a node: at SIGUSR2 its wall clock jumps to what the file names, ms from the true time. */
import { readFileSync } from 'node:fs'
import { env } from 'node:process'

const TrueDate = globalThis.Date
const state = { shiftMs: 0 }

class ShiftedDate extends TrueDate {
  constructor(...given: [] | [number | string | Date]) {
    if (given.length === 0) super(TrueDate.now() + state.shiftMs)
    else super(given[0])
  }

  static override now(): number {
    return TrueDate.now() + state.shiftMs
  }
}

Object.defineProperty(globalThis, 'Date', { value: ShiftedDate })
process.on('SIGUSR2', () => {
  state.shiftMs = Number(readFileSync(env['SHIFT_FILE'] ?? '', 'utf8'))
})
