/* Markdown of people and models, as nodes that run nothing: raw HTML is shown as text, pictures become their address (an answer must
 * not fetch anything from elsewhere), links leave only for http, https and mailto. DOMPurify judges the result once more. */
import DOMPurify from 'dompurify'
import { Marked } from 'marked'

const escaped = (text: string): string =>
  text.replace(/[&<>"']/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' })[c]!)

const marked = new Marked({
  gfm: true,
  breaks: true,
  renderer: {
    html: ({ text }) => escaped(text),
    image: ({ href, text }) => escaped(text ? `${text} (${href})` : href),
    link({ href, tokens }) {
      const inner = this.parser.parseInline(tokens)
      return /^(https?:|mailto:)/i.test(href) ? `<a href="${escaped(href)}" rel="noopener noreferrer" target="_blank">${inner}</a>` : inner
    },
  },
})

const allowed = {
  ALLOWED_TAGS: [
    'p', 'br', 'hr', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'strong', 'em', 'del', 'code', 'pre', 'blockquote', 'ul', 'ol', 'li', 'a',
    'table', 'thead', 'tbody', 'tr', 'th', 'td', 'input',
  ],
  ALLOWED_ATTR: ['href', 'rel', 'target', 'align', 'start', 'type', 'checked', 'disabled'],
  ALLOWED_URI_REGEXP: /^(https?:|mailto:)/i,
  RETURN_DOM_FRAGMENT: true as const,
}

export function rendered(text: string): DocumentFragment {
  const out = DOMPurify.sanitize(marked.parse(text, { async: false }), allowed)
  for (const box of out.querySelectorAll('input')) box.setAttribute('aria-label', box.hasAttribute('checked') ? '☑' : '☐')
  return out
}
