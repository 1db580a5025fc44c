/* What a person likes, kept in this browser alone. */

const key = 'fettle'

interface Preferences {
  theme: 'system' | 'light' | 'dark'
  language: '' | 'en' | 'es' /* '': the browser's */
  seenGuidelines: Record<string, number> /* dataset id → version */
  views: Record<string, { name: string; query: Record<string, string> }[]> /* by dataset, of before the server kept them: moved there */
  order: Record<string, string> /* order of work by dataset */
  columns: number /* width of the answers beside the record, percent */
}

const initial: Preferences = { theme: 'system', language: '', seenGuidelines: {}, views: {}, order: {}, columns: 42 }

function read(): Preferences {
  try {
    return { ...initial, ...JSON.parse(localStorage.getItem(key) ?? '{}') }
  } catch {
    return { ...initial }
  }
}

export const preferences = $state(read())

export function keep(): void {
  try {
    localStorage.setItem(key, JSON.stringify(preferences))
  } catch {
    /* a browser that keeps nothing: they last as long as the page */
  }
}

const dark = matchMedia('(prefers-color-scheme: dark)')

export function applyTheme(): void {
  const wanted = preferences.theme === 'system' ? (dark.matches ? 'dark' : 'light') : preferences.theme
  document.documentElement.dataset.theme = wanted
}

dark.addEventListener('change', applyTheme)
