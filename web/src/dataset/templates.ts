/* Datasets people often want: fields and questions in the words of the API. One row each. */
import type { Key } from '../texts'

export interface PartBody {
  name: string
  title: string
  required?: boolean
  description?: string
  settings: Record<string, unknown>
}

export interface Template {
  id: string
  title: Key
  words: Key
  fields: PartBody[]
  questions: PartBody[]
}

const text = (name: string, title: string, use_markdown = false): PartBody => ({ name, title, required: true, settings: { type: 'text', use_markdown } })
const options = (...values: string[]) => values.map((value) => ({ value, text: value[0].toUpperCase() + value.slice(1).replace(/_/g, ' ') }))
const question = (name: string, title: string, settings: Record<string, unknown>, required = true): PartBody => ({ name, title, required, settings })

export const templates: Template[] = [
  {
    id: 'edit', title: 'template.edit', words: 'template.edit.text',
    fields: [text('prompt', 'Prompt'), text('answer', 'Answer', true)],
    questions: [question('better', 'How should it have answered?', { type: 'text', use_markdown: true })],
  },
  {
    id: 'draft', title: 'template.draft', words: 'template.draft.text',
    fields: [text('prompt', 'Prompt')],
    questions: [question('answer', 'What is a good answer?', { type: 'text', use_markdown: false })],
  },
  {
    id: 'compare', title: 'template.compare', words: 'template.compare.text',
    fields: [text('prompt', 'Prompt'), text('answer_a', 'Answer A', true), text('answer_b', 'Answer B', true)],
    questions: [question('preference', 'Which answer is better?', { type: 'comparison', fields: ['answer_a', 'answer_b'] })],
  },
  {
    id: 'rate', title: 'template.rate', words: 'template.rate.text',
    fields: [text('prompt', 'Prompt'), text('answer', 'Answer', true)],
    questions: [question('quality', 'How good is the answer?', { type: 'rating', options: [1, 2, 3, 4, 5].map((value) => ({ value })) })],
  },
  {
    id: 'rank', title: 'template.rank', words: 'template.rank.text',
    fields: [text('prompt', 'Prompt'), ...[1, 2, 3, 4].map((n) => text(`answer_${n}`, `Answer ${n}`, true))],
    questions: [question('order', 'From best to worst', { type: 'ranking', options: [1, 2, 3, 4].map((n) => ({ value: `answer_${n}`, text: `Answer ${n}` })) })],
  },
  {
    id: 'label', title: 'template.label', words: 'template.label.text',
    fields: [text('prompt', 'Prompt'), text('answer', 'Answer', true)],
    questions: [question('good', 'Is the answer good?', { type: 'label_selection', options: options('good', 'bad') })],
  },
  {
    id: 'spans', title: 'template.spans', words: 'template.spans.text',
    fields: [text('text', 'Text')],
    questions: [question('spans', 'Mark what you find', { type: 'span', field: 'text', options: options('person', 'place', 'organization', 'date'), allow_overlapping: false })],
  },
  {
    id: 'chat', title: 'template.chat', words: 'template.chat.text',
    fields: [{ name: 'chat', title: 'Conversation', required: true, settings: { type: 'chat', use_markdown: true } }],
    questions: [
      question('quality', 'How good was the assistant?', { type: 'rating', options: [1, 2, 3, 4, 5].map((value) => ({ value })) }),
      question('wrong', 'What was wrong?', { type: 'multi_label_selection', options: options('wrong_facts', 'off_topic', 'rude', 'too_long') }, false),
    ],
  },
]
