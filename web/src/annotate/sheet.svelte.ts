/* One record with my answer to it, as far as it is. */
import { keepEdit, forgetEdit, readEdit, unsaved } from '../queue.svelte'
import { session } from '../session.svelte'
import type { Answer, AnswerStatus, DataRecord, QuestionPart, Suggestion, Values } from '../types'
import { isEmpty } from '../questions'
import type { Status } from './query'

export type Raw = Record<string, unknown>

const unpack = (values: Values | null | undefined): Raw =>
  Object.fromEntries(Object.entries(values ?? {}).map(([name, v]) => [name, v.value]))

export class Sheet {
  readonly record: DataRecord
  status = $state<Status>('pending')
  values = $state.raw<Raw>({})
  /* What the server has, or will have from the queue. */
  kept: { status: Status; values: Raw }
  changed = $state(false) /* since then */
  held = false

  constructor(record: DataRecord, questions: QuestionPart[]) {
    this.record = record
    const answer = record.responses?.find((r) => r.user_id === session.me?.id) ?? record.responses?.[0]
    const waiting = unsaved(this.name)
    const body = waiting?.body as { items: { status: AnswerStatus; values: Values }[] } | undefined
    const given = waiting ? body?.items?.[0] : answer
    this.kept = { status: given?.status ?? 'pending', values: unpack(given?.values) }
    this.status = this.kept.status
    this.values = given && given.status !== 'discarded' ? this.kept.values : { ...this.suggested(questions), ...this.kept.values }
  }

  get name(): string {
    return `answer:${this.record.id}`
  }

  suggestion(q: QuestionPart): Suggestion | undefined {
    return this.record.suggestions?.find((s) => s.question_id === q.id)
  }

  /* What is suggested fills the form, until somebody says otherwise. */
  suggested(questions: QuestionPart[]): Raw {
    const out: Raw = {}
    for (const q of questions) {
      const s = this.suggestion(q)
      if (s) out[q.name] = s.value
    }
    return out
  }

  /* What was typed into it and never sent, of an earlier visit. */
  async restore(): Promise<void> {
    const edit = await readEdit<{ user: string; values: Raw }>(this.name)
    if (!edit || edit.user !== session.me?.id || this.changed) return
    this.values = edit.values
    this.changed = true
  }

  keep(): void {
    void keepEdit(this.name, { user: session.me?.id, values: $state.snapshot(this.values) })
  }

  forget(): void {
    void forgetEdit(this.name)
  }

  /* As the server wants values: what is empty is left out. */
  packed(questions: QuestionPart[]): Values {
    const out: Values = {}
    for (const q of questions) {
      const v = this.values[q.name]
      if (!isEmpty(q, v)) out[q.name] = { value: v }
    }
    return out
  }

  answer(): Answer | undefined {
    return this.record.responses?.find((r) => r.user_id === session.me?.id)
  }
}
