import { Session } from 'node:inspector/promises'
import { writeFileSync } from 'node:fs'
import { Worker, isMainThread } from 'node:worker_threads'
