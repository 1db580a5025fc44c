// The official openai client against a server:  node tests/clients/openai.mjs http://127.0.0.1:PORT KEY MODEL
// Each check throws with what it wanted; the last line says how many passed.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
const OpenAI = createRequire(new URL('../../web/package.json', import.meta.url))('openai');

const [address, apiKey, model] = process.argv.slice(2);
const client = new OpenAI({ baseURL: address + '/v1', apiKey, maxRetries: 0, timeout: 300000 });
const messages = [{ role: 'user', content: 'Name three colours.' }];
const plain = { model, messages, max_tokens: 16, temperature: 0 };

const checks = {
  async 'models are listed'() {
    const ids = [];
    for await (const m of client.models.list()) ids.push(m.id);
    assert.ok(ids.includes(model), `${model} is not among ${ids}`);
    assert.equal((await client.models.retrieve(model)).object, 'model');
  },
  async 'a chat is answered'() {
    const r = await client.chat.completions.create(plain);
    assert.match(r.id, /^chatcmpl-/);
    assert.equal(r.choices[0].message.role, 'assistant');
    assert.ok(r.choices[0].message.content.length > 0);
    assert.equal(r.usage.total_tokens, r.usage.prompt_tokens + r.usage.completion_tokens);
  },
  async 'a stream says the same'() {
    const whole = await client.chat.completions.create(plain);
    const stream = await client.chat.completions.create({ ...plain, stream: true, stream_options: { include_usage: true } });
    let text = '', finish = null, usage = null;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta?.content ?? '';
      finish = chunk.choices[0]?.finish_reason ?? finish;
      usage = chunk.usage ?? usage;
    }
    assert.equal(text, whole.choices[0].message.content);
    assert.ok(['stop', 'length'].includes(finish));
    assert.equal(usage.completion_tokens, whole.usage.completion_tokens);
  },
  async 'a stream that is given up ends'() {
    const stream = await client.chat.completions.create({ ...plain, max_tokens: 4000, stream: true });
    for await (const _ of stream) { stream.controller.abort(); break; }
    let busy = 1;
    for (let i = 0; i < 100 && busy; i++) {
      await new Promise(r => setTimeout(r, 100));
      busy = Number(/^fettle_answering (\d+)/m.exec(await (await fetch(address + '/metrics')).text())[1]);
    }
    assert.equal(busy, 0);
  },
  async 'seed and n'() {
    const ask = { ...plain, temperature: 1, seed: 7, n: 2 };
    const [a, b] = [await client.chat.completions.create(ask), await client.chat.completions.create(ask)];
    assert.deepEqual(a.choices.map(c => c.message.content), b.choices.map(c => c.message.content));
    assert.notEqual(a.choices[0].message.content, a.choices[1].message.content);
  },
  async 'log-probabilities'() {
    const r = await client.chat.completions.create({ ...plain, max_tokens: 4, logprobs: true, top_logprobs: 3 });
    const list = r.choices[0].logprobs.content;
    assert.equal(list.length, 4);
    assert.equal(list[0].top_logprobs.length, 3);
    assert.equal(list.map(t => t.token).join(''), r.choices[0].message.content);
  },
  async 'texts go on, with an echo'() {
    const r = await client.completions.create({ model, prompt: 'The sky is', max_tokens: 1, temperature: 0, echo: true, logprobs: 1 });
    assert.ok(r.choices[0].text.startsWith('The sky is'));
    assert.equal(r.choices[0].logprobs.token_logprobs[0], null);
    assert.equal(r.choices[0].logprobs.tokens.length, r.usage.total_tokens);
  },
  async 'vectors: base64, which this client asks for, and floats'() {
    const coded = await client.embeddings.create({ model, input: ['a cat', 'a dog'] });
    const floats = await client.embeddings.create({ model, input: ['a cat', 'a dog'], encoding_format: 'float' });
    assert.equal(coded.data.length, 2);
    assert.equal(coded.data[0].embedding.length, floats.data[0].embedding.length);
    assert.ok(Math.abs(coded.data[1].embedding[5] - floats.data[1].embedding[5]) < 1e-5);
    assert.ok(Math.abs(Math.hypot(...floats.data[0].embedding) - 1) < 1e-4);
  },
  async 'errors are of their classes'() {
    await assert.rejects(client.chat.completions.create({ ...plain, model: 'none' }), OpenAI.NotFoundError);
    await assert.rejects(client.chat.completions.create({ ...plain, messages: [] }), OpenAI.BadRequestError);
  },
  async 'a thumb becomes a record'() {
    const r = await client.chat.completions.create(plain);
    const said = await client.post('/feedback', { body: { id: r.id, thumb: 'up' } });
    assert.match(said.record_id, /^[0-9a-f-]{36}$/);
  },
};

let failed = 0;
for (const [name, check] of Object.entries(checks))
  try { await check(); console.error(`ok      ${name}`); }
  catch (e) { failed++; console.error(`FAILED  ${name}: ${e.message}`); }
console.log(`${Object.keys(checks).length - failed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
