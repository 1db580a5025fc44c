/* The types of fields: one file and one row each. */
import chat from './Chat.svelte'
import custom from './Custom.svelte'
import image from './Image.svelte'
import type { FieldType } from './kind'
import text from './Text.svelte'

interface Message {
  role: string
  content: string
}

const rows: FieldType[] = [
  { type: 'text', Show: text, words: (v) => (v == null ? '' : String(v)) },
  { type: 'chat', Show: chat, words: (v) => (Array.isArray(v) ? (v as Message[]).map((m) => `${m.role}: ${m.content}`).join('\n') : '') },
  { type: 'image', Show: image, words: (v) => (typeof v === 'string' && !v.startsWith('data:') ? v : '') },
  { type: 'custom', Show: custom, words: (v) => JSON.stringify(v) },
]

export const fieldTypes: Record<string, FieldType> = Object.fromEntries(rows.map((r) => [r.type, r]))
