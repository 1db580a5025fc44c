/* Words on screen. One file per language, loaded alone; English is the one that says which keys there are.
 *
 *     t('queue.waiting', { n: 3 })        {n} in the text is replaced; "one | many" chooses by n */
import type { en } from './en'

export type Key = keyof typeof en
export type Texts = Record<Key, string>

let texts = {} as Texts /* until speak has loaded them; nothing is drawn before */

/* Languages and how they are loaded. */
const languages: Record<string, () => Promise<Texts>> = {
  en: async () => (await import('./en')).en,
  es: async () => (await import('./es')).es,
}
const rightToLeft = ['ar', 'fa', 'he', 'ur']

export const languageNames: Record<string, string> = { en: 'English', es: 'Español' }

/* The texts are replaced before the first screen is drawn; a later change loads the page again. */
export async function speak(wanted: string): Promise<void> {
  const name = wanted in languages ? wanted : (navigator.languages.map((l) => l.slice(0, 2)).find((l) => l in languages) ?? 'en')
  texts = await languages[name]()
  document.documentElement.lang = name
  document.documentElement.dir = rightToLeft.includes(name) ? 'rtl' : 'ltr'
}

export function t(key: Key, values: Record<string, string | number> = {}): string {
  let text: string = texts[key]
  if ('n' in values && text.includes(' | ')) text = text.split(' | ')[Number(values.n) === 1 ? 0 : 1]
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => (name in values ? String(values[name]) : whole))
}

/* What the server says in English, in the page's language where its texts have that sentence; {} in one stands for whatever is there. */
export function told(english: string): string {
  const [why, ...rest] = english.split(/ (?=\(\d)/), all = texts as Record<string, string>
  if (all[why]) return [all[why], ...rest.map((r) => r.replace(/ of (\d+) records/, '/$1'))].join(' ')
  for (const sentence of Object.keys(all)) {
    if (!sentence.includes('{}')) continue
    const found = new RegExp(`^${sentence.split('{}').map((x) => x.replace(/\W/g, '\\$&')).join('(.*)')}$`, 's').exec(english)
    if (found) return all[sentence].split('{}').map((x, i) => (i ? found[i] : '') + x).join('')
  }
  return english
}

/* What an option of training is for. Other languages have it under its name, or under the words where one name means several things. */
export const meant = (o: { key: string; help: string }): string => (texts as Record<string, string>)[`option.${o.key}`] ?? told(o.help)

/* Numbers and moments as the page's language writes them. */
export const number = (n: number, digits = 0): string =>
  n.toLocaleString(document.documentElement.lang, { maximumFractionDigits: digits })
export const percent = (x: number, digits = 0): string =>
  x.toLocaleString(document.documentElement.lang, { style: 'percent', maximumFractionDigits: digits })

export function moment(text: string): string {
  const at = new Date(/[zZ]|[+-]\d\d:\d\d$/.test(text) ? text : text + 'Z')
  const today = new Date().toDateString() === at.toDateString()
  const o: Intl.DateTimeFormatOptions = today ? { timeStyle: 'short' } : { dateStyle: 'medium', timeStyle: 'short' }
  return at.toLocaleString(document.documentElement.lang, o)
}

/* 95 → "1 min 35 s". */
export function duration(seconds: number): string {
  const s = Math.max(0, Math.round(seconds)), h = Math.floor(s / 3600), m = Math.floor((s % 3600) / 60)
  return h ? `${h} h ${m} min` : m ? `${m} min ${s % 60} s` : `${s} s`
}
