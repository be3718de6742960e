/** One field of a request schema and what comes of setting it. */
export interface FieldRow {
  /** As in `messages[].content[].text`. */
  readonly path: string;
  /** Fields of the request that sets it. */
  readonly set: Record<string, unknown>;
  /** Fields of the request it is held against, beyond what every request has. */
  readonly from: Record<string, unknown>;
  /** The plan or the reply changes, nothing does, or the request is a 400 that names the field. */
  readonly effect: 'changes' | 'nothing' | 'refused';
}

type Fields = Record<string, unknown>;

function row(path: string, set: Fields, from: Fields = {}): FieldRow {
  return { path, set: { ...from, ...set }, from, effect: 'changes' };
}

function inert(path: string, set: Fields, from: Fields = {}): FieldRow {
  return { ...row(path, set, from), effect: 'nothing' };
}

function refused(path: string, set: Fields, from: Fields = {}): FieldRow {
  return { ...row(path, set, from), effect: 'refused' };
}

/** The same for a field of one value alone: a part of the first message. */
const PNG = 'data:image/png;base64,AAAA';

const user = (content: unknown): Fields => ({ messages: [{ role: 'user', content }] });
const text = (value: string): Fields => user([{ type: 'text', text: value }]);
const image = (image: Fields): Fields => user([{ type: 'image_url', image_url: image }]);
const assistant = (message: Fields): Fields => ({
  messages: [
    { role: 'assistant', content: 'Hi', ...message },
    { role: 'user', content: 'Hello' },
  ],
});

const CALL = { id: 'c1', type: 'function', function: { name: 'f', arguments: '{"a":1}' } };

function called(call: Fields, result: Fields = {}): Fields {
  return {
    messages: [
      { role: 'user', content: 'Hello' },
      { role: 'assistant', content: null, tool_calls: [call] },
      { role: 'tool', tool_call_id: String(call['id']), content: '1', ...result },
    ],
  };
}

const calledWith = (name: string, args: string): Fields =>
  called({ ...CALL, function: { name, arguments: args } });

const tool = (change: Fields = {}): Fields => ({
  tools: [{ type: 'function', function: { name: 'f', ...change } }],
});
const tools = { tools: ['f', 'g'].map((name) => ({ type: 'function', function: { name } })) };
const named = (name: string): Fields => ({ type: 'function', function: { name } });
const allowed = (mode: string, ...names: string[]): Fields => ({
  tool_choice: { type: 'allowed_tools', allowed_tools: { mode, tools: names.map(named) } },
});
const strategy = (type: string, change: Fields = {}): Fields => ({ strategy: { type, ...change } });
const drafts = (change: Fields = {}): Fields =>
  strategy('parallel_distill_refine', { drafts: 2, ...change });
const earlyExit = (change: Fields = {}): Fields =>
  strategy('early_exit', { positions: [2], ...change });
const confident = (change: Fields = {}): Fields =>
  strategy('confidence_exit', { transitions: ['me'], ...change });
const jsonSchema = (change: Fields = {}): Fields => ({
  response_format: {
    type: 'json_schema',
    json_schema: { name: 'n', schema: { type: 'object' }, ...change },
  },
});

/** Every field of the chat schema. */
export const CHAT_ROWS: readonly FieldRow[] = [
  row('model', { model: 'test-model:fast' }),
  row('messages', user('Bye')),
  row('messages[].role', { messages: [{ role: 'system', content: 'Hello' }] }),
  row('messages[].content', user('Bye')),
  row('messages[].content[].text', text('b'), text('a')),
  refused('messages[].content[].type', user([{ type: 'input_audio', text: 'a' }])),
  row('messages[].content[].image_url', image({ url: PNG })),
  row('messages[].content[].image_url.url', image({ url: `${PNG}AAAA` }), image({ url: PNG })),
  row(
    'messages[].content[].image_url.detail',
    image({ url: PNG, detail: 'low' }),
    image({ url: PNG }),
  ),
  row('messages[].reasoning', assistant({ reasoning: 'why' }), assistant({})),
  row('messages[].reasoning_content', assistant({ reasoning_content: 'why' }), assistant({})),
  refused('messages[].refusal', assistant({ refusal: 'no' })),
  refused('messages[].audio', assistant({ audio: { id: 'a' } })),
  refused('messages[].function_call', assistant({ function_call: { name: 'f', arguments: '' } })),
  refused('messages[].annotations', assistant({ annotations: 'cited' })),
  row('messages[].tool_calls', called(CALL)),
  refused('messages[].tool_calls[].index', {
    messages: [{ role: 'assistant', content: null, tool_calls: [{ ...CALL, index: 1 }] }],
  }),
  row('messages[].tool_calls[].id', called({ ...CALL, id: 'c2' }), called(CALL)),
  refused('messages[].tool_calls[].type', {
    messages: [{ role: 'assistant', content: null, tool_calls: [{ ...CALL, type: 'custom' }] }],
  }),
  row('messages[].tool_calls[].function', calledWith('g', '{}'), called(CALL)),
  row('messages[].tool_calls[].function.name', calledWith('g', '{"a":1}'), called(CALL)),
  row('messages[].tool_calls[].function.arguments', calledWith('f', '{"a":2}'), called(CALL)),
  refused('messages[].tool_call_id', {
    messages: [{ role: 'tool', tool_call_id: 'nobody', content: '1' }],
  }),
  refused('messages[].name', {
    messages: [
      { role: 'assistant', content: null, tool_calls: [CALL] },
      { role: 'tool', tool_call_id: 'c1', content: '1', name: 'g' },
    ],
  }),
  row(
    'continue_final_message',
    { continue_final_message: true },
    {
      messages: [...(user('Hello')['messages'] as object[]), { role: 'assistant', content: 'De' }],
    },
  ),
  refused('add_generation_prompt', { add_generation_prompt: false }),
  row('stream', { stream: true }),
  row('stream_options', { stream_options: { include_usage: true } }, { stream: true }),
  row(
    'stream_options.include_usage',
    { stream_options: { include_usage: true } },
    { stream: true, stream_options: { include_usage: false } },
  ),
  refused('stream_options.include_obfuscation', {
    stream: true,
    stream_options: { include_obfuscation: true },
  }),
  refused('modalities', { modalities: 'audio' }),
  row('n', { n: 2 }),
  row('max_tokens', { max_tokens: 9 }),
  row('max_completion_tokens', { max_completion_tokens: 9 }),
  row('min_tokens', { min_tokens: 3 }),
  row('stop', { stop: ['x'] }),
  row('stop_token_ids', { stop_token_ids: [65] }),
  row('temperature', { temperature: 0.5 }),
  row('top_p', { top_p: 0.5 }),
  row('top_k', { top_k: 7 }),
  row('min_p', { min_p: 0.1 }),
  row('repetition_penalty', { repetition_penalty: 1.5 }),
  row('presence_penalty', { presence_penalty: 1 }),
  row('frequency_penalty', { frequency_penalty: 1 }),
  row('logit_bias', { logit_bias: { 42: 1 } }),
  row('logit_bias.*', { logit_bias: { 42: 2 } }, { logit_bias: { 42: 1 } }),
  row('seed', { seed: 2 }),
  row('logprobs', { logprobs: true }),
  row('top_logprobs', { top_logprobs: 1 }, { logprobs: true }),
  row('priority', { priority: 3 }),
  row('timeout', { timeout: 5 }),
  row('thinking_mode', { thinking_mode: 'fast' }),
  row('chat_template_kwargs', { chat_template_kwargs: { thinking_mode: 'short' } }),
  row('chat_template_kwargs.thinking_mode', { chat_template_kwargs: { thinking_mode: 'long' } }),
  row('chat_template_kwargs.enable_thinking', { chat_template_kwargs: { enable_thinking: true } }),
  row('chat_template_kwargs.thinking', { chat_template_kwargs: { thinking: false } }),
  row('enable_thinking', { enable_thinking: false }),
  row('reasoning_effort', { reasoning_effort: 'low' }),
  row('reasoning', { reasoning: { effort: 'none' } }),
  row('reasoning.effort', { reasoning: { effort: 'high' } }),
  row('reasoning.enabled', { reasoning: { enabled: false } }),
  row('reasoning.max_tokens', { reasoning: { max_tokens: 21 } }),
  row('reasoning.exclude', { reasoning: { exclude: true } }),
  row('thinking', { thinking: { type: 'disabled' } }),
  row('thinking.type', { thinking: { type: 'enabled' } }, { thinking: { type: 'adaptive' } }),
  row('thinking.budget_tokens', { thinking: { type: 'adaptive', budget_tokens: 22 } }),
  row('thinking_budget', { thinking_budget: 40 }),
  row('thinking_token_budget', { thinking_token_budget: 41 }),
  row('reasoning_budget_tokens', { reasoning_budget_tokens: 42 }),
  row('thinking_bias', { thinking_bias: 2 }),
  row('thinking_threshold', { thinking_threshold: 0.9 }),
  refused('thinking_profile', { thinking_profile: 'nobody-has-this' }),
  row('thinking_extensions', { thinking_extensions: 2 }),
  row('break_thinking_loops', { break_thinking_loops: false }),
  row('stop_in_thinking', { stop_in_thinking: true }),
  row('include_reasoning', { include_reasoning: false }),
  row('separate_reasoning', { separate_reasoning: false }),
  row('tools', tool()),
  refused('tools[].type', { tools: [{ ...named('f'), type: 'web_search' }] }),
  row('tools[].function', tool({ name: 'g' }), tool()),
  row('tools[].function.name', tool({ name: 'g' }), tool()),
  row('tools[].function.description', tool({ description: 'Adds.' }), tool()),
  row('tools[].function.parameters', tool({ parameters: { type: 'object' } }), tool()),
  row(
    'tools[].function.parameters.*',
    tool({ parameters: { type: 'object', required: ['a'] } }),
    tool({ parameters: { type: 'object' } }),
  ),
  row('tool_choice', { tool_choice: 'none' }, tools),
  row('tool_choice.function', { tool_choice: named('f') }, tools),
  row(
    'tool_choice.function.name',
    { tool_choice: named('g') },
    { ...tools, tool_choice: named('f') },
  ),
  refused('tool_choice.type', { tool_choice: { type: 'magic' } }, tools),
  row('tool_choice.allowed_tools', allowed('auto', 'f'), tools),
  row('tool_choice.allowed_tools.mode', allowed('required', 'f'), {
    ...tools,
    ...allowed('auto', 'f'),
  }),
  row('tool_choice.allowed_tools.tools', allowed('auto', 'g'), {
    ...tools,
    ...allowed('auto', 'f'),
  }),
  refused('tool_choice.allowed_tools.tools[].type', {
    ...tools,
    tool_choice: {
      type: 'allowed_tools',
      allowed_tools: { mode: 'auto', tools: [{ ...named('f'), type: 'custom' }] },
    },
  }),
  row('tool_choice.allowed_tools.tools[].function', allowed('auto', 'g'), {
    ...tools,
    ...allowed('auto', 'f'),
  }),
  refused('tool_choice.allowed_tools.tools[].function.name', allowed('auto', 'nobody'), tools),
  row('parallel_tool_calls', { parallel_tool_calls: false }, tools),
  row('response_format', { response_format: { type: 'json_object' } }),
  refused('response_format.type', { response_format: { type: 'xml' } }),
  row('response_format.json_schema', jsonSchema(), { response_format: { type: 'json_object' } }),
  refused('response_format.json_schema.name', jsonSchema({ name: 'not a name!' })),
  row(
    'response_format.json_schema.schema',
    jsonSchema({ schema: { type: 'array' } }),
    jsonSchema(),
  ),
  row(
    'response_format.json_schema.schema.*',
    jsonSchema({ schema: { type: 'object', properties: { a: { type: 'string' } } } }),
    jsonSchema(),
  ),
  row('strategy', strategy('majority_vote', { k: 2 })),
  row('strategy.type', strategy('self_refine', { k: 2 }), strategy('majority_vote', { k: 2 })),
  row('strategy.k', strategy('majority_vote', { k: 3 }), strategy('majority_vote', { k: 2 })),
  row('strategy.drafts', drafts({ drafts: 3 }), drafts()),
  row('strategy.rounds', drafts({ rounds: 2 }), drafts()),
  row('strategy.workspace_tokens', drafts({ workspace_tokens: 16 }), drafts()),
  row('strategy.positions', earlyExit({ positions: [1] }), earlyExit()),
  row('strategy.exit_words', earlyExit({ exit_words: 'So:' }), earlyExit()),
  row('strategy.transitions', confident({ transitions: ['Let'] }), confident()),
  row('strategy.threshold', confident({ threshold: 0.1 }), confident()),
  row('strategy.max_trials', confident({ max_trials: 1 }), confident()),
  row('strategy.trial_tokens', confident({ trial_tokens: 2 }), confident()),
  inert('user', { user: 'someone' }),
  inert('safety_identifier', { safety_identifier: 'hash' }),
  inert('prompt_cache_key', { prompt_cache_key: 'key' }),
  inert('metadata', { metadata: {} }),
  inert('metadata.*', { metadata: { team: 'a' } }),
  inert('store', { store: true }),
  inert('service_tier', { service_tier: 'auto' }),
  inert('tools[].function.strict', tool({ strict: false }), tool()),
  inert(
    'response_format.json_schema.description',
    jsonSchema({ description: 'What it is.' }),
    jsonSchema(),
  ),
  inert('response_format.json_schema.strict', jsonSchema({ strict: true }), jsonSchema()),
];

const inputSchema = { type: 'object', properties: {} };
const anthropicTools = { tools: [{ name: 'f', input_schema: inputSchema }] };
const responsesTools = {
  tools: ['f', 'g'].map((name) => ({
    type: 'function',
    name,
    parameters: inputSchema,
    strict: false,
  })),
};

/** A route's body, and the rows of its fields at the top. */
export interface RouteRows {
  readonly base: Fields;
  readonly rows: readonly FieldRow[];
}

/** The other endpoints put a request in the chat endpoint's words; here is what each of their fields comes to. */
export const OTHER_ROUTES: Readonly<Record<string, RouteRows>> = {
  '/v1/completions': {
    base: { model: 'test-model', prompt: 'Hello', max_tokens: 40, seed: 1 },
    rows: [
      refused('model', { model: 5 }),
      row('prompt', { prompt: 'Bye' }),
      refused('best_of', { best_of: 2 }),
      row('echo', { echo: true }),
      row('frequency_penalty', { frequency_penalty: 1 }),
      row('logit_bias', { logit_bias: { 42: 1 } }),
      row('logprobs', { logprobs: 1 }),
      row('max_tokens', { max_tokens: 9 }),
      row('min_p', { min_p: 0.1 }),
      row('min_tokens', { min_tokens: 3 }),
      row('n', { n: 2 }),
      row('presence_penalty', { presence_penalty: 1 }),
      row('priority', { priority: 3 }),
      row('repetition_penalty', { repetition_penalty: 1.5 }),
      row('seed', { seed: 2 }),
      row('stop', { stop: 'x' }),
      row('stop_token_ids', { stop_token_ids: [65] }),
      row('stream', { stream: true }),
      row('stream_options', { stream_options: { include_usage: true } }, { stream: true }),
      refused('suffix', { suffix: 'x' }),
      row('temperature', { temperature: 0.5 }),
      row('timeout', { timeout: 5 }),
      row('top_k', { top_k: 7 }),
      row('top_p', { top_p: 0.5 }),
      inert('user', { user: 'someone' }),
    ],
  },
  '/v1/messages': {
    base: {
      model: 'test-model',
      max_tokens: 100,
      messages: [{ role: 'user', content: 'Hello' }],
    },
    rows: [
      row('model', { model: 'test-model:fast' }),
      row('messages', user('Bye')),
      row('max_tokens', { max_tokens: 90 }),
      row('system', { system: 'Be brief.' }),
      row('thinking', { thinking: { type: 'disabled' } }),
      row('output_config', { output_config: { effort: 'low' } }),
      row('stop_sequences', { stop_sequences: ['x'] }),
      row('stream', { stream: true }),
      row('temperature', { temperature: 0.5 }),
      row('tools', anthropicTools),
      row('tool_choice', { tool_choice: { type: 'none' } }, anthropicTools),
      row('top_k', { top_k: 7 }),
      row('top_p', { top_p: 0.5 }),
      inert('cache_control', { cache_control: { type: 'ephemeral' } }),
      inert('metadata', { metadata: { user_id: 'someone' } }),
      inert('service_tier', { service_tier: 'auto' }),
    ],
  },
  '/v1/responses': {
    base: { model: 'test-model', input: 'Hello' },
    rows: [
      row('model', { model: 'test-model:fast' }),
      row('input', { input: 'Bye' }),
      row('instructions', { instructions: 'Be brief.' }),
      row('max_output_tokens', { max_output_tokens: 90 }),
      row('include', { include: ['message.output_text.logprobs'] }),
      row('metadata', { metadata: { team: 'a' } }),
      row('parallel_tool_calls', { parallel_tool_calls: false }, responsesTools),
      row('reasoning', { reasoning: { effort: 'low' } }),
      row('stream', { stream: true }),
      row('temperature', { temperature: 0.5 }),
      row('text', { text: { format: { type: 'json_object' } } }),
      row('thinking_budget', { thinking_budget: 40 }),
      row('thinking_mode', { thinking_mode: 'fast' }),
      row('tool_choice', { tool_choice: 'none' }, responsesTools),
      row('tools', responsesTools),
      row('top_logprobs', { top_logprobs: 1 }, { include: ['message.output_text.logprobs'] }),
      row('top_p', { top_p: 0.5 }),
      refused('background', { background: true }),
      refused('conversation', { conversation: 'c' }),
      refused('previous_response_id', { previous_response_id: 'r' }),
      refused('prompt', { prompt: { id: 'p' } }),
      refused('truncation', { truncation: 'auto' }),
      inert('stream_options', { stream_options: { include_obfuscation: false } }),
      inert('prompt_cache_key', { prompt_cache_key: 'key' }),
      inert('safety_identifier', { safety_identifier: 'hash' }),
      inert('service_tier', { service_tier: 'auto' }),
      inert('store', { store: false }),
      inert('user', { user: 'someone' }),
    ],
  },
};
