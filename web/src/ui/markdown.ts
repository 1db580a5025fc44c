/* Markdown of people and models, as nodes that run nothing. marked reads it into tokens, and each token becomes an element that is made
 * here: no text is ever parsed as HTML. Raw HTML is shown as text, pictures become their address (an answer must not fetch anything from
 * elsewhere), links leave only for http, https and mailto. */
import { Lexer, type Token, type Tokens } from 'marked'

const named: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0', copy: '©', hellip: '…', mdash: '—', ndash: '–' }

/* References to characters; those that nobody knows here stay as they are written. */
const decoded = (text: string): string =>
  text.replace(/&(?:#(\d{1,7})|#x([\da-f]{1,6})|(\w+));/gi, (whole, decimal?: string, hex?: string, name?: string) => {
    const point = decimal ? Number(decimal) : hex ? parseInt(hex, 16) : 0
    return name ? (Object.hasOwn(named, name) ? named[name] : whole) : point > 0 && point <= 0x10ffff ? String.fromCodePoint(point) : whole
  })

function element(tag: string, inner: (Node | string)[], attributes: Record<string, string> = {}): HTMLElement {
  const out = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) if (value) out.setAttribute(name, value)
  out.append(...inner)
  return out
}

const nodes = (tokens: Token[] | undefined): (Node | string)[] => (tokens ?? []).flatMap(node)

function linked({ href, tokens }: Tokens.Link): (Node | string)[] {
  const inner = nodes(tokens), to = decoded(href)
  return /^(https?:|mailto:)/i.test(to) ? [element('a', inner, { href: to, rel: 'noopener noreferrer', target: '_blank' })] : inner
}

const cells = (tag: string, row: Tokens.TableCell[]) => element('tr', row.map((x) => element(tag, nodes(x.tokens), { align: x.align ?? '' })))
const table = (x: Tokens.Table) =>
  element('table', [element('thead', [cells('th', x.header)]), element('tbody', x.rows.map((row) => cells('td', row)))])

function list(x: Tokens.List): HTMLElement {
  const start = x.ordered && x.start !== 1 ? String(x.start) : ''
  return element(x.ordered ? 'ol' : 'ul', x.items.map((i) => element('li', nodes(i.tokens))), { start })
}

const box = (checked: boolean): HTMLElement =>
  element('input', [], { type: 'checkbox', disabled: 'disabled', checked: checked ? 'checked' : '', 'aria-label': checked ? '☑' : '☐' })

/* The kinds of tokens, one row each. What is none of them is shown as it was written. */
const kinds: Record<string, (x: never) => (Node | string)[]> = {
  space: () => [],
  def: () => [],
  hr: () => [element('hr', [])],
  br: () => [element('br', [])],
  heading: (x: Tokens.Heading) => [element(`h${x.depth}`, nodes(x.tokens))],
  paragraph: (x: Tokens.Paragraph) => [element('p', nodes(x.tokens))],
  blockquote: (x: Tokens.Blockquote) => [element('blockquote', nodes(x.tokens))],
  code: (x: Tokens.Code) => [element('pre', [element('code', [x.text])])],
  codespan: (x: Tokens.Codespan) => [element('code', [x.text])],
  strong: (x: Tokens.Strong) => [element('strong', nodes(x.tokens))],
  em: (x: Tokens.Em) => [element('em', nodes(x.tokens))],
  del: (x: Tokens.Del) => [element('del', nodes(x.tokens))],
  text: (x: Tokens.Text) => (x.tokens ? nodes(x.tokens) : [decoded(x.text)]),
  escape: (x: Tokens.Escape) => [x.text],
  link: linked as (x: never) => (Node | string)[],
  image: (x: Tokens.Image) => [x.text ? `${x.text} (${x.href})` : x.href],
  list: (x: Tokens.List) => [list(x)],
  checkbox: (x: Tokens.Checkbox) => [box(x.checked), ' '],
  table: (x: Tokens.Table) => [table(x)],
}

const node = (token: Token): (Node | string)[] => (Object.hasOwn(kinds, token.type) ? kinds[token.type](token as never) : [token.raw])

export function rendered(text: string): DocumentFragment {
  const out = document.createDocumentFragment()
  out.append(...nodes(Lexer.lex(text, { gfm: true, breaks: true })))
  return out
}
