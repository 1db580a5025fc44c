/* No script runs: a corpus of over a thousand payloads, shown in every place where data is shown, with the policy of the pages and with
 * it switched off (the text itself has to be harmless). FETTLE_XSS=N takes every Nth payload alone. */
import { check, makeDataset, openPage, run, same, Server } from './lib.mjs'
import { aRun } from './sets.mjs'

const server = await new Server('ui').start()

/* ---- the corpus: tags × handlers × carriers, and what is known to have worked somewhere ------------------------------------------------- */

const call = 'window.__xss=1'
const known = [
  `<script>${call}</script>`, `<ScRiPt>${call}</sCrIpT>`, `<script src="data:text/javascript,${call}"></script>`, `"><script>${call}</script>`,
  `'-${call}-'`, `\${${call}}`, `{{${call}}}`, `{@html "<img src=x onerror=${call}>"}`, `<iframe srcdoc="<script>parent.__xss=1</script>"></iframe>`,
  `<iframe src="javascript:parent.__xss=1"></iframe>`, `<object data="javascript:${call}"></object>`, `<embed src="javascript:${call}">`,
  `<base href="//evil.example/">`, `<meta http-equiv="refresh" content="0;url=javascript:${call}">`, `<link rel=stylesheet href="//evil.example/x.css">`,
  `<style>@import "//evil.example/x.css";</style>`, `<style>*{background:url(//evil.example/)}</style>`, `<div style="background:url(//evil.example/x)">x</div>`,
  `<form action="javascript:${call}"><button>go</button></form>`, `<a href="javascript:${call}">go</a>`, `<a href="JaVaScRiPt:${call}">go</a>`,
  `<a href="java\tscript:${call}">go</a>`, `<a href="&#106;avascript:${call}">go</a>`, `<a href="vbscript:${call}">go</a>`, `<a href="data:text/html,<script>${call}</script>">go</a>`,
  `[go](javascript:${call})`, `[go](JAVASCRIPT:${call})`, `[go](java&#x09;script:${call})`, `[go](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)`,
  `[go](<javascript:${call}>)`, `[go]: javascript:${call}\n\n[go]`, `<javascript:${call}>`, `![x](x" onerror="${call})`, `![x](https://evil.example/beacon.png)`,
  `![x](javascript:${call})`, `[x](https://evil.example/" onmouseover="${call})`, '```html\n<img src=x onerror=' + call + '>\n```', '`<img src=x onerror=' + call + '>`',
  `<math><mi//xlink:href="data:x,<script>${call}</script>">`, `<svg><script>${call}</script></svg>`, `<svg><a xlink:href="javascript:${call}"><text>go</text></a></svg>`,
  `<svg><animate onbegin=${call} attributeName=x dur=1s>`, `<svg><use href="data:image/svg+xml,<svg id='x' xmlns='http://www.w3.org/2000/svg'><image href='1' onerror='${call}'/></svg>#x"></use></svg>`,
  `<noscript><p title="</noscript><img src=x onerror=${call}>">`, `<table><td background="javascript:${call}">`, `<xss id=x tabindex=1 onfocus=${call}></xss>`,
  `<form><math><mtext></form><form><mglyph><style></math><img src onerror=${call}>`, `<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=${call}&gt;">`,
  `<template><img src=x onerror=${call}></template>`, `<plaintext><img src=x onerror=${call}>`, `<!--><img src=x onerror=${call}>-->`, `<![CDATA[<img src=x onerror=${call}>]]>`,
  `\u202e<img src=x onerror=${call}>`, `<img src=x onerror=${call}\x0c>`, `<a id=__xss><a id=__xss name=then href="javascript:${call}">`, `__proto__`, `constructor`, `</textarea><img src=x onerror=${call}>`,
  `</title><img src=x onerror=${call}>`, `</style><img src=x onerror=${call}>`, `</script><img src=x onerror=${call}>`,
]
const tags = ['img src=x', 'svg', 'body', 'video src=x', 'audio src=x', 'input autofocus', 'details open', 'marquee', 'select autofocus', 'object data=x', 'iframe', 'image src=x', 'div tabindex=0', 'a href=#']
const handlers = ['onerror', 'onload', 'onfocus', 'ontoggle', 'onstart', 'onmouseover', 'onclick', 'onpointerenter', 'onanimationstart', 'onbeforetoggle']
const forms = [(t, h) => `<${t} ${h}=${call}>`, (t, h) => `<${t} ${h}="${call}">`, (t, h) => `<${t}/${h}='${call}'>`, (t, h) => `"><${t} ${h}=${call}>`, (t, h) => `</p><${t}\n${h}\n=\n${call}>`,
  (t, h) => `<${t.toUpperCase()} ${h.toUpperCase()}=${call}>`, (t, h) => `&lt;${t} ${h}=${call}&gt;`, (t, h) => `\`\`<${t} ${h}=${call}>\``]
const corpus = [...known, ...tags.flatMap((t) => handlers.flatMap((h) => forms.map((f) => f(t, h))))]
const every = Number(process.env.FETTLE_XSS ?? 1), payloads = corpus.filter((_, i) => i % every === 0)
console.log(`# ${payloads.length} of ${corpus.length} payloads`)

/* ---- the places -------------------------------------------------------------------------------------------------------------------------- */

/* A record holds one payload in each field, suggestion, comment; names and titles of the dataset hold some of them, its template too unless one is
 * given: what a template may fetch, the policy of its frame alone says. */
async function setOf(name, list, template) {
  const p = (i) => list[i % list.length]
  return makeDataset(server, {
    name: `${p(0)} ${name}`.slice(0, 190), guidelines: list.join('\n\n'),
    fields: [
      { name: 'md', title: p(1).slice(0, 400), required: false, settings: { type: 'text', use_markdown: true } }, { name: 'plain', title: 'plain', required: false, settings: { type: 'text' } },
      { name: 'chat', title: 'chat', required: false, settings: { type: 'chat' } }, { name: 'custom', title: 'custom', required: false, settings: { type: 'custom', template: `{{record.fields.custom.x}} ${template ?? p(2)}` } },
      { name: 'picture', title: 'picture', required: false, settings: { type: 'image' } }, { name: 'spanned', title: 'spanned', required: false, settings: { type: 'text' } },
    ],
    questions: [
      { name: 'text', title: p(3).slice(0, 400), description: p(4).slice(0, 900), required: true, settings: { type: 'text', use_markdown: true } },
      { name: 'label', title: 'label', required: false, settings: { type: 'label_selection', options: [{ value: 'a', text: p(5).slice(0, 400), description: p(6).slice(0, 400) }, { value: 'b', text: p(7).slice(0, 400) }] } },
      { name: 'spans', title: 'spans', required: false, settings: { type: 'span', field: 'spanned', options: [{ value: 'x', text: p(8).slice(0, 400) }, { value: 'y', text: 'y' }] } },
      { name: 'rank', title: 'rank', required: false, settings: { type: 'ranking', options: [{ value: 'a', text: p(9).slice(0, 400) }, { value: 'b', text: p(10).slice(0, 400) }] } },
    ],
    metadata: [{ name: 'topic', title: p(11).slice(0, 400), settings: { type: 'terms' } }],
    records: list.map((x, i) => ({
      fields: { md: x, plain: x, chat: [{ role: x.slice(0, 18) || 'user', content: x }, { role: 'user', content: x }], custom: { x }, spanned: x,
        picture: `data:image/svg+xml,${encodeURIComponent(`<svg xmlns="http://www.w3.org/2000/svg" onload="${call}"><script>${call}</script></svg>`)}` },
      metadata: { topic: x.slice(0, 100) }, external_id: `${name}-${i}-${x}`.slice(0, 180),
      suggestions: [{ question: 'text', value: x, agent: 'a', score: 0.5 }],
    })),
  })
}

async function clean(page, where) {
  await page.waitForTimeout(120)
  const found = await page.evaluate(() => ({ ran: window.__xss, bad: document.querySelectorAll('main script, main iframe:not([sandbox="allow-scripts"]), main object, main embed, main base, main form[action], main [onerror], main [onload], main [onclick], main a[href^="javascript" i], main a[href^="data" i], main img:not([src^="data:image/"])').length }))
  if (found.ran || found.bad) throw new Error(`${where}: ran ${found.ran}, ${found.bad} elements that should not be`)
  for (const frame of page.frames().slice(1)) {
    const ran = await frame.evaluate(() => window.__xss).catch(() => 0)
    if (ran) throw new Error(`${where}: a template ran`)
  }
}

async function walk(options) {
  const chunk = 100
  for (let at = 0; at < payloads.length; at += chunk) {
    const list = payloads.slice(at, at + chunk), set = await setOf(`set ${at}${options.bypassCSP ? ' bare' : ''}`, list, options.bypassCSP ? '' : undefined)
    await server.ask('POST', `/api/v1/records/${set.records[0].id}/notes`, { text: list[0], flag: true })
    const page = await openPage(server, options)
    page.expected.push('Refused to', 'Content Security Policy') /* in the frames of templates: what a page of ours refuses is told below */
    await page.addInitScript(() => window === top && addEventListener('securitypolicyviolation', (e) => console.error(`policy: ${e.violatedDirective} ${e.sample}`)))
    await page.goto(`${server.url}/#/datasets/${set.id}/annotate?view=bulk`)
    await page.locator('.bulk .card').first().waitFor()
    await page.getByLabel('Records on a page').selectOption('100')
    await page.locator('.bulk .card').nth(Math.min(list.length, 20) - 1).waitFor()
    await clean(page, `many at once, ${at}`)
    await page.keyboard.press('g')
    await page.locator('dialog').waitFor()
    await clean(page, `guidelines, ${at}`)
    await page.keyboard.press('Escape')
    await page.goto(`${server.url}/#/datasets/${set.id}/annotate`)
    await page.reload()
    await page.locator('.record').waitFor()
    for (let i = 0; i < (at % 300 ? 1 : 4); i++) {
      await page.getByRole('button', { name: 'Preview' }).first().click()
      await clean(page, `one by one, ${at + i}`)
      await page.keyboard.press('ArrowRight')
    }
    await page.keyboard.press('ArrowLeft')
    for (const key of ['c', 'h', 'i']) {
      await page.keyboard.press(key)
      await page.locator('dialog').waitFor()
      await clean(page, `panel ${key}, ${at}`)
      await page.keyboard.press('Escape')
    }
    await page.getByRole('button', { name: 'Filter and order' }).click()
    await page.locator('dialog').waitFor()
    await clean(page, `filters, ${at}`)
    for (const tab of at % 300 ? ['data'] : ['overview', 'data', 'import', 'review', 'quality', 'assist', 'settings']) {
      await page.goto(`${server.url}/#/datasets/${set.id}?tab=${tab}`)
      await page.getByRole('tab', { selected: true }).waitFor()
      await page.waitForTimeout(200)
      await clean(page, `${tab}, ${at}`)
    }
    if (at % 300 === 0) {
      await page.goto(`${server.url}/#/runs/${aRun(server, `run-${at}`, list.join('\n'))}`)
      for (const tab of ['Curves', 'Rollouts', 'Settings', 'Log']) {
        await page.getByRole('tab', { name: tab }).click()
        await page.waitForTimeout(250)
        await clean(page, `run, ${tab}, ${at}`)
      }
    }
    await page.goto(`${server.url}/#/datasets`)
    await page.getByRole('heading', { name: 'Datasets' }).waitFor()
    await clean(page, `datasets, ${at}`)
    if (page.faults.length) throw new Error(page.faults.slice(0, 3).join('; '))
    await page.context().close()
  }
}

check('under the policy of the pages nothing runs, and nothing is refused by it', () => walk({}))
check('without the policy nothing runs either', () => walk({ bypassCSP: true }))
check('a template is shown in a frame of its own that reaches nothing, and runs only where it is a program', async () => {
  const reach = (word) => `<b id="made">{{record.fields.card.name}}</b><img src=x onerror="window.handled=1"><script>
    document.title = 'ran'
    const made = document.createElement('i')
    made.id = '${word}'
    made.textContent = [record.fields.card.name, ...[() => parent.document.title, () => localStorage.length, () => parent.location.href].map((f) => { try { return 'reached ' + f() } catch (e) { return e.name } })].join(' ')
    document.body.append(made)
    fetch('/api/v1/me').then(() => (document.title = 'fetched'), () => (document.title = 'refused'))
  </script>`
  const set = await makeDataset(server, {
    name: 'framed',
    fields: [
      { name: 'card', title: 'Card', required: true, settings: { type: 'custom', template: reach('plain') } },
      { name: 'program', title: 'Program', required: false, settings: { type: 'custom', template: reach('program'), advanced_mode: true } },
    ],
    questions: [{ name: 'q', title: 'Q', required: true, settings: { type: 'text' } }],
    records: [{ fields: { card: { name: 'Ada <u>L</u>' }, program: { x: 1 } } }],
  })
  const page = await openPage(server)
  page.expected.push('frame', 'Refused to', 'violates the following Content Security Policy', 'Content Security Policy', 'Blocked')
  await page.goto(`${server.url}/#/datasets/${set.id}/annotate`)
  const plain = page.frameLocator('iframe[title="Card"]'), program = page.frameLocator('iframe[title="Program"]')
  await plain.locator('#made').waitFor()
  same('values are text', await plain.locator('#made').innerText(), 'Ada <u>L</u>')
  await program.locator('#program').waitFor()
  same('a program sees the record and nothing else', await program.locator('#program').innerText(), 'Ada <u>L</u> SecurityError SecurityError SecurityError')
  const titles = () => Promise.all(page.frames().slice(1).map((f) => f.evaluate(() => `${document.title} ${window.handled ?? 0}`)))
  await page.waitForTimeout(300)
  same('what became of scripts', await titles(), [' 0', 'refused 1'])
  same('no script stands in a plain template', await plain.locator('script:not([nonce]), #plain, [onerror]').count(), 0)
  same('the height follows', (await page.locator('iframe[title="Card"]').boundingBox()).height < 200, true)
})
check('a page cannot be put in a frame, and texts cannot become HTML', async () => {
  const page = await openPage(server)
  page.expected.push('TrustedHTML', "Failed to execute 'set' on")
  await page.goto(server.url + '/')
  await page.getByRole('navigation').waitFor()
  same('assigning text as HTML', await page.evaluate(() => {
    try {
      document.createElement('div').innerHTML = '<b>x</b>'
      return 'allowed'
    } catch (e) {
      return e.name
    }
  }), 'TypeError')
})

await run(() => server.remove())
