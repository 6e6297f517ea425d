/** `npm run tools`: gets the real servers and clients of the tests and says where they are. */
import { installTools } from './tools.ts'

const states = await installTools((line) => console.error(`tools: ${line}`))
for (const state of states) {
  if (state.kind === 'ready') console.log(`${state.name.padEnd(12)} ${state.path}`)
  else if (state.kind === 'left-out') console.log(`${state.name.padEnd(12)} left out`)
  else console.log(`${state.name.padEnd(12)} MISSING: ${state.reason}`)
}
if (states.some(({ kind }) => kind === 'missing')) process.exitCode = 1
