/* Chatting with a model over the same routes that other programs use. */
import { stream } from './api'

export interface Message {
  role: 'system' | 'user' | 'assistant'
  content: string
}

export interface Settings {
  temperature?: number
  top_p?: number
  top_k?: number
  min_p?: number
  repetition_penalty?: number
  max_tokens?: number
  seed?: number
}

export interface Tokens {
  prompt_tokens: number[]
  prompt_text: string
  tokens_per_s: number
}

export interface Piece {
  id: string
  text: string
  tokens?: Tokens
  finish?: string | null
}

interface Chunk {
  id?: string
  choices?: { delta?: { content?: string }; finish_reason?: string | null }[]
  fettle?: Tokens
  error?: { message?: string }
}

function pieceOf(line: string): Piece | null {
  if (!line.startsWith('data: ') || line === 'data: [DONE]') return null
  const chunk = JSON.parse(line.slice(6)) as Chunk
  if (chunk.error) throw new Error(chunk.error.message ?? 'error')
  const choice = chunk.choices?.[0]
  return { id: chunk.id ?? '', text: choice?.delta?.content ?? '', finish: choice?.finish_reason, tokens: chunk.fettle }
}

/* The answer piece by piece; aborting the signal stops the model within a token. */
export async function* answer(model: string, messages: Message[], settings: Settings = {}, signal?: AbortSignal): AsyncGenerator<Piece> {
  const body = { model, messages, ...settings, stream: true, fettle: { tokens: true } }
  let rest = ''
  for await (const text of stream('POST', '/v1/chat/completions', body, { signal })) {
    const lines = (rest + text).split(/\r?\n/)
    rest = lines.pop()!
    for (const line of lines) {
      const piece = pieceOf(line)
      if (piece) yield piece
    }
  }
}
