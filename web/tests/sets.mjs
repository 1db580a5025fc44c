/* Datasets and runs that tests share. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeDataset } from './lib.mjs'

const text = (name, title = name) => ({ name, title, required: true, settings: { type: 'text' } })

/* A picture of four pixels. */
const picture = 'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAFklEQVQIW2P8z8Dwn4GBgYGJAQoAAB8XAgHE+C5EAAAAAElFTkSuQmCC'

export const guidelines = `# What a good answer is

* **Short**: two sentences at most.
* Friendly, without flattery.
* Says so when it does not know.

| rating | means |
|---|---|
| 1 | wrong or rude |
| 5 | you would send it as it is |
`

const prompts = [
  'How do I keep cut flowers fresh for longer?', 'Why is the sky blue?', 'Write a note to a neighbour whose music is loud.',
  'What is the difference between weather and climate?', 'How long do I boil an egg?', 'Explain compound interest to a child.',
  'Suggest a walk for a rainy Sunday.', 'What does “to fettle” mean?',
]

/* Edit the model's answer and rate it: the ordinary work. */
export const edits = (server, count = 8, more = {}) =>
  makeDataset(server, {
    name: 'Short and friendly answers',
    guidelines,
    fields: [text('prompt', 'Prompt'), { ...text('answer', 'Answer of the model'), settings: { type: 'text', use_markdown: true } }],
    questions: [
      { name: 'better', title: 'Write it better', description: 'Change as little as you can.', required: true, settings: { type: 'text', use_markdown: true } },
      { name: 'rating', title: 'How good was it?', required: true, settings: { type: 'rating', options: [1, 2, 3, 4, 5].map((value) => ({ value })) } },
    ],
    metadata: [{ name: 'topic', title: 'Topic', settings: { type: 'terms' } }, { name: 'words', title: 'Words', settings: { type: 'integer' } }],
    records: Array.from({ length: count }, (_, i) => ({
      fields: { prompt: prompts[i % prompts.length], answer: `That is a **great** question! Answer number ${i + 1}: it depends, but most people would say *yes*, and they would be right.` },
      external_id: `row-${i + 1}`,
      metadata: { topic: i % 2 ? 'science' : 'home', words: 20 + i },
      suggestions: [{ question: 'better', value: `Answer number ${i + 1}: it depends, but most people would say yes.`, agent: 'smollm2', score: 0.5 + (i % 5) / 10 }],
    })),
    ...more,
  })

/* Every type of field and of question. */
export const everything = (server) =>
  makeDataset(server, {
    name: 'One of everything',
    guidelines,
    fields: [
      { name: 'chat', title: 'Conversation', required: false, settings: { type: 'chat' } },
      text('text', 'Text'), text('answer_a', 'First answer'), text('answer_b', 'Second answer'),
      { name: 'picture', title: 'Picture', required: false, settings: { type: 'image' } },
      { name: 'card', title: 'Card', required: false, settings: { type: 'custom', template: '<div><b>{{record.fields.card.name}}</b></div>' } },
    ],
    questions: [
      { name: 'which', title: 'Which answer is better?', required: true, settings: { type: 'comparison', fields: ['answer_a', 'answer_b'], strength: true } },
      { name: 'good', title: 'Is the text polite?', required: true, settings: { type: 'label_selection', options: ['polite', 'neutral', 'rude'].map((v) => ({ value: v, text: v })) } },
      { name: 'about', title: 'What is it about?', required: true, settings: { type: 'multi_label_selection', options: Array.from({ length: 14 }, (_, i) => ({ value: `t${i + 1}`, text: `topic ${i + 1}` })), visible_options: 6 } },
      { name: 'score', title: 'How useful?', required: true, settings: { type: 'rating', options: Array.from({ length: 11 }, (_, value) => ({ value })) } },
      { name: 'order', title: 'Put these in order', required: true, settings: { type: 'ranking', options: ['clear', 'brief', 'kind'].map((v) => ({ value: v, text: v })) } },
      { name: 'names', title: 'Mark places and people', required: false, settings: { type: 'span', field: 'text', allow_overlapping: false, options: [{ value: 'place', text: 'place' }, { value: 'person', text: 'person' }] } },
      { name: 'note', title: 'Anything else?', required: false, settings: { type: 'text' } },
    ],
    vectors: [{ name: 'v', title: 'Vector', dimensions: 2 }],
    records: Array.from({ length: 4 }, (_, i) => ({
      fields: {
        chat: [{ role: 'system', content: 'Be kind.' }, { role: 'user', content: 'Who wrote it, and *where*?' }, { role: 'assistant', content: 'Ada wrote it:\n\n```\nprint("hi")\n```' }],
        text: `Ada Lovelace 😀 met Charles Babbage in London, number ${i + 1}.`,
        answer_a: `Paris is the capital of France, ${i + 1}.`, answer_b: `The capital of France is Lyon, ${i + 1}.`,
        picture, card: { name: `Card ${i + 1}` },
      },
      vectors: { v: [1, i] },
      suggestions: i ? [] : [{ question: 'good', value: 'neutral', agent: 'judge', score: 0.61 }, { question: 'about', value: ['t2', 't9'], agent: 'judge', score: [0.9, 0.4] },
        { question: 'names', value: [{ label: 'person', start: 0, end: 12 }], agent: 'tagger', score: [0.8] }],
    })),
  })

/* One question alone: a key answers and goes on. */
export const thumbs = (server, count = 12) =>
  makeDataset(server, {
    name: 'Thumbs',
    fields: [text('answer', 'Answer')],
    questions: [{ name: 'good', title: 'Good?', required: true, settings: { type: 'label_selection', options: [{ value: 'good', text: 'good' }, { value: 'bad', text: 'bad' }] } }],
    records: Array.from({ length: count }, (_, i) => ({ fields: { answer: `answer ${i + 1}` } })),
  })

/* A run as if it had been started in a terminal, with a curve, samples, rollouts and a log; text: what stands wherever a model or person
 * wrote. Its id is its name. */
export function aRun(server, name, text = 'A short answer.') {
  const folder = join(server.home, 'runs', name), lines = (rows) => rows.map((r) => JSON.stringify(r) + '\n').join('')
  mkdirSync(folder, { recursive: true })
  const file = (n, s) => writeFileSync(join(folder, n), s)
  const at = '2026-01-02T03:04:05Z', steps = [1, 2, 3, 4]
  file('config.json', JSON.stringify({ objective: 'grpo', created: at, fettle: '0.1.0', options: { base: text, learning_rate: 1e-5, data: [text] } }))
  file('state.json', JSON.stringify({ status: 'failed', pid: 1, step: 4, steps: 4, reason: text, started: at, updated: at }))
  file('metrics.jsonl', lines(steps.map((step) => ({ step, epoch: step / 4, loss: 1 / step, kl: 0.1 * step, reward: step, entropy: 2 }))))
  file('samples.jsonl', lines(steps.map((step) => ({ step, index: 0, prompt: text, text: `${text} ${step}` }))))
  file('rollouts.jsonl', lines(steps.map((step) => ({ step, prompt: text, completion: text, rewards: { length: 1 }, reward: 1, advantage: 0.5 }))))
  file('log', `${text}\n`)
  return name
}
