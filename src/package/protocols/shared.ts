/** What several families have in common. */
export const THINK_TAGS = { open: '<think>', close: '</think>' };

/** The word of s1 (arXiv 2501.19393) that has a model think on; it is no family's own. */
export const EXTENSION = 'Wait';
