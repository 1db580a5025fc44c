import type { Component } from 'svelte'
import type { FieldPart } from '../types'

export interface ShowProps {
  field: FieldPart
  value: unknown
  record: { fields: Record<string, unknown>; metadata: Record<string, unknown> | null }
}

export interface FieldType {
  type: string
  Show: Component<ShowProps>
  words: (value: unknown) => string /* for a line in a list, and for copying */
}
