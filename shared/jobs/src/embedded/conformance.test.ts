import { test } from 'vitest'
import { jobEngineCases } from '../conformance.ts'
import { EMBEDDED_HARNESS } from './harness.ts'

for (const { title, run } of jobEngineCases(EMBEDDED_HARNESS)) test(title, run)
