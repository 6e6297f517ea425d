/**
 * Every place of the store where a test may kill the process, in the order of their flows. Crash
 * tests run over this list, so a step without a name here is a step that nobody tested.
 */
export const STORE_FAILPOINTS = {
  commit: [
    'commit:begun',
    'commit:data-synced',
    'commit:journalled',
    'commit:renamed',
    'commit:directory-synced',
    'commit:indexed',
  ],
  remove: ['remove:begun', 'remove:journalled', 'remove:unlinked', 'remove:indexed'],
  blocks: ['blocks:begun', 'blocks:journalled', 'blocks:indexed'],
  unsettled: ['unsettled:begun', 'unsettled:journalled', 'unsettled:indexed'],
  drop: ['drop:journalled', 'drop:indexed'],
  evict: ['evict:chosen', 'evict:locked'],
  adopt: ['adopt:page', 'adopt:indexed'],
  compact: ['compact:rotated', 'compact:written', 'compact:published', 'compact:removed'],
  journal: ['journal:write', 'journal:sync'],
  mark: ['mark:synced', 'mark:written'],
} as const
