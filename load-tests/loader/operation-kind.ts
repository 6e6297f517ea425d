/** What a run does, in the order of its tables. */
export const OPERATION_KINDS = ['get', 'put', 'head', 'list', 'delete'] as const

export type OperationKind = (typeof OPERATION_KINDS)[number]
