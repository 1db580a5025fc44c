// The journey's last metre, by the official openai client: node tests/clients/journey.mjs http://127.0.0.1:PORT KEY MODEL PROMPTS [BETTER]
// PROMPTS is a JSON list; prints {"answers", "ids"}. BETTER: a better answer to the first, sent with a thumb down.
import { createRequire } from 'node:module';
const OpenAI = createRequire(new URL('../../web/package.json', import.meta.url))('openai');

const [address, apiKey, model, prompts, better] = process.argv.slice(2);
const client = new OpenAI({ baseURL: address + '/v1', apiKey, maxRetries: 0, timeout: 60000 });
const answers = [], ids = [];
for (const content of JSON.parse(prompts)) {
  const said = await client.chat.completions.create({ model, messages: [{ role: 'user', content }], max_tokens: 60, temperature: 0 });
  answers.push(said.choices[0].message.content);
  ids.push(said.id);
}
if (better) await client.post('/feedback', { body: { id: ids[0], thumb: 'down', text: better } });
console.log(JSON.stringify({ answers, ids }));
