/* Where we are: the part of the address behind #, as a path and a query. `go` changes it; the browser's own buttons work. */

function read() {
  const hash = location.hash.startsWith('#/') ? location.hash.slice(1) : '/'
  const mark = hash.indexOf('?')
  return {
    path: mark < 0 ? hash : hash.slice(0, mark),
    query: Object.fromEntries(new URLSearchParams(mark < 0 ? '' : hash.slice(mark + 1))) as Record<string, string>,
  }
}

export const place = $state(read())

addEventListener('hashchange', () => Object.assign(place, read()))

export function address(path: string, query: Record<string, string | undefined> = {}): string {
  const given = Object.entries(query).filter((x): x is [string, string] => x[1] !== undefined && x[1] !== '')
  return '#' + path + (given.length ? '?' + new URLSearchParams(given) : '')
}

export function go(path: string, query: Record<string, string | undefined> = {}): void {
  location.hash = address(path, query).slice(1)
}

/* The same place with another query, without a new entry in the browser's history. */
export function stay(query: Record<string, string | undefined>): void {
  history.replaceState(null, '', address(place.path, query))
  Object.assign(place, read())
}

/* '/datasets/:id' against '/datasets/7': {id: '7'}, or null. */
export function match(pattern: string, path: string): Record<string, string> | null {
  const want = pattern.split('/'), have = path.split('/')
  if (want.length !== have.length) return null
  const out: Record<string, string> = {}
  for (let i = 0; i < want.length; i++) {
    if (want[i].startsWith(':')) out[want[i].slice(1)] = decodeURIComponent(have[i])
    else if (want[i] !== have[i]) return null
  }
  return out
}
