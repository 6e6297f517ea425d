import { copyWork } from './copy.ts'

export const COPY_OBJECTS_WORK = copyWork('copy-objects')
