/* Models and Settings, played: a model is added and goes again, a lasting name is pointed, moved and taken back while programs ask for it, a file
 * for other programs; keys with limits, and what is kept of them. Needs the starter model in build/starter; says so when it is not there. */
import { existsSync, statSync } from 'node:fs'
import { check, giveStarter, openPage, run, same, Server, starterOrSkip, until } from './lib.mjs'

const server = new Server('ui')
giveStarter(server, 'smollm2', 'other')
await server.start()
let page

const models = () => server.ask('GET', '/api/v1/models')
const card = (id) => page.locator('article').filter({ has: page.getByRole('heading', { name: id, exact: true }) })
/* Asked as a program asks, with a key. */
async function chat(model, key, words = 'Say hello.') {
  const body = { model, messages: [{ role: 'user', content: words }], max_tokens: 8, ignore_eos: true }
  const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${key}` }
  const answer = await fetch(`${server.url}/v1/chat/completions`, { method: 'POST', headers, body: JSON.stringify(body) })
  return { status: answer.status, body: await answer.json() }
}

check('a file of this machine becomes a model; a wrong path says why; its name goes, the file stays', async () => {
  page = await openPage(server)
  page.stays = true
  page.expected.push('422', '400', '404')
  await page.goto(`${server.url}/#/models`)
  await page.getByLabel('Use a model on this machine').fill('/nowhere/at/all')
  await page.getByLabel('Name', { exact: true }).fill('third')
  await page.getByRole('button', { name: 'Add it' }).click()
  await page.getByRole('alert').getByText('/nowhere/at/all').waitFor()
  await page.getByLabel('Use a model on this machine').fill(starterOrSkip())
  await page.getByRole('button', { name: 'Add it' }).click()
  await card('third').getByText(/llama · .* · 13\d M/).waitFor()
  same('models', (await models()).items.map((m) => m.id).sort(), ['other', 'smollm2', 'third'])
  await card('third').getByRole('button', { name: 'Remove third' }).click()
  await page.locator('dialog').getByRole('button', { name: 'Remove', exact: true }).click()
  await card('third').waitFor({ state: 'detached' })
  same('models', (await models()).items.map((m) => m.id).sort(), ['other', 'smollm2'])
  same('the file', existsSync(starterOrSkip()), true)
})

check('a lasting name is pointed, moved and taken back by a press; who asks for it gets what it means', async () => {
  for (const target of ['smollm2', 'other']) {
    await page.getByLabel('Alias').fill('mine')
    await page.getByLabel('Answers with').selectOption(target)
    await page.getByRole('button', { name: 'Point it' }).click()
    await page.getByText(`→ ${target}`).waitFor()
    same('what it means', (await models()).aliases.map((a) => [a.name, a.target]), [['mine', target]])
    same('the answer', (await chat('mine', 'any')).status, 200)
  }
  await page.getByRole('button', { name: 'Back to smollm2' }).click()
  await page.getByText('→ smollm2').waitFor()
  same('it means', (await models()).aliases[0].target, 'smollm2')
  await page.getByRole('button', { name: 'Remove mine' }).click()
  await page.getByText('→ smollm2').waitFor({ state: 'detached' })
  same('the answer', (await chat('mine', 'any')).status, 404)
})

check('a model becomes a file for other programs', async () => {
  await card('smollm2').getByRole('button', { name: 'Export' }).click()
  const dialog = page.locator('dialog')
  await dialog.getByRole('button', { name: 'Export', exact: true }).click()
  await dialog.getByText('It is here:').waitFor({ timeout: 120000 })
  const file = (await dialog.locator('pre').innerText()).trim()
  if (!(statSync(file).size > 1e8)) throw new Error(file)
  await page.keyboard.press('Escape')
})

check('a key does what it may, spends what it has, and keeps what it is told to', async () => {
  await page.goto(`${server.url}/#/settings`)
  await page.getByLabel('What the key is for').fill('a program')
  await page.getByLabel('What it may do').selectOption('serve')
  await page.getByLabel('Tokens a day').fill('60')
  await page.getByLabel('Keep answers, days').fill('7')
  await page.getByRole('button', { name: 'New key' }).click()
  const key = (await page.locator('dialog pre').innerText()).trim()
  await page.keyboard.press('Escape')
  const row = page.locator('li').filter({ hasText: 'a program' })
  await row.getByText('only ask models').waitFor()
  await row.getByText('0 of 60 tokens today').waitFor()
  await row.getByText('kept 7 days').waitFor()
  same('data', await server.ask('GET', '/api/v1/me/datasets', undefined, key).then(() => 'seen', (e) => /40[13]/.exec(e.message)?.[0]), '403')
  let used = 0
  for (let i = 0; used < 60; i++) {
    const { status, body } = await chat('smollm2', key, `Say the number ${i}.`)
    same('while it has tokens', status, 200)
    used += body.usage.total_tokens
  }
  same('behind them', (await chat('smollm2', key)).status, 429)
  await page.reload()
  await row.getByText(`${used} of 60 tokens today`).waitFor()
})

check('what is kept of it is shown, a thumb makes a record, and it goes with the key', async () => {
  const first = page.locator('details').filter({ hasText: 'Say the number 0.' })
  await first.locator('summary').click()
  await first.getByRole('button', { name: 'Good answer' }).click()
  const inbox = await until('the inbox', async () => (await server.ask('GET', '/api/v1/me/datasets')).items.find((d) => d.name === 'inbox'))
  const record = await until('a record', async () => (await server.ask('GET', `/api/v1/datasets/${inbox.id}/records?include=responses`)).items[0])
  same('what was asked', record.fields.messages[0].content, 'Say the number 0.')
  same('its end', record.metadata.unfinished.join(), 'messages')
  same('the thumb', record.responses[0].values.good.value, 'good')
  await page.locator('li').filter({ hasText: 'a program' }).getByRole('button', { name: 'End it' }).click()
  await page.getByRole('heading', { name: 'What is kept' }).waitFor({ state: 'detached' })
  same('kept', (await server.ask('GET', '/api/v1/me/traffic')).items.length, 0)
})

check('look and language stay', async () => {
  await page.getByLabel('Appearance').selectOption('dark')
  await page.getByLabel('Language').selectOption('es')
  await page.getByRole('heading', { name: 'Ajustes' }).waitFor()
  await page.reload()
  await page.getByRole('heading', { name: 'Ajustes' }).waitFor()
  same('look', await page.evaluate(() => document.documentElement.dataset.theme), 'dark')
  same('language', await page.evaluate(() => document.documentElement.lang), 'es')
})

await run(() => server.remove())
