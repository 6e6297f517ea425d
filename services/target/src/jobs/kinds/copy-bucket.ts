import { copyWork } from './copy.ts'

export const COPY_BUCKET_WORK = copyWork('copy-bucket')
