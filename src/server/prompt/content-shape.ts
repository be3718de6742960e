import type { ChatMessage } from './messages.ts';
import type { ChatTemplate, TemplateMessage } from './template.ts';

/** Whether a message's content goes to the template as a list of typed parts or as one string. */
export type ContentShape = 'parts' | 'string';

const PROBE = 'text that must come through';

/**
 * Finds the shape a template takes for one role. Templates made for lists of parts often expect a plain string of the
 * system or an assistant message; given the wrong shape they fail, or leave the text out without a word.
 * @param preferred the shape the template takes for user messages
 */
export function contentShapeFor(
  template: ChatTemplate,
  role: ChatMessage['role'],
  preferred: ContentShape,
): ContentShape {
  const other = preferred === 'parts' ? 'string' : 'parts';
  return !comesThrough(template, role, preferred) && comesThrough(template, role, other)
    ? other
    : preferred;
}

function comesThrough(
  template: ChatTemplate,
  role: ChatMessage['role'],
  shape: ContentShape,
): boolean {
  const content = shape === 'string' ? PROBE : [{ type: 'text', text: PROBE } as const];
  const messages: TemplateMessage[] = [{ role, content }];
  try {
    const { conversation } = template.render({ messages, variables: {} });
    // A list printed as it stands shows its keys.
    return conversation.includes(PROBE) && !/["']type["']/.test(conversation);
  } catch {
    return false;
  }
}
