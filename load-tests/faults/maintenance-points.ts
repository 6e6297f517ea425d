/** Failpoints of what a node does by itself, and of buckets; those of objects stand with `SCENARIOS`. */
export const MAINTENANCE = {
  evict: ['evict:chosen', 'evict:locked', 'remove:begun', 'remove:journalled', 'remove:unlinked'],
  mark: ['mark:synced', 'mark:written'],
  compact: ['compact:rotated', 'compact:written', 'compact:published', 'compact:removed'],
  drop: ['drop:journalled', 'drop:indexed'],
  scrub: ['scrub:locked', 'scrub:marked', 'scrub:repaired', 'scrub:page'],
  adopt: ['adopt:page', 'adopt:indexed'],
  /** In the order of a life: attached, emptied, given up. */
  mountpathAttach: ['attach:prepared', 'attach:written'],
  mountpathLeave: ['drain:begun', 'move:copied', 'drain:moved', 'drain:emptied', 'detach:written'],
  mountpathReturn: ['return:judged', 'return:compacted', 'return:written'],
  table: [
    'bucket-table.previous.written',
    'bucket-table.previous.synced',
    'bucket-table.previous.renamed',
    'bucket-table.newest.written',
    'bucket-table.newest.synced',
    'bucket-table.newest.renamed',
  ],
  identity: ['node-identity.written', 'node-identity.synced', 'node-identity.renamed'],
} as const
