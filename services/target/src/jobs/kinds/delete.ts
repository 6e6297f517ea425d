import { checkSchema } from '@forebay/jobs/check-schema'
import { DELETE } from '@forebay/jobs/kinds/delete'
import type { KindWork } from '../kind-work.ts'
import { listSelected } from '../select-items.ts'
import { deleteListed } from './delete-listed.ts'

/** Deletes what is selected; an object that is no more what the list saw stays. */
export const DELETE_WORK: KindWork = {
  name: 'delete',
  list: async (context, { job, cursor, lease }) => {
    const selection = checkSchema(DELETE.args, job.args, 'args')
    return listSelected(context, { bucket: context.bucketOf(job), selection, cursor, lease })
  },
  apply: (context, { job, item, lease }) =>
    deleteListed(context, { job, bucket: context.bucketOf(job), item, lease }),
}
