/* What a type of question is for the pages: how it is asked, and what keys, lists and checks need to know about its values. */
import type { Component } from 'svelte'
import type { Sheet } from '../annotate/sheet.svelte'
import type { Work } from '../annotate/work.svelte'
import type { OptionText, QuestionPart, Suggestion } from '../types'

export interface AskProps {
  question: QuestionPart
  value: unknown
  suggestion?: Suggestion
  sheet?: Sheet /* none where one answer is for many records */
  work: Work
  active: boolean /* keys answer this one */
  label: string /* id of the element that names it */
  onchange: (value: unknown) => void
}

export interface QuestionType {
  type: string
  Ask: Component<AskProps>
  empty: (value: unknown) => boolean
  complete: (q: QuestionPart, value: unknown) => boolean
  words: (q: QuestionPart, value: unknown) => string /* the value in a line */
  /* A number was typed: the new value, or undefined when it names nothing. */
  digit?: (q: QuestionPart, value: unknown, n: number) => unknown
  most?: (q: QuestionPart) => number /* the largest number that names something */
  /* One answer for many records: what it is for this one. */
  forRecord?: (value: unknown, record: string, person: string) => unknown
  alone?: boolean /* as the only question, a digit answers and sends */
}

export const options = (q: QuestionPart): OptionText[] => (q.settings.options ?? []) as OptionText[]
export const optionText = (q: QuestionPart, value: unknown): string => options(q).find((o) => o.value === value)?.text ?? String(value)
