/* The one way to the server. Every failure is an ApiError whose message can be shown to people: what happened, and what to do. */
import { t, told } from './texts'

export class ApiError extends Error {
  /* status 0: the server was not reached. where: the part of the request that is wrong, "body.name". */
  constructor(message: string, readonly status: number, readonly where: string = '') {
    super(message)
  }
}

/* Who wants to know that a session has ended, or that the server answers (or does not). */
export const listeners = { unauthorized: () => {}, reached: (_: boolean) => {} }

export function url(path: string): string {
  return new URL(path.replace(/^\//, ''), document.baseURI.replace(/(welcome|join)?(\?.*)?(#.*)?$/, '')).href
}

/* 128 random bits as text; crypto.randomUUID is missing on plain HTTP beyond this machine. */
export function newId(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, '0')).join('')
}

export interface Options {
  key?: string /* Idempotency-Key; writes get one by themselves; '': none, for what keeps nothing */
  signal?: AbortSignal
  headers?: Record<string, string>
}

interface Detail {
  detail?: string | { params?: { detail?: string; message?: string; errors?: { loc?: string[]; msg?: string }[] } }
  error?: { message?: string }
  message?: string
}

function wordsOf(body: unknown, status: number): [string, string] {
  const answer = (body ?? {}) as Detail
  if (typeof answer.detail === 'string') return [answer.detail, '']
  const params = answer.detail?.params, first = params?.errors?.[0]
  const words = first?.msg ?? params?.detail ?? params?.message ?? answer.error?.message ?? answer.message
  return [words ?? t('error.status', { status }), first?.loc?.join('.') ?? '']
}

async function send(method: string, path: string, body: unknown, o: Options): Promise<Response> {
  const headers: Record<string, string> = { Accept: 'application/json', ...o.headers }
  if (body !== undefined) headers['Content-Type'] = 'application/json'
  if (method !== 'GET' && o.key !== '') headers['Idempotency-Key'] = o.key ?? newId()
  try {
    const answer = await fetch(url(path), {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: o.signal,
      credentials: 'same-origin',
    })
    listeners.reached(true)
    return answer
  } catch (e) {
    if (o.signal?.aborted) throw e
    listeners.reached(false)
    throw new ApiError(t('error.offline'), 0)
  }
}

async function refusal(answer: Response, path: string): Promise<ApiError> {
  const text = await answer.text().catch(() => '')
  let body: unknown = null
  try {
    body = JSON.parse(text)
  } catch {
    /* no JSON: the status has to do */
  }
  const [words, where] = wordsOf(body, answer.status)
  if (answer.status === 401 && !path.includes('/token')) listeners.unauthorized()
  return new ApiError(words, answer.status, where)
}

/* The answer as JSON; undefined when it has no body. */
export async function ask<T>(method: string, path: string, body?: unknown, o: Options = {}): Promise<T> {
  const answer = await send(method, path, body, o)
  if (!answer.ok) throw await refusal(answer, path)
  const text = await answer.text()
  return (text ? JSON.parse(text) : undefined) as T
}

/* The answer as it comes: pieces of text (event streams, JSON lines). */
export async function* stream(method: string, path: string, body?: unknown, o: Options = {}): AsyncGenerator<string> {
  const answer = await send(method, path, body, o)
  if (!answer.ok || !answer.body) throw await refusal(answer, path)
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      yield value
    }
  } finally {
    void reader.cancel().catch(() => {})
  }
}

export const get = <T>(path: string, o?: Options) => ask<T>('GET', path, undefined, o)
export const post = <T>(path: string, body: unknown = {}, o?: Options) => ask<T>('POST', path, body, o)
export const put = <T>(path: string, body: unknown = {}, o?: Options) => ask<T>('PUT', path, body, o)
export const patch = <T>(path: string, body: unknown = {}, o?: Options) => ask<T>('PATCH', path, body, o)
export const remove = <T>(path: string, o?: Options) => ask<T>('DELETE', path, undefined, o)

/* Words for whatever was thrown, in the page's language where it has them. */
export const said = (e: unknown): string => told(e instanceof Error ? e.message : String(e))
