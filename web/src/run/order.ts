/* An order for a run, what it would need, and what the program says can be ordered. */
import type { Choice } from '../live'

export interface Option {
  key: string
  type: 'bool' | 'int' | 'real' | 'text' | 'choice' | 'list'
  default: unknown
  min?: number
  max?: number
  choices?: string[]
  help: string
}

export interface Objective {
  name: string
  words: string
  rows: string
  store: string[] /* what a dataset gives for it, the first that it has */
  reference: boolean
  rewarded: boolean /* it writes its own answers, and asks what they are worth */
  rollouts: boolean /* it may write some: takes the options of that */
  learning_rate: number
  options: Option[]
}

export interface Preset {
  name: string
  words: string
  settings: string[] /* "key=value" */
  among: string[] /* names: of a preset that the data choose */
}

export interface Reward {
  name: string
  argument: string | null
  words: string
  reach: 'nothing' | 'files' | 'programs' /* of this machine: the owner's to name */
}

export interface Describe {
  objectives: Objective[]
  options: Option[]
  rollout_options: Option[]
  rewards: Reward[]
  presets: Preset[]
}

export interface Piece {
  text: string
  trained: boolean
}

export interface Preview {
  memory: { needed: number; free: number }
  disk: { needed: number; free: number }
  steps: number
  eta_s: number | null
  examples: number
  pairs: number | null
  masked: number
  truncated: number
  dropped: number
  duplicates: number
  empty: number
  tokens: number
  trained_tokens: number
  preset?: Choice | null
  batch: { row: number; role: string; pieces: Piece[] }[]
  refusal: { words: string; rows: number[] | null } | null
}

export interface Order {
  objective: string
  base: string
  data: { dataset_id?: string; file?: string }
  preset?: string
  name?: string
  set?: Record<string, unknown>
}
