/** Brings the generated parts of COVERAGE.md up to date: `node load-tests/compatibility/coverage/write.ts` */
import { writeCoverage } from './results.ts'

writeCoverage()
