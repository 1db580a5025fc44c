/* Annotating by keyboard: what is pressed is what the server has; undo; bulk; two people; and nothing typed is lost when the server dies. */
import { check, openPage, run, same, Server, until } from './lib.mjs'
import { edits, everything, thumbs } from './sets.mjs'

const server = await new Server('ui').start()
const annotate = (set, more = '') => `${server.url}/#/datasets/${set.id}/annotate${more}`
const record = (r) => server.ask('GET', `/api/v1/records/${r.id}`)
const answer = async (r) => (await record(r)).responses[0]
const shows = (page, text) => page.locator('.record').getByText(text).first().waitFor()

/* The answer to a record, when it is what is wanted. */
const answered = (r, status) => until(`${r.id} is ${status}`, async () => {
  const a = await answer(r)
  return a?.status === status && a
})

check('an edit and a rating, by keys alone, and the next record is there', async () => {
  const set = await edits(server, 6), page = await openPage(server)
  await page.goto(annotate(set))
  await shows(page, 'Answer number 1')
  await page.keyboard.press('Shift+Enter')
  await page.keyboard.press('End')
  await page.keyboard.type(' Or no.')
  await page.keyboard.press('Escape')
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('4')
  await page.keyboard.press('Enter')
  await shows(page, 'Answer number 2')
  const a = await answered(set.records[0], 'submitted')
  same('rating', a.values.rating.value, 4)
  if (!a.values.better.value.includes('Or no.')) throw new Error(`the edit is ${a.values.better.value}`)
})

check('enter without a required answer says which one is missing and sends nothing', async () => {
  const set = await edits(server, 2), page = await openPage(server)
  await page.goto(annotate(set))
  await shows(page, 'Answer number 1')
  await page.keyboard.press('Enter')
  await page.getByText('This one still needs an answer').waitFor()
  same('answers', (await record(set.records[0])).responses.length, 0)
  await page.keyboard.press('2')
  await page.keyboard.press('Enter')
  await answered(set.records[0], 'submitted')
})

check('a single question is answered and sent by one key; undo takes it back, redo gives it again', async () => {
  const set = await thumbs(server), page = await openPage(server)
  await page.goto(annotate(set))
  await shows(page, 'answer 1')
  await page.keyboard.press('1')
  await shows(page, 'answer 2')
  await page.keyboard.press('2')
  await shows(page, 'answer 3')
  same('first', (await answered(set.records[0], 'submitted')).values.good.value, 'good')
  same('second', (await answered(set.records[1], 'submitted')).values.good.value, 'bad')
  await page.keyboard.press('u')
  await shows(page, 'answer 2')
  await until('taken back', async () => !(await answer(set.records[1])))
  await page.keyboard.press('Control+Shift+z')
  await answered(set.records[1], 'submitted')
  await page.keyboard.press('Backspace')
  await answered(set.records[2], 'discarded')
  await page.keyboard.press('u')
  await until('pending again', async () => !(await answer(set.records[2])))
})

check('typing is kept as a draft without being asked, and comes back', async () => {
  const set = await edits(server, 3), page = await openPage(server)
  await page.goto(annotate(set))
  await shows(page, 'Answer number 1')
  await page.locator('.form textarea').first().fill('half a thought')
  same('draft', (await answered(set.records[0], 'draft')).values.better.value, 'half a thought')
  await page.goto(annotate(set, '?status=draft'))
  await page.reload()
  await page.locator('.form textarea').first().waitFor()
  same('text', await page.locator('.form textarea').first().inputValue(), 'half a thought')
})

check('every type of question, by keys', async () => {
  const set = await everything(server), page = await openPage(server)
  await page.goto(annotate(set))
  await shows(page, 'number 1.')
  const first = await page.locator('.side').first().innerText()
  await page.keyboard.press('1')
  await page.keyboard.press('1') /* the same again: clearly */
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('1') /* polite, and on to the next */
  await page.keyboard.press('1')
  await page.keyboard.press('2') /* twelve */
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('1')
  await page.keyboard.press('0') /* ten */
  await page.keyboard.press('ArrowDown')
  for (const key of ['2', '1', '2']) await page.keyboard.press(key)
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('1') /* the label: place */
  await page.keyboard.press('Shift+Enter')
  for (let i = 0; i < 6; i++) await page.keyboard.press('ArrowRight')
  for (let i = 0; i < 10; i++) {
    if ((await page.locator('.record .selected').innerText()) === 'London') break
    await page.keyboard.press('ArrowRight')
  }
  await page.keyboard.press('Enter')
  await page.keyboard.press('Escape')
  await page.evaluate(() => document.activeElement?.blur())
  await page.keyboard.press('Enter')
  const v = (await answered(set.records[0], 'submitted')).values
  const side = /Lyon/.test(first) ? 'b' : 'a'
  same('comparison', v.which.value, { choice: side, order: side === 'a' ? ['a', 'b'] : ['b', 'a'], strength: 2 })
  same('label', v.good.value, 'polite')
  same('labels', v.about.value, ['t2', 't9', 't12'])
  same('rating', v.score.value, 10)
  same('ranking', v.order.value, [{ value: 'clear', rank: 2 }, { value: 'brief', rank: 1 }, { value: 'kind', rank: 2 }])
  const text = Array.from(set.records[0].fields.text), at = text.join('').replace('😀', '_').indexOf('London')
  same('spans', v.names.value, [{ label: 'person', start: 0, end: 12 }, { label: 'place', start: at, end: at + 6 }])
})

check('spans by mouse grow to whole words; a click takes one off', async () => {
  const set = await everything(server), page = await openPage(server)
  await page.goto(annotate(set))
  await shows(page, 'number 1.')
  await page.locator('.form').getByRole('radio', { name: 'place' }).click()
  const box = await page.evaluate(() => {
    const walk = document.createTreeWalker(document.querySelector('.record [role=application]'), NodeFilter.SHOW_TEXT)
    for (let n; (n = walk.nextNode()); ) {
      const at = n.data.indexOf('London')
      if (at < 0) continue
      const range = document.createRange()
      range.setStart(n, at + 1)
      range.setEnd(n, at + 4)
      const r = range.getBoundingClientRect()
      return { x: r.x, y: r.y + r.height / 2, w: r.width }
    }
  })
  await page.mouse.move(box.x, box.y)
  await page.mouse.down()
  await page.mouse.move(box.x + box.w, box.y, { steps: 4 })
  await page.mouse.up()
  await page.locator('.record .marked', { hasText: 'London' }).waitFor()
  same('marked', await page.locator('.record .marked', { hasText: 'London' }).evaluate((e) => e.firstChild.textContent), 'London')
  await page.locator('.record .marked', { hasText: 'London' }).click()
  await page.locator('.record .marked', { hasText: 'London' }).waitFor({ state: 'detached' })
})

check('a ranking by dragging', async () => {
  const set = await everything(server), page = await openPage(server)
  await page.goto(annotate(set))
  await shows(page, 'number 1.')
  const card = (name) => page.locator('.ranking .card', { hasText: name })
  await card('kind').dragTo(page.locator('.ranking .place:not(.pool)').first())
  await card('clear').dragTo(page.locator('.ranking .place:not(.pool)').nth(1))
  const a = await answered(set.records[0], 'draft')
  same('ranking', a.values.order.value, [{ value: 'clear', rank: 2 }, { value: 'kind', rank: 1 }])
})

check('many at once: chosen, answered, undone', async () => {
  const set = await thumbs(server, 30), page = await openPage(server)
  await page.goto(annotate(set, '?view=bulk'))
  await page.locator('.bulk .card').nth(3).waitFor()
  for (const key of ['x', 'j', 'x', 'j', 'x', '2', 'Enter']) await page.keyboard.press(key)
  const order = await until('three answers', async () => {
    const list = []
    for (const r of set.records) if ((await answer(r))?.status === 'submitted') list.push(r)
    return list.length === 3 && list
  })
  for (const r of order) same('bulk', (await answer(r)).values.good.value, 'bad')
  await page.locator('.toast').getByRole('button', { name: 'Undo' }).click()
  await until('all taken back', async () => {
    for (const r of order) if (await answer(r)) return false
    return true
  })
})

check('search, a filter, a kept view, and records like this one', async () => {
  const set = await edits(server, 8), all = await everything(server), page = await openPage(server)
  await page.goto(annotate(set))
  await shows(page, 'Answer number 1')
  await page.keyboard.press('/')
  await page.keyboard.type('egg')
  await page.keyboard.press('Enter')
  await shows(page, 'boil an egg')
  await page.getByText('1 record found').waitFor()
  await page.getByRole('button', { name: '“egg”' }).click()
  await page.getByRole('button', { name: 'Filter and order' }).click()
  await page.getByRole('button', { name: 'science (4)' }).click()
  await page.getByLabel('Name of this view').fill('science')
  await page.getByRole('button', { name: 'Keep this view' }).click()
  await page.getByRole('button', { name: 'Show these' }).click()
  await page.getByText('4 records found').waitFor()
  await page.getByRole('button', { name: 'Topic: science' }).click()
  await page.getByRole('button', { name: 'Filter and order' }).click()
  await page.getByRole('button', { name: 'science', exact: true }).click()
  await page.getByText('4 records found').waitFor()
  await page.goto(annotate(all))
  await page.reload()
  await shows(page, 'number 1.')
  await page.keyboard.press('s')
  await shows(page, 'number 2.')
})

check('a comment and a flag, the history, guidelines that changed', async () => {
  const set = await edits(server, 3), page = await openPage(server)
  await page.goto(annotate(set))
  await shows(page, 'Answer number 1')
  await page.keyboard.press('f')
  await page.getByLabel('What should others know').fill('This prompt is odd')
  await page.getByRole('button', { name: 'Add' }).click()
  await page.getByText('This prompt is odd').waitFor()
  const notes = (await server.ask('GET', `/api/v1/records/${set.records[0].id}/notes`)).items
  same('flag', [notes[0].text, notes[0].flag], ['This prompt is odd', true])
  await page.keyboard.press('Escape')
  await server.ask('PATCH', `/api/v1/datasets/${set.id}`, { guidelines: '# What a good answer is\n\n* **Shorter**: one sentence.' })
  await page.getByText('changed since you last looked').waitFor({ state: 'attached' })
  await page.keyboard.press('g')
  await page.getByRole('button', { name: 'What changed' }).click()
  await page.locator('ins', { hasText: 'Shorter' }).waitFor()
})

check('a panel opens however soon after the last one was closed', async () => {
  const set = await edits(server, 2), page = await openPage(server)
  await page.goto(annotate(set))
  await shows(page, 'Answer number 1')
  for (let i = 0; i < 30; i++) {
    await page.keyboard.press('chi'[i % 3])
    await page.locator('dialog').waitFor({ timeout: 3000 })
    await page.keyboard.press('Escape')
  }
})

check('nothing typed is lost when the server dies, and the page says what is not saved', async () => {
  const set = await edits(server, 5), page = await openPage(server)
  page.expected.push('ERR_CONNECTION_REFUSED', 'ERR_CONNECTION_RESET', 'ERR_INCOMPLETE_CHUNKED', 'ERR_EMPTY_RESPONSE', 'ERR_SOCKET_NOT_CONNECTED')
  await page.goto(annotate(set))
  await shows(page, 'Answer number 1')
  await page.waitForTimeout(500) /* the next three are here */
  await server.kill()
  for (let i = 1; i <= 3; i++) {
    await page.locator('.form textarea').first().fill(`typed while it was dead ${i}`)
    await page.getByRole('radio', { name: String(i) }).click()
    await page.keyboard.press('Control+Enter')
    await shows(page, `Answer number ${i + 1}`)
  }
  await page.locator('.form textarea').first().fill('typed last, never sent')
  await page.getByText(/answers? (is|are) not saved on the server yet/).waitFor()
  await page.waitForTimeout(1200)
  await server.start()
  for (let i = 1; i <= 3; i++) {
    const a = await answered(set.records[i - 1], 'submitted')
    same('text', a.values.better.value, `typed while it was dead ${i}`)
    same('rating', a.values.rating.value, i)
  }
  same('draft', (await answered(set.records[3], 'draft')).values.better.value, 'typed last, never sent')
  await page.getByText(/not saved on the server yet/).waitFor({ state: 'detached' })
})

check('when the next records cannot be fetched, the page says so, and goes on by itself', async () => {
  const set = await thumbs(server, 12), page = await openPage(server)
  page.expected.push('ERR_CONNECTION', 'ERR_INCOMPLETE_CHUNKED', 'ERR_EMPTY_RESPONSE')
  await page.goto(annotate(set))
  await shows(page, 'answer 1')
  await page.waitForTimeout(400)
  await server.kill()
  for (let i = 0; i < 8 && (await page.locator('.record').count()); i++) {
    await page.keyboard.press('1')
    await page.waitForTimeout(150)
  }
  await page.getByRole('main').getByRole('alert').getByText('cannot be reached').waitFor()
  await server.start()
  await page.locator('.record').waitFor({ timeout: 40000 })
})

check('what a closed page had not sent is sent by the next one', async () => {
  const set = await edits(server, 3), page = await openPage(server)
  page.expected.push('ERR_CONNECTION', 'ERR_INCOMPLETE_CHUNKED', 'ERR_EMPTY_RESPONSE')
  await page.goto(annotate(set))
  await shows(page, 'Answer number 1')
  await server.kill()
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('5')
  await page.keyboard.press('Enter')
  await page.getByText(/not saved on the server yet/).waitFor()
  await page.goto('about:blank')
  await server.start()
  await page.goto(server.url + '/#/datasets')
  same('rating', (await answered(set.records[0], 'submitted')).values.rating.value, 5)
})

check('a key shows the next record; how fast is told', async () => {
  const set = await thumbs(server, 40), page = await openPage(server)
  await page.goto(annotate(set))
  await shows(page, 'answer 1')
  const times = []
  for (let i = 0; i < 12; i++) {
    await page.waitForTimeout(150)
    times.push(await page.evaluate(() => new Promise((ok) => {
      const before = document.querySelector('.record').innerText, begun = performance.now()
      const seen = new MutationObserver(() => {
        if (document.querySelector('.record')?.innerText === before) return
        seen.disconnect()
        ok(performance.now() - begun)
      })
      seen.observe(document.body, { subtree: true, childList: true, characterData: true })
      document.body.dispatchEvent(new KeyboardEvent('keydown', { key: '1', bubbles: true }))
    })))
  }
  times.sort((a, b) => a - b)
  await answered(set.records[0], 'submitted')
  console.log(`# between two records: median ${times[6].toFixed(1)} ms, most ${times[11].toFixed(1)} ms`)
})

check('two people are not shown the same record; an ended session asks for the password and loses nothing', async () => {
  const set = await thumbs(server, 6), team = await new Server().startIn(server)
  try {
    const pages = []
    for (const name of ['ann', 'bob']) {
      const page = await openPage(team)
      await page.goto(`${team.url}/#/datasets/${set.id}/annotate`)
      await page.getByLabel('User name').fill(name)
      await page.getByLabel('Password').fill('12345678')
      await page.getByRole('button', { name: 'Log in' }).click()
      await page.locator('.record').waitFor()
      pages.push(page)
    }
    await shows(pages[0], 'answer 1')
    await shows(pages[1], 'answer 3') /* the second is ann's next */
    const ann = pages[0]
    ann.expected.push('401')
    await ann.context().clearCookies()
    await ann.keyboard.press('1')
    await ann.getByText('Your session has ended').waitFor()
    await ann.getByLabel('Password').fill('12345678')
    await ann.getByRole('button', { name: 'Log in' }).click()
    await ann.getByText('Your session has ended').waitFor({ state: 'detached' })
    const mine = async () => (await ann.evaluate(async (id) => (await fetch(`/api/v1/records/${id}`)).json(), set.records[0].id)).responses[0]
    same('her answer', (await until('saved', mine)).values.good.value, 'good')
  } finally {
    await team.remove()
  }
})

await run(() => server.remove())
