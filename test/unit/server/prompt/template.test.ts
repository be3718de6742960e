import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import {
  ChatTemplate,
  contentShapeFor,
  loadChatTemplate,
} from '../../../../src/server/prompt/template.ts';

const messages = [{ role: 'user', content: 'hi' }];

describe('chat template', () => {
  it('tells the generation prompt from the conversation', () => {
    const template = new ChatTemplate(
      '{{ messages[0].content }};{% if add_generation_prompt %}A{{ mode }}:{% endif %}',
    );
    assert.deepEqual(template.render({ messages, variables: { mode: 'x' } }), {
      conversation: 'hi;',
      generationPrompt: 'Ax:',
    });
  });

  it('takes what both renderings share for the conversation when one does not begin the other', () => {
    const template = new ChatTemplate(
      '{{ messages[0].content }}{% if add_generation_prompt %}>{% else %}.{% endif %}',
    );
    assert.deepEqual(template.render({ messages, variables: {} }), {
      conversation: 'hi',
      generationPrompt: '>',
    });
  });

  it('hands its globals to the template', () => {
    const template = new ChatTemplate('{{ messages[0].content + eos_token }}', { eos_token: '#' });
    assert.equal(template.render({ messages, variables: {} }).conversation, 'hi#');
  });

  it('names the file that cannot be parsed', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'thinkgate-template-'));
    const file = join(dir, 'chat_template.jinja');
    await writeFile(file, '{% if %}');
    await assert.rejects(loadChatTemplate(file), (error: Error) => error.message.startsWith(file));
    await rm(dir, { recursive: true });
  });
});

describe('the shape of content a template takes', () => {
  it('is the preferred one where both come through', () => {
    const both = new ChatTemplate(
      '{% for m in messages %}{% if m.content is string %}{{ m.content }}{% else %}{% for p in m.content %}{{ p.text }}{% endfor %}{% endif %}{% endfor %}',
    );
    assert.equal(contentShapeFor(both, 'system', 'parts'), 'parts');
    assert.equal(contentShapeFor(both, 'system', 'string'), 'string');
  });

  it('is a string where a list would be left out or printed as it stands', () => {
    const strings = new ChatTemplate('{% for m in messages %}{{ m.content }}{% endfor %}');
    assert.equal(contentShapeFor(strings, 'system', 'parts'), 'string');
  });

  it('is a list where a string would be left out', () => {
    const lists = new ChatTemplate(
      "{% for p in messages[0].content | selectattr('type', 'equalto', 'text') %}{{ p.text }}{% endfor %}",
    );
    assert.equal(contentShapeFor(lists, 'tool', 'string'), 'parts');
  });

  it('stays the preferred one where nothing comes through', () => {
    const refuses = new ChatTemplate("{{ raise_exception('no system message') }}");
    assert.equal(contentShapeFor(refuses, 'system', 'parts'), 'parts');
  });
});
