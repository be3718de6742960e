/** Values that several families share. */
export const THINK_TAGS = { open: '<think>', close: '</think>' };

/** The extension text of budget forcing, from s1 (arXiv 2501.19393); no family defines its own. */
export const EXTENSION = 'Wait';
