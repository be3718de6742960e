import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { median } from './paired.ts';

/**
 * Tokens per second and time to first token of a running server, direct answers of a fixed length, greedy.
 *
 *   node dist/test/bench/serve.js --url http://127.0.0.1:8000 --model nano --tokens 256 --streams 1,4,8 --eos 999,997
 *
 * `--eos` names the end-of-turn tokens, which are kept away so that every answer has the length asked for. Medians of
 * `--rounds` rounds after one round of warming up.
 */
const { values } = parseArgs({
  options: {
    url: { type: 'string', default: 'http://127.0.0.1:8000' },
    model: { type: 'string', default: 'nano' },
    prompt: { type: 'string', default: 'What is 23 + 48?' },
    tokens: { type: 'string', default: '256' },
    streams: { type: 'string', default: '1,4,8' },
    rounds: { type: 'string', default: '5' },
    eos: { type: 'string', default: '999,997' },
  },
});

interface Sample {
  readonly firstMs: number;
  readonly totalMs: number;
}

async function stream(): Promise<Sample> {
  const started = performance.now();
  const response = await fetch(`${values.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      model: values.model,
      stream: true,
      thinking_mode: 'fast',
      temperature: 0,
      max_tokens: Number(values.tokens),
      logit_bias: Object.fromEntries(values.eos.split(',').map((id) => [id, -100])),
      messages: [{ role: 'user', content: values.prompt }],
    }),
  });
  if (!response.ok || response.body === null) throw new Error(await response.text());
  let firstMs = Number.NaN;
  const decoder = new TextDecoder();
  for await (const chunk of response.body) {
    const text = decoder.decode(chunk as Uint8Array, { stream: true });
    if (Number.isNaN(firstMs) && /"content":"[^"]/.test(text))
      firstMs = performance.now() - started;
  }
  return { firstMs, totalMs: performance.now() - started };
}

console.log(`${cpus()[0]?.model}, ${availableParallelism()} threads, Node ${process.version}`);
console.log(`${values.model}: ${values.tokens} tokens each, medians of ${values.rounds} rounds`);
console.log('| streams | tokens/s | TTFT ms |');
console.log('|---|---|---|');
for (const streams of values.streams.split(',').map(Number)) {
  const rates: number[] = [];
  const firsts: number[] = [];
  for (let round = 0; round <= Number(values.rounds); round++) {
    const started = performance.now();
    const samples = await Promise.all(Array.from({ length: streams }, stream));
    if (round === 0) continue;
    const seconds = (performance.now() - started) / 1000;
    rates.push((streams * Number(values.tokens)) / seconds);
    firsts.push(median(samples.map(({ firstMs }) => firstMs)));
  }
  console.log(`| ${streams} | ${median(rates).toFixed(1)} | ${median(firsts).toFixed(1)} |`);
}
