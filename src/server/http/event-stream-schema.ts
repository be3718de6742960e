import type { Readable } from 'node:stream';
import { z } from 'zod';

/**
 * Describes a text/event-stream body.
 * @param item name of the schema that the data of every event follows
 */
export function eventStreamSchema(item: string, description: string) {
  return z.custom<Readable>().meta({
    type: 'string',
    description,
    contentMediaType: 'text/event-stream',
    contentSchema: { $ref: `#/components/schemas/${item}` },
  });
}
