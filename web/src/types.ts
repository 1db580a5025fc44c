/* Shapes of the server's answers that several screens use (docs/api.md). */

export interface Dataset {
  id: string
  name: string
  guidelines: string | null
  status: 'draft' | 'ready'
  distribution: { strategy: string; min_submitted: number }
  metadata: Record<string, unknown> | null
  workspace_id: string
  last_activity_at: string
  inserted_at: string
  updated_at: string
}

/* A key or a session, without its secret. */
export interface Pass {
  id: string
  kind: string
  name: string
  current: boolean
  inserted_at: string
  used_at: string | null
  scopes?: string[] /* these are of keys */
  budget?: number | null
  spent_today?: number
  retention_days?: number | null
}

/* An answer that is kept because it was given to a key marked so. */
export interface Kept {
  id: string
  model: string
  messages: { role: string; content: string }[]
  answers: string[]
  at: string
  until: string
}

export interface Progress {
  total: number
  completed: number
  pending: number
}

export interface FieldPart {
  id: string
  name: string
  title: string
  required: boolean
  settings: { type: string; use_markdown?: boolean; template?: string; advanced_mode?: boolean }
}

export interface OptionText {
  value: string
  text: string
  description?: string | null
}

export interface QuestionSettings {
  type: string
  use_markdown?: boolean
  options?: (OptionText | { value: number })[]
  visible_options?: number | null
  options_order?: 'natural' | 'suggestion'
  field?: string
  fields?: [string, string] | null
  allow_overlapping?: boolean
  strength?: boolean
}

export interface QuestionPart {
  id: string
  name: string
  title: string
  description: string | null
  required: boolean
  settings: QuestionSettings
}

export interface MetadataPart {
  id: string
  name: string
  title: string
  settings: { type: 'terms' | 'integer' | 'float'; values?: unknown[]; min?: number | null; max?: number | null }
}

export interface VectorPart {
  id: string
  name: string
  title: string
  dimensions: number
}

export type Values = Record<string, { value: unknown }>
export type AnswerStatus = 'draft' | 'submitted' | 'discarded'

export interface Answer {
  id: string
  values: Values
  status: AnswerStatus
  record_id: string
  user_id: string
  updated_at: string
}

export interface Suggestion {
  id: string
  question_id: string
  type: 'model' | 'human' | null
  value: unknown
  agent: string | null
  score: number | number[] | null
}

export interface DataRecord {
  id: string
  status: 'pending' | 'completed'
  fields: Record<string, unknown>
  metadata: Record<string, unknown> | null
  external_id: string | null
  responses?: Answer[]
  suggestions?: Suggestion[]
  dataset_id: string
  inserted_at: string
  updated_at: string
}
